"""From folders to a registered dataset: read the tables, decode every film once, let the doctor look, write it down."""

import csv
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from cxr_core.data import registry
from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.checks.decision import Choice, Resolution, decide, exclude
from cxr_core.data.checks.issue import Issue, by_severity
from cxr_core.data.checks.masks import swapped_masks
from cxr_core.data.checks.report import ReportFacts, report_html, report_json
from cxr_core.data.checks.run import diagnose
from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import THUMBNAIL, Dataset, find, folder_for, registered
from cxr_core.data.sources.sources import read_sources
from cxr_core.errors import DataError
from cxr_core.version import VERSION
from cxr_core.workspace.atomic import atomic_file, atomic_write

# stage, done, total. What it raises stops the preparation (errors.Cancelled, say); what is decoded by then is kept.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def prepare(
    folders: Sequence[Path],
    *,
    progress: Progress = silent,
    kind: str | None = None,
    name: str | None = None,
    choices: Sequence[tuple[str, Resolution]] = (),
    note: str = "",
) -> Dataset:
    """Read, decode, doctor and register the dataset in these folders, again if it is registered already.

    What has not changed is not decoded again. choices: (code, "accept" or "exclude"), added to those on record.
    Raises DataError with a sentence; what was registered before is then intact.
    """
    places = tuple(dict.fromkeys(Path(os.path.abspath(folder)) for folder in folders))
    progress("reading tables", 0, 1)
    read = read_sources(places, kind)
    manifest = with_pixels(read, progress)
    progress("examining", 0, 1)
    issues = by_severity([*diagnose(manifest), *swapped_masks(manifest)])
    with _alone():
        home = folder_for(places, name)
        recorded = next((each.choices for each in registered() if each.folder == home), ())
        dataset = Dataset(
            name=home.name,
            folder=home,
            folders=places,
            kind=manifest.kind,
            prepared=_now(),
            choices=recorded,
        )
        for code, choice in choices:
            dataset = _with_choice(dataset, decide(issues, code, choice, note, _now()))
        _write(dataset, manifest, issues)
    progress("examining", 1, 1)
    return dataset


def open_data(given: Sequence[str | Path], progress: Progress = silent) -> Manifest:
    """The usable films of datasets given by folder or registered name, prepared (again) together.

    Raises DataError for what is neither, and while a blocking issue is open.
    """
    dataset = prepare(folders_of(given), progress=progress)
    dataset.require_sound()
    return dataset.manifest().usable()


def choose(dataset: Dataset, code: str, choice: Resolution, note: str = "") -> Dataset:
    """Record a choice about an issue; excluded films are left out from then on. Raises DataError for a wrong code."""
    with _alone():
        current = Dataset.load(dataset.folder)
        issues = current.issues()
        decided = _with_choice(current, decide(issues, code, choice, note, _now()))
        _write(decided, current.manifest(), issues)
    return decided


def withdraw(dataset: Dataset, code: str) -> Dataset:
    """Take the choices about an issue back."""
    with _alone():
        current = Dataset.load(dataset.folder)
        left = replace(
            current, choices=tuple(choice for choice in current.choices if choice.code != code)
        )
        _write(left, current.manifest(), current.issues())
    return left


def forget(folder: Path) -> None:
    """Remove a dataset from the register by its folder there, with its report; the films are never touched."""
    with _alone():
        (folder / registry.RECORD).unlink(
            missing_ok=True
        )  # first: without it the folder is no dataset
        shutil.rmtree(folder, ignore_errors=True)


