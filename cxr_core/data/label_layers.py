"""Keeps label layers: decisions about the labels of a dataset, beside it and never in it.

<workspace>/label_layers/<name>.json    film by film: the label decided, what it was before, by whom, when and why

`labels:NAME` stands wherever data is named. A layer is not changed once it is there: runs and evaluations name it.
Films are found by the SHA-256 of their pixels, whatever their file, row or dataset is called now.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from cxr_core.data.manifest import AppliedLayer, Manifest
from cxr_core.errors import DataError, RecordError
from cxr_core.known_findings import is_finding_key, order_findings
from cxr_core.presentation.wording import finding_name, format_count
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import Fraction, JsonRecord, read_record_file
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.paths import printable, workspace
from cxr_core.workspace.process_lock import hold_folder

REFERENCE = "labels:"  # what a layer's name begins with where a folder or a dataset could stand
NAME = r"\w[\w.+-]{0,79}"
SCHEMA: Literal[1] = 1
Label = Literal[0, 1]
LABEL_NAMES = {1: "present", 0: "absent", None: "unknown"}


@dataclass(frozen=True, kw_only=True)
class LabelBox(JsonRecord):
    """Where a finding lies, in fractions of the film's size."""

    left: Fraction
    top: Fraction
    width: Fraction
    height: Fraction


@dataclass(frozen=True, kw_only=True)
class LabelDecision(JsonRecord):
    """One label, decided by readers.

    film: SHA-256 of its pixels.  label, before: 1, 0 or None (unknown).  readers: the ids of those whose verdicts it
    rests on.  when: ISO 8601, UTC.  why: in words.  boxes: where the finding lies, if somebody drew any.
    """

    film: str
    finding: str
    label: Label | None
    before: Label | None = None
    readers: tuple[str, ...] = ()
    when: str = ""
    why: str = ""
    boxes: tuple[LabelBox, ...] = ()

    def __post_init__(self) -> None:
        if not is_finding_key(self.finding):
            raise RecordError(f"{self.finding!r:.40} can be no finding")

    @property
    def changes(self) -> bool:
        """Whether the label differs from that before."""
        return self.label != self.before


@dataclass(frozen=True, kw_only=True)
class LayerRecord(JsonRecord):
    """<name>.json. data_sha256: of the dataset's usable films when the layer was made."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = SCHEMA
    dataset: str
    data_sha256: str
    created: str  # ISO 8601, UTC
    note: str = ""
    decisions: tuple[LabelDecision, ...]


@dataclass(frozen=True, kw_only=True)
class LabelLayer:
    """One layer with its name."""

    name: str
    record: LayerRecord

    @property
    def reference(self) -> str:
        """How it is named where data is given: `labels:NAME`."""
        return REFERENCE + self.name

    @property
    def sha256(self) -> str:
        """A hash of its decisions, by which runs and evaluations know it again."""
        decisions = [decision.to_json() for decision in self.record.decisions]
        return hashlib.sha256(json.dumps(decisions, sort_keys=True).encode()).hexdigest()

    @property
    def films(self) -> frozenset[str]:
        """The hashes of the films that it decides about."""
        return frozenset(decision.film for decision in self.record.decisions)

    def count_changes(self) -> dict[str, Counter[str]]:
        """How many labels of each finding change, by direction: "absent to present"."""
        changes: dict[str, Counter[str]] = {}
        for decision in self.record.decisions:
            if decision.changes:
                before, after = LABEL_NAMES[decision.before], LABEL_NAMES[decision.label]
                changes.setdefault(decision.finding, Counter())[f"{before} to {after}"] += 1
        return {key: changes[key] for key in order_findings(changes)}

    @property
    def sentence(self) -> str:
        """What it decides and changes: "15 labels are decided; pneumonia: 8 absent to present, 2 present to absent"."""
        decided = format_count(len(self.record.decisions), "labels")
        parts = [
            f"{finding_name(key)}: {', '.join(f'{count} {way}' for way, count in ways.most_common())}"
            for key, ways in self.count_changes().items()
        ]
        return f"{decided} decided; {'; '.join(parts) or 'none of them changes'}"


def save_layer(
    name: str,
    dataset: str,
    data_sha256: str,
    decisions: Iterable[LabelDecision],
    *,
    note: str = "",
) -> LabelLayer:
    """Keep decisions under a new name. dataset: the registered name of the one that they are about.

    Raises DataError for a name that is taken or cannot be one, two decisions about one label, and without any.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not re.fullmatch(NAME, name):
        raise DataError(
            f"a label layer cannot be named {name!r}; use letters, digits, dots, _, + and -, 80 characters at most"
        )
    ordered = tuple(sorted(decisions, key=lambda one: (one.film, one.finding)))
    if not ordered:
        raise DataError("nothing was decided yet, so there is no label layer to keep")
    repeated = Counter((one.film, one.finding) for one in ordered).most_common(1)[0]
    if repeated[1] > 1:
        raise DataError(f"a label of {repeated[0][1]} of one film is decided twice; decide it once")
    record = LayerRecord(
        dataset=dataset,
        data_sha256=data_sha256,
        created=utc_now(),
        note=note.strip(),
        decisions=ordered,
    )
    with hold_folder(layers_folder()):
        if _path_of(name).exists():
            raise DataError(
                f"there is a label layer named {name} already; runs may name it, so choose another name"
            )
        write_json(_path_of(name), record.to_json(), durable=True)
    return LabelLayer(name=name, record=record)


