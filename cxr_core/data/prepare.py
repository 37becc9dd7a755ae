"""Prepares and registers a dataset: reads its tables, decodes every film once and runs the dataset checks."""

import csv
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.data import registry
from cxr_core.data.account import LEFT_OUT, USED
from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.checks.decision import Action, Decision, apply_decisions, decide_issue
from cxr_core.data.checks.issue import Issue, sort_by_severity
from cxr_core.data.checks.label_layers import check_label_layers
from cxr_core.data.checks.near_duplicates import check_near_duplicates
from cxr_core.data.checks.report import DatasetReport, render_dataset_report
from cxr_core.data.checks.run import check_masks, run_checks
from cxr_core.data.manifest import Manifest
from cxr_core.data.near_duplicates.search import FILE as NEAR_DUPLICATES
from cxr_core.data.near_duplicates.search import (
    NearDuplicates,
    find_near_duplicates,
    load_near_duplicates,
)
from cxr_core.data.prepare_apart import READING, Preparation, StageProgress, prepare_apart
from cxr_core.data.references import (
    apply_references,
    find_referenced_dataset,
    is_reference,
    resolve_reference,
)
from cxr_core.data.registry import (
    THUMBNAIL,
    Dataset,
    choose_folder,
    find_dataset,
    list_datasets,
    own_mapping,
    recorded_mapping,
)
from cxr_core.data.sources.detect import read_sources
from cxr_core.data.sources.label_mapping import (
    LabelVocabulary,
    list_unused,
    merge_mappings,
    require_known_targets,
    require_used,
)
from cxr_core.errors import DataError
from cxr_core.version import VERSION
from cxr_core.workspace.atomic import atomic_files, temporary_path_beside
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.log import add_details, log_task
from cxr_core.workspace.paths import printable
from cxr_core.workspace.process_lock import hold_folder, wait_for_lock

WAITING = "waiting for another preparation"
LATERAL_FLAG = r"(?:^|\|)lateral_view(?:\||$)"  # the quality flag of films whose DICOM tags name a lateral view
# The manifest's columns that decoding fills, and the cache's names for them.
DECODED_COLUMNS = {
    "sha256": "pixels",
    "width": "width",
    "height": "height",
    "bits": "bits",
    "concerns": "concerns",
}


def ignore_stage_progress(stage: str, done: int, total: int) -> None:
    """Shows no progress."""


@log_task("preparation")
def prepare_dataset(
    folders: Sequence[Path],
    *,
    progress: StageProgress = ignore_stage_progress,
    kind: str | None = None,
    name: str | None = None,
    decisions: Sequence[tuple[str, Action]] = (),
    note: str = "",
    label_mapping: Mapping[str, str] | None = None,
) -> Dataset:
    """Read, decode, check and register the dataset in these folders, or prepare it again.

    What has not changed is not decoded again. decisions: (code, "accept" or "exclude"), added to those on record.
    label_mapping: what labels of the data mean, by label: a finding, `ignore`, `no_finding`, or `detect` for what the
    program reads by itself; changes the mapping on record.
    It runs in a process of its own, which ends at once when progress raises, or this process ends.
    Raises DataError; what was registered before is then unchanged.
    """
    preparation = Preparation(
        folders=tuple(dict.fromkeys(map(os.path.abspath, folders))),
        kind=kind,
        name=name,
        decisions=tuple(decisions),
        note=note,
        label_mapping=label_mapping or {},
    )
    dataset = Dataset.load(registry.datasets_folder() / prepare_apart(preparation, progress))
    add_details(kind=dataset.kind)
    return dataset


