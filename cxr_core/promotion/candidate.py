"""A finished run before the gate: on which films it is compared with the model in use, what both say, the verdict.

Compared is on the gate films where neither model has learnt from them; else on the data's own test part, whose uses are
counted; else not at all. Which it is depends on cards and labels, never on a figure.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import Progress, open_data, silent
from cxr_core.data.splits.holdout import GATE
from cxr_core.errors import DataError, RunError
from cxr_core.evaluation.evaluate import data_facts, predictions
from cxr_core.evaluation.store.folder import read_metrics
from cxr_core.evaluation.store.official_test import record_use, uses_of
from cxr_core.models.card import ModelCard
from cxr_core.models.registry.registry import in_use, installed_segmenter, outlines
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_card
from cxr_core.promotion.gate.gate import LIMITS, Tables, judge
from cxr_core.promotion.gate.segmenter import SEGMENTER_LIMITS
from cxr_core.promotion.gate.verdict import GATE_FILE, Verdict, read_verdict
from cxr_core.reading.classifier import Classifier
from cxr_core.training.exclusions import LeftAside
from cxr_core.training.run_data import part_of_run
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.jsonl import utc_now

TEST = "test"
Card = ModelCard | SegmenterCard
NOT_THE_MODEL = ("metrics", "training")  # of a card: what does not change what a model says


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The films that a candidate is measured on alone, and those on which it is compared; None = there are none.

    part: of the latter.  words: which they are and why.  test: the official test part, whose uses are counted.
    """

    alone: Manifest | None = None
    together: Manifest | None = None
    part: str = ""
    words: str
    test: Manifest | None = None


def verdict_on(run: RunFolder, *, progress: Progress = silent) -> Verdict:
    """Ask the gate about the model of a finished run, and keep its answer in the run's folder.

    Both models read the films, which takes seconds to minutes. A verdict that still stands is taken as it is: the same
    two models, the same limits. progress: told (stage, films read, films). Raises ModelError for a damaged model.
    """
    candidate = Classifier.load(run.model)
    folder = rival_of(candidate.card)
    rival = Classifier.load(folder) if folder else None
    kept = read_verdict(run.path)
    if kept is not None and stands(kept, candidate.card, rival.card if rival else None):
        return kept
    ground = ground_of(run, candidate.card, rival.card if rival else None, progress)
    tables = _tables(candidate, rival, ground, progress)
    verdict = Verdict(
        model=candidate.card.model,
        version=candidate.card.version,
        rival=f"{rival.card.model} {rival.card.version}" if rival else "",
        part=ground.part,
        films=ground.words,
        checks=judge(candidate.card, rival.card if rival else None, tables),
        official_test=_official_test(run),
        limits=LIMITS.to_json(),
        between=fingerprints(candidate.card, rival.card if rival else None),
        made=utc_now(),
    )
    write_verdict(run.path / GATE_FILE, verdict.to_json())
    return verdict


def rival_of(card: Card) -> Path | None:
    """The folder of the model in use that this one would replace; None when there is none.

    Of classifiers it is the one of its name. Of models that outline one alone is in use, whatever its name.
    """
    if isinstance(card, SegmenterCard):
        return installed_segmenter()
    there = in_use(card.model)
    return there.folder if there and not outlines(there.folder) else None


def stands(verdict: Verdict, candidate: Card, rival: Card | None) -> bool:
    """Whether a verdict is about these two models, at today's limits."""
    limits = SEGMENTER_LIMITS if isinstance(candidate, SegmenterCard) else LIMITS
    return (
        dict(verdict.between) == fingerprints(candidate, rival)
        and dict(verdict.limits) == limits.to_json()
    )