def with_pixels(manifest: Manifest, progress: Progress = silent) -> Manifest:
    """The manifest with what decoding tells: hash, size, bits, concerns; unreadable films marked with the reason."""
    table = manifest.table.copy()
    there = (table["status"] == "present").to_numpy()
    paths = [Path(image) for image in table.loc[there, "image"]]
    if not paths:
        return manifest
    cache = PixelCache(THUMBNAIL)
    unread = cache.build(
        paths,
        lambda done, total: progress("decoding", done, total),
        examine=True,
        waiting=lambda: progress("waiting for another preparation", 0, 1),
    )
    found = cache.entries(paths).set_index(table.index[there])
    for column, fact in (
        ("sha256", "pixels"),
        ("width", "width"),
        ("height", "height"),
        ("bits", "bits"),
        ("concerns", "concerns"),
    ):
        table.loc[there, column] = found[fact].astype(table[column].dtype)
    unreadable = found.index[found["row"] < 0]
    reasons = found.loc[unreadable, "reason"]
    opened = table.loc[unreadable, "image"].map(unread).astype("str")
    table.loc[unreadable, "status"] = "unreadable"
    table.loc[unreadable, "reason"] = reasons.fillna(opened).fillna("it changed while it was read")
    return manifest.with_table(table)


def folders_of(given: Sequence[str | Path]) -> list[Path]:
    """The folders of datasets given by folder or registered name. Raises DataError for a name that is neither."""
    found: list[Path] = []
    for name in given:
        place = Path(name)
        found += [place] if place.exists() or os.sep in str(name) else find(str(name)).folders
    return found


def _with_choice(dataset: Dataset, choice: Choice) -> Dataset:
    """The newest choice about a code stands instead of former ones."""
    others = tuple(each for each in dataset.choices if each.code != choice.code)
    return replace(dataset, choices=(*others, choice))


def _write(dataset: Dataset, manifest: Manifest, issues: tuple[Issue, ...]) -> None:
    """Everything that a dataset's folder holds, each file whole or not at all, the record last."""
    manifest = exclude(manifest, issues, dataset.choices)
    facts = _report_facts(dataset, manifest, issues)
    home = dataset.folder
    try:
        manifest.save(home / registry.MANIFEST)
        atomic_write(home / registry.ISSUES_FILE, json.dumps([asdict(issue) for issue in issues]))
        _write_quarantine(home / registry.QUARANTINE, manifest)
        atomic_write(home / registry.REPORT_HTML, report_html(facts))
        atomic_write(home / registry.REPORT_JSON, json.dumps(report_json(facts), indent=2))
        atomic_write(
            home / registry.RECORD, json.dumps(dataset.to_record(), indent=2), durable=True
        )
    except OSError as error:
        raise DataError(
            f"the dataset cannot be written to {home}: {error.strerror}. Free space, or mend it"
        ) from error


def _report_facts(dataset: Dataset, manifest: Manifest, issues: tuple[Issue, ...]) -> ReportFacts:
    usable = manifest.table["status"] == "present"
    sound = manifest.with_table(manifest.table[usable]) if usable.any() else None
    left_out = manifest.table[manifest.table["status"].isin(["unreadable", "excluded"])]
    names = left_out["image"].str.rsplit("/", n=1).str[-1]
    return ReportFacts(
        name=dataset.name,
        kind=dataset.kind,
        folders=tuple(map(str, dataset.folders)),
        terms=manifest.terms,
        prepared=dataset.prepared,
        version=VERSION,
        counts=(sound or manifest).counts(),
        statuses={
            str(status): int(count)
            for status, count in manifest.table["status"].value_counts().items()
        },
        hashes={"data": sound.data_sha256(), "split": sound.split_sha256()} if sound else {},
        issues=issues,
        choices=dataset.choices,
        quarantine=list(zip(names, left_out["reason"], strict=True)),
    )


def _write_quarantine(path: Path, manifest: Manifest) -> None:
    """Every film that is listed but left out, with its reason."""
    rows = manifest.table[manifest.table["status"].isin(["unreadable", "excluded"])]
    with atomic_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "status", "reason"])
        writer.writerows(rows[["image", "status", "reason"]].itertuples(index=False))


def _alone() -> FileLock:
    """One writer of the register at a time, from the choice of a name to the last file."""
    place = registry.register()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{place} cannot be written: {error.strerror}; set CXR_WORKSPACE to a folder"
        ) from error
    return FileLock(place / ".lock")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