def prepare_here(preparation: Preparation, progress: StageProgress) -> str:
    """Prepare a dataset in this process. Returns the dataset's name. Raises DataError.

    Begins again when another preparation has changed the mapping of labels meanwhile.
    """
    sources = tuple(map(Path, preparation.folders))
    progress(READING, 0, 1)
    recorded = recorded_mapping(sources)
    manifest, mapping = _read_labels(sources, preparation, recorded)
    manifest = decode_films(manifest, progress)
    progress("examining", 0, 1)
    near_duplicates = find_near_duplicates(
        manifest,
        load_near_duplicates(choose_folder(sources, preparation.name)),
        partial(progress, "looking for near-duplicates"),
    )
    issues = sort_by_severity(
        [
            *run_checks(manifest),
            *check_masks(manifest),
            *check_near_duplicates(manifest, near_duplicates),
            *check_label_layers(manifest, choose_folder(sources, preparation.name).name),
        ]
    )
    waiting = partial(progress, WAITING, 0, 1)
    with _explain_errors(), wait_for_lock(_registry_lock_file(), waiting):
        progress("writing", 0, 1)
        home = choose_folder(sources, preparation.name)
        is_current = recorded_mapping(sources) == recorded
        if is_current:
            dataset = Dataset(
                name=home.name,
                folder=home,
                folders=sources,
                kind=manifest.kind,
                prepared=_utc_seconds(),
                decisions=_decisions_on_record(home),
                label_mapping=mapping,
                own_labels=tuple(merge_mappings(own_mapping(sources), preparation.label_mapping)),
            )
            for code, action in preparation.decisions:
                decision = decide_issue(issues, code, action, preparation.note, _utc_seconds())
                dataset = _with_decision(dataset, decision)
            _write_dataset(dataset, manifest, issues, near_duplicates)
    if not is_current:
        return prepare_here(preparation, progress)
    progress("writing", 1, 1)
    return home.name


def _read_labels(
    sources: Sequence[Path], preparation: Preparation, recorded: Mapping[str, str]
) -> tuple[Manifest, dict[str, str]]:
    """The manifest of the folders, and the mapping that its labels were read with. recorded: the mapping on record.

    Raises DataError for a new entry of the mapping that names no label of the data; an old one gives an issue.
    """
    mapping = merge_mappings(recorded, preparation.label_mapping)
    require_known_targets(mapping)
    vocabulary = LabelVocabulary.from_mapping(mapping)
    manifest = read_sources(sources, preparation.kind, vocabulary)
    new = {label: mapping[label] for label in preparation.label_mapping if label in mapping}
    there = [column.name for column in manifest.unused_columns] + list(manifest.unknown_labels)
    require_used(new, vocabulary, there)
    unused = list_unused(mapping, vocabulary)
    if not unused:
        return manifest, mapping
    named = ", ".join(map(printable, unused))
    issue = Issue(
        code="unused_mapping",
        message=f"The mapping of labels names {named}; no column, label or class folder is called so any more.",
        count=len(unused),
        examples=tuple(map(printable, unused)),
    )
    return replace(manifest, source_issues=(*manifest.source_issues, issue)), mapping


def open_data(
    names: Sequence[str | Path], progress: StageProgress = ignore_stage_progress
) -> Manifest:
    """The usable films of datasets given by folder or registered name, prepared (again) together.

    With `subset:NAME` among the names, only the films of that subset, of the other names' films where there are any;
    with `labels:NAME`, the films have the labels of that layer.
    Raises DataError for what is none of these, while a blocking issue is open, for a subset without films here, and
    for a layer of another dataset.
    """
    dataset = prepare_dataset(resolve_folders(names), progress=progress)
    dataset.require_sound()
    films = dataset.load_manifest().select_usable()
    return apply_references(films, names, lambda sentence: progress(sentence, 1, 1))


def open_registered(names: Sequence[str | Path]) -> Manifest:
    """The usable films of data as it was prepared last; no folder is read again. names: as of `open_data`.

    Raises DataError for data that was not prepared, or not together, and as `open_data` does.
    """
    folder = choose_folder(resolve_folders(names), None)
    if not (folder / registry.RECORD).is_file():
        raise DataError(
            "this data has not been prepared yet, or not together; add its folders as one dataset on the Data page"
        )
    dataset = Dataset.load(folder)
    dataset.require_sound()
    return apply_references(dataset.load_manifest().select_usable(), names)