def load_layer(name: str) -> LabelLayer:
    """A layer by its name, with or without `labels:` before it. Raises DataError that lists the known ones."""
    name = unicodedata.normalize("NFC", name.removeprefix(REFERENCE))
    names = _list_names()
    if name not in names:
        raise DataError(
            f"there is no label layer named {name}; known: {', '.join(names) or 'none'}"
        )
    path = _path_of(name)
    try:
        return LabelLayer(name=name, record=read_record_file(path, LayerRecord))
    except (OSError, RecordError) as error:
        raise DataError(
            f"the label layer {name} cannot be read ({error}); put a copy of {printable(path)} back, or move it away "
            "and make the layer again"
        ) from error


def list_layers(dataset: str | None = None) -> list[LabelLayer]:
    """Every layer that can be read, by name; with a dataset's name, those that were made for it."""
    layers = []
    for name in _list_names():
        with suppress(DataError):
            layers.append(load_layer(name))
    return [layer for layer in layers if dataset in (None, layer.record.dataset)]


def describe_damaged_layers() -> list[str]:
    """A sentence for each layer that `list_layers` leaves out, since its file is damaged."""
    sentences = []
    for name in _list_names():
        try:
            load_layer(name)
        except DataError as error:
            sentences.append(f"{str(error)[0].upper()}{str(error)[1:]}.")
    return sentences


def is_layer(name: str | Path) -> bool:
    """Whether a name of data is that of a label layer."""
    return str(name).startswith(REFERENCE)


def apply_layers(
    films: Manifest,
    names: Iterable[str | Path],
    tell: Callable[[str], None] = lambda sentence: None,
) -> Manifest:
    """The same films with the labels of every layer among some names of data, in their order; a later one counts.

    films: of whole datasets, decoded.  tell: is told what each layer changes and which of its films are gone.
    Raises DataError for a layer of another dataset: one most of whose films are not among these.
    """
    for name in filter(is_layer, names):
        layer = load_layer(str(name))
        films, applied = _apply(films, layer)
        tell(describe_applied(applied))
    return films


def describe_applied(applied: AppliedLayer) -> str:
    """What a layer did to some films, in a sentence without a full stop."""
    changed = format_count(sum(applied.changed.values()), "labels")
    sentence = (
        f"label layer {applied.name}: {changed} changed on {format_count(applied.films, 'films')}"
    )
    if applied.missing:
        sentence += f"; no longer in this data: {format_count(applied.missing, 'films')} of it"
    return sentence


def describe_label_sources(films: Manifest) -> str:
    """On which labels films are judged: the data's own, or with those that readers decided."""
    if not films.label_layers:
        return "Labels: those of the data."
    decided = 0
    if films.own_labels is not None:
        decided = int(films.table["image"].isin(films.own_labels.index).sum())
    names = ", ".join(layer.name for layer in films.label_layers)
    return (
        f"Labels: those of the data, with the label layer {names}; readers decided {decided:,} of these "
        f"{format_count(len(films.table), 'films')}."
    )