def write_verdict(path: Path, table: dict[str, Any]) -> None:
    """Write a verdict, whole or not at all. Raises RunError when that cannot be done."""
    try:
        atomic_write(path, json.dumps(table, indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise RunError(
            f"the gate's verdict cannot be written to {path}: {error.strerror}"
        ) from error


def ground_of(run: RunFolder, candidate: Card, rival: Card | None, progress: Progress) -> Ground:
    """The films on which a run's model may be measured, and compared with the one in use."""
    folders = run.manifest().get("folders", ())
    if not folders:
        return Ground(
            words=f"{run.path} does not say where its films are, so there are none to tell by."
        )
    try:
        manifest = open_data(folders, progress)
    except DataError as error:
        return Ground(words=f"The films of the run cannot be opened: {error}")
    mine = LeftAside.of(candidate.training)
    gate, no_gate = _gate_films(run, manifest, mine)
    test, no_test = _test_films(run, manifest, mine)
    alone = test if gate is None else gate
    if rival is not None:
        theirs, name = LeftAside.of(rival.training), f"{rival.model} {rival.version}"
        if gate is not None and not theirs.covers_gate(run.recipe().gate_share, _kinds(manifest)):
            gate, no_gate = (
                None,
                f"{name} has learnt from the gate films, or its card cannot exclude it",
            )
        if test is not None and not theirs.official_test:
            no_test = f"{name} may have learnt from the official test, as far as its card tells"
    together = gate if gate is not None else test if not no_test else None
    part = "" if together is None else GATE if together is gate else TEST
    words = _words(together, part, no_gate, no_test)
    return Ground(alone=alone, together=together, part=part, words=words, test=test)


def _gate_films(run: RunFolder, manifest: Manifest, mine: LeftAside) -> tuple[Manifest | None, str]:
    """The gate films of a run, or why there are none."""
    share = run.recipe().gate_share
    if not share:
        return None, "the run left no gate films aside (gate_share = 0)"
    try:
        films = part_of_run(run, manifest, GATE)
    except RunError as error:
        return None, str(error)
    except DataError:
        return None, "the data is too small to leave gate films aside: not enough cases"
    if not mine.covers_gate(share, _kinds(manifest)):
        return (
            None,
            "the model that the run began from has learnt from gate films, or its card cannot exclude it",
        )
    return films, ""


def _test_films(run: RunFolder, manifest: Manifest, mine: LeftAside) -> tuple[Manifest | None, str]:
    """The official test part of the data, where a run has left it alone, or why there is none."""
    if not mine.official_test:
        return (
            None,
            "the run's card does not say that it, and what it began from, left an official test alone",
        )
    try:
        return part_of_run(run, manifest, TEST), ""
    except DataError as error:
        return None, str(error)


def _kinds(manifest: Manifest) -> frozenset[str]:
    return frozenset(manifest.kind.split("+"))


def _words(films: Manifest | None, part: str, no_gate: str, no_test: str) -> str:
    if films is None:
        return f"There are no films that were never learnt from: {no_gate}; {no_test}."
    counts = f"{len(films.table):,} films of {films.table['patient'].nunique():,} patients"
    if part == GATE:
        return f"{counts}, left aside for the gate: no model compared here has learnt from them or was tuned on them."
    uses = uses_of(films.data_sha256())
    return (
        f"{counts}, the data's own test part, since {no_gate}. Measured on it before: {uses.evaluations} times, "
        f"{uses.models} different models. Each choice made by it makes its figures a little less honest."
    )


def _tables(
    candidate: Classifier, rival: Classifier | None, ground: Ground, progress: Progress
) -> Tables:
    """What both models say of the films; every reading of test films is counted."""
    alone = _said(candidate, ground.alone, ground, "reading films, new model", progress)
    if rival is None or ground.together is None:
        return Tables(alone=alone)
    same = ground.together is ground.alone
    mine = (
        alone
        if same
        else _said(candidate, ground.together, ground, "reading films, new model", progress)
    )
    theirs = _said(rival, ground.together, ground, "reading films, model in use", progress)
    return Tables(alone=alone, candidate=mine, rival=theirs)


def _said(
    model: Classifier, films: Manifest | None, ground: Ground, stage: str, progress: Progress
) -> pd.DataFrame | None:
    if films is None:
        return None
    table = predictions(model, films, partial(progress, stage))
    if films is ground.test:
        record_use(data_facts(films), model.card, "the gate")
    return table


def _official_test(run: RunFolder) -> dict[str, Any]:
    """The run's own figures on its test part, and how often those films have been looked at."""
    card = load_card(run.model)
    found = read_metrics(run.path / "evaluation") or {}
    mine = found.get("part") == TEST and found.get("weights_sha256") == card.weights_sha256
    figures = found.get("findings", {}) if mine else card.metrics.get(TEST, {})
    data = found.get("data", {}) if mine else {}
    names = ("auroc", "auroc_delong", "average_precision", "ece")
    told = {
        key: {name: each[name] for name in names if name in each} for key, each in figures.items()
    }
    uses = asdict(uses_of(data["data_sha256"])) if "data_sha256" in data else {}
    return {
        "findings": told,
        "films": data.get("films"),
        "data_sha256": data.get("data_sha256"),
        "uses": uses,
    }


def fingerprints(candidate: Card, rival: Card | None) -> dict[str, str]:
    """Hashes of the two models that a verdict is about."""
    return {"candidate": _fingerprint(candidate), "rival": _fingerprint(rival) if rival else ""}


def _fingerprint(card: Card) -> str:
    """A hash of all that decides what a model says; its weights are in the card by their own hash."""
    said = {key: value for key, value in asdict(card).items() if key not in NOT_THE_MODEL}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