def record_decision(dataset: Dataset, code: str, action: Action, note: str = "") -> Dataset:
    """Record a decision about an issue; excluded films are left out from then on. Raises DataError for a wrong code."""
    with hold_folder(registry.datasets_folder()):
        current = Dataset.load(dataset.folder)
        issues = current.load_issues()
        decision = decide_issue(issues, code, action, note, _utc_seconds())
        decided = _with_decision(current, decision)
        _write_dataset(decided, current.load_manifest(), issues)
    return decided


def withdraw_decision(dataset: Dataset, code: str) -> Dataset:
    """Remove the decisions about an issue."""
    with hold_folder(registry.datasets_folder()):
        current = Dataset.load(dataset.folder)
        remaining = tuple(decision for decision in current.decisions if decision.code != code)
        undecided = replace(current, decisions=remaining)
        _write_dataset(undecided, current.load_manifest(), current.load_issues())
    return undecided


@perform_action("deletion of a dataset", Role.ADMIN)
def forget_dataset(folder: Path) -> None:
    """Remove a dataset, given by its folder in the registry, and its report; the films are never touched."""
    with (
        hold_folder(registry.datasets_folder()),
        suppress(FileNotFoundError),
    ):  # somebody else has removed it
        # Out of sight in one step, so that nobody meets a part of it.
        shutil.rmtree(folder.rename(temporary_path_beside(folder)), ignore_errors=True)


def decode_films(manifest: Manifest, progress: StageProgress = ignore_stage_progress) -> Manifest:
    """The manifest with what decoding shows: hash, size, bits and quality flags of each film.

    Films that cannot be decoded are marked as unreadable, with the reason; those whose DICOM tags say that they are
    lateral are left out.
    """
    table = manifest.table.copy()
    present = (table["status"] == "present").to_numpy()
    paths = list(map(Path, table.loc[present, "image"]))
    if not paths:
        return manifest
    cache = PixelCache(THUMBNAIL)
    unread = cache.build(
        paths,
        lambda done, total: progress("decoding", done, total),
        examine=True,
        on_wait=partial(progress, WAITING, 0, 1),
    )
    entries = cache.load_entries(paths).set_index(table.index[present])
    for column, field in DECODED_COLUMNS.items():
        table.loc[present, column] = entries[field].astype(table[column].dtype)
    unreadable = entries.index[entries["row"] < 0]
    refused = entries.loc[unreadable, "reason"]
    unopened = table.loc[unreadable, "image"].map(unread).astype("str")
    reasons = refused.fillna(unopened).fillna("it changed while it was read")
    table.loc[unreadable, "status"] = "unreadable"
    table.loc[unreadable, "reason"] = reasons
    lateral = (table["status"] == USED) & table["concerns"].str.contains(LATERAL_FLAG, na=False)
    table.loc[lateral, "status"], table.loc[lateral, "reason"] = LEFT_OUT, "lateral_views"
    return manifest.with_table(table)


def list_films(names: Sequence[str | Path]) -> Manifest:
    """The films that are there of datasets given by folder or registered name; none is opened.

    Raises DataError for what is neither, and when there are none.
    """
    folders = tuple(map(Path, map(os.path.abspath, resolve_folders(names))))
    vocabulary = LabelVocabulary.from_mapping(recorded_mapping(folders))
    return read_sources(folders, vocabulary=vocabulary).select_usable()


def resolve_folders(names: Sequence[str | Path]) -> list[Path]:
    """The folders of datasets given by folder or registered name. Raises DataError for a name that is neither.

    A subset, or a label layer, stands for the folders of its dataset where nothing else is named.
    """
    folders: list[Path] = []
    others = [name for name in names if not is_reference(name)]
    for name in others or dict.fromkeys(find_referenced_dataset(str(name)) for name in names):
        path = Path(name)
        if path.exists() or os.sep in str(name):
            folders.append(path)
        else:
            folders += find_dataset(str(name)).folders
    return folders