def use_own_labels(films: Manifest) -> Manifest:
    """The films with the data's own labels again: a layer never moves a film from one split to another.

    A finding whose own labels are all of one class, or of which there are none, keeps the labels of the layer.
    """
    own = films.own_labels
    if own is None:
        return films
    table = films.table.copy()
    rows = table["image"].isin(own.index)
    for key in films.findings:
        if key not in own.columns:
            continue
        column = table[key].copy()
        column[rows] = own.loc[table.loc[rows, "image"], key].to_numpy()
        if (column == 1).any() and (column == 0).any():
            table[key] = column
    return films.with_table(table)


def use_labels_of(films: Manifest, labelled: Manifest) -> Manifest:
    """Some films with the labels that they have in another manifest, which holds them all."""
    findings = list(labelled.findings)
    table = films.table.copy()
    labels = labelled.table.set_index("image").loc[table["image"], findings]
    table[findings] = labels.to_numpy(np.float32)
    return films.with_table(table)


def layers_folder() -> Path:
    """The folder of all label layers."""
    return workspace() / "label_layers"


def _apply(films: Manifest, layer: LabelLayer) -> tuple[Manifest, AppliedLayer]:
    table = films.table.copy()
    decided_films = table[table["sha256"].isin(layer.films)]
    row_of = {sha256: rows.index for sha256, rows in decided_films.groupby("sha256")}
    gone = layer.films - row_of.keys()
    total = len(layer.films)
    if len(gone) * 2 > total:
        raise DataError(
            f"the label layer {layer.name} was made for the dataset {layer.record.dataset} "
            f"({layer.record.data_sha256[:12]}): {total - len(gone)} of its {format_count(total, 'films')} are in this "
            "data. Give the data that it was made for"
        )
    findings = [one.finding for one in layer.record.decisions]
    for key in order_findings(findings):
        if key not in table:
            table[key] = np.float32(np.nan)
    before = table.copy()
    changed: Counter[str] = Counter()
    boxed: list[dict[str, object]] = []
    redrawn: set[tuple[str, str]] = set()
    for decision in layer.record.decisions:
        rows = row_of.get(decision.film)
        if rows is None:
            continue
        table.loc[rows, decision.finding] = _to_number(decision.label)
        images = table.loc[rows, "image"]
        if decision.boxes or decision.label == 0:
            redrawn |= {(image, decision.finding) for image in images}
        boxed += [
            {"image": image, "finding": decision.finding, **box.to_json()}
            for image in images
            for box in decision.boxes
        ]
        is_same = _same_labels(before.loc[rows, decision.finding], decision.label)
        changed[decision.finding] += int((~is_same).sum())
    decided = table["sha256"].isin(layer.films)
    labels = [key for key in films.findings if key in before] + [
        key for key in order_findings(findings) if key not in films.findings
    ]
    own = before.loc[decided, ["image", *labels]].set_index("image")
    if films.own_labels is not None:  # what an earlier layer replaced is the data's own
        new = own[~own.index.isin(films.own_labels.index)]
        own = pd.concat([films.own_labels.reindex(columns=own.columns), new])
    applied = AppliedLayer(
        name=layer.name,
        sha256=layer.sha256,
        films=int(decided.sum()),
        changed={key: count for key, count in changed.items() if count},
        missing=len(gone),
    )
    layered = replace(
        films,
        table=table,
        boxes=_replace_boxes(films.boxes, redrawn, boxed),
        own_labels=own,
        label_layers=(*films.label_layers, applied),
    )
    return layered, applied


def _replace_boxes(
    boxes: pd.DataFrame, redrawn: set[tuple[str, str]], new: list[dict[str, object]]
) -> pd.DataFrame:
    """The boxes of a manifest, where readers' ones take the place of those of the same film and finding."""
    if not redrawn:
        return boxes
    pairs = zip(boxes["image"], boxes["finding"], strict=True)
    kept = boxes[np.array([pair not in redrawn for pair in pairs], bool)]
    if not new:
        return kept.reset_index(drop=True)
    return pd.concat([kept, pd.DataFrame(new).astype(dict(boxes.dtypes))], ignore_index=True)


def _to_number(label: Label | None) -> float:
    return np.nan if label is None else float(label)


def _same_labels(column: pd.Series, label: Label | None) -> pd.Series:
    return column.isna() if label is None else column == label


def _list_names() -> list[str]:
    return sorted(path.stem for path in layers_folder().glob("[!.]*.json"))


def _path_of(name: str) -> Path:
    return layers_folder() / f"{name}.json"