def resolve_data(names: Sequence[str | Path]) -> tuple[str, ...]:
    """The same data as absolute folders, subsets and label layers: what a run or an evaluation records.

    Raises DataError for a name that is neither a folder, a registered dataset, a subset nor a label layer.
    """
    references = dict.fromkeys(resolve_reference(str(name)) for name in names if is_reference(name))
    return (*map(os.path.abspath, resolve_folders(names)), *references)


def _decisions_on_record(home: Path) -> tuple[Decision, ...]:
    for dataset in list_datasets():
        if dataset.folder == home:
            return dataset.decisions
    return ()


def _with_decision(dataset: Dataset, decision: Decision) -> Dataset:
    """The newest decision about a code replaces earlier ones."""
    others = tuple(other for other in dataset.decisions if other.code != decision.code)
    return replace(dataset, decisions=(*others, decision))


def _write_dataset(
    dataset: Dataset,
    manifest: Manifest,
    issues: tuple[Issue, ...],
    near_duplicates: NearDuplicates | None = None,
) -> None:
    """Write every file of a dataset's folder; all are of this preparation or none is. Raises OSError.

    near_duplicates: None leaves those that are there.
    """
    manifest = apply_decisions(manifest, issues, dataset.decisions)
    report = _build_report(dataset, manifest, issues)
    issue_records = [issue.to_json() for issue in issues]
    with atomic_files(dataset.folder) as draft:
        manifest.save(draft / registry.MANIFEST)
        (draft / registry.ISSUES_FILE).write_text(json.dumps(issue_records), encoding="utf-8")
        if near_duplicates is not None:
            write_json(draft / NEAR_DUPLICATES, near_duplicates.to_json())
        _write_quarantine(draft / registry.QUARANTINE, manifest)
        (draft / registry.REPORT_HTML).write_text(render_dataset_report(report), encoding="utf-8")
        write_json(draft / registry.REPORT_JSON, report.to_json())
        write_json(draft / registry.RECORD, dataset.to_json())


def _build_report(dataset: Dataset, manifest: Manifest, issues: tuple[Issue, ...]) -> DatasetReport:
    statuses = manifest.table["status"].value_counts()
    usable = manifest.select_usable() if "present" in statuses else None
    hashes = {}
    if usable is not None:
        hashes = {"data": usable.data_sha256(), "split": usable.split_sha256()}
    quarantined = _quarantined_rows(manifest)
    names = quarantined["image"].str.rsplit("/", n=1).str[-1]
    return DatasetReport(
        name=dataset.name,
        kind=dataset.kind,
        folders=tuple(map(str, dataset.folders)),
        terms=manifest.terms,
        prepared=dataset.prepared,
        version=VERSION,
        counts=(usable or manifest).count_by_split(),
        statuses={str(status): int(count) for status, count in statuses.items()},
        hashes=hashes,
        issues=issues,
        decisions=dataset.decisions,
        account=manifest.account_for_films(),
        quarantine=list(zip(names, quarantined["reason"], strict=True)),
        label_mapping=dataset.label_mapping,
    )


def _write_quarantine(path: Path, manifest: Manifest) -> None:
    """Write every film that is listed but left out, with its reason."""
    rows = _quarantined_rows(manifest)[["image", "status", "reason"]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows.columns)
        writer.writerows(rows.itertuples(index=False))


def _quarantined_rows(manifest: Manifest) -> pd.DataFrame:
    return manifest.table[manifest.table["status"].isin(["unreadable", "excluded", LEFT_OUT])]


def _registry_lock_file() -> Path:
    """Its lock is held from the choice of a dataset's name to its last file."""
    folder = registry.datasets_folder()
    with _explain_errors():
        folder.mkdir(parents=True, exist_ok=True)
    return folder / ".lock"


@contextmanager
def _explain_errors() -> Iterator[None]:
    """Raises DataError for what the system refuses in the registry's folder."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{registry.datasets_folder()} cannot be written: {error.strerror}. Free space, allow writing there, or "
            "set CXR_WORKSPACE to another folder"
        ) from error


def _utc_seconds() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
