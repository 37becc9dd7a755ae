"""Plans a split of a dataset, to be looked at before it is saved. By patient always; no file is written.

An official test split stays the test split, and no fold holds it; only a user's own list (own_list.py) may say
otherwise. Patients who share an image with an official test film are left out: a model would learn that film.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.splits.grouping import group_patients
from cxr_core.data.splits.ratios import parse_ratios
from cxr_core.data.splits.saved_split import COLUMNS, SavedSplit, SplitRecord
from cxr_core.data.splits.splits import (
    assign_splits,
    drop_identical_films,
    require_both_classes,
    require_pixel_hashes,
)
from cxr_core.errors import DataError
from cxr_core.presentation.wording import finding_in_sentence, format_count

MAX_FOLDS = 100


def has_official_test(manifest: Manifest) -> bool:
    """Whether the data has a test split of its own."""
    return bool((manifest.table["split"] == "test").any())


def plan_by_ratios(
    manifest: Manifest, ratios: str, findings: Sequence[str], seed: int
) -> SavedSplit:
    """Patients by shares such as `80:10:10`; each split gets its share of every finding.

    With an official test split, the first two shares divide the other patients. Raises DataError when the shares are
    none, or a split would lack a class of a finding.
    """
    train, val, test = parse_ratios(ratios)
    official = has_official_test(manifest)
    shares = (
        [("train", train), ("val", val)]
        if official
        else [("train", train), ("val", val), ("test", test)]
    )
    total = sum(share for _, share in shares)
    shares = [(name, share / total) for name, share in shares if share > 0]
    divided = _divide(manifest, shares, findings, seed)
    require_both_classes(divided, [name for name, _ in shares], findings)
    words = " : ".join(f"{round(100 * share)} % {name}" for name, share in shares)
    if official:
        words += ", with the official test split"
    words = f"{words}; by patient, seed {seed}"
    return describe_split(divided, "ratios", words, seed, findings, official=manifest)


def plan_folds(manifest: Manifest, folds: int, findings: Sequence[str], seed: int) -> SavedSplit:
    """So many folds of patients, each with its share of every finding; the official test split lies in none.

    Raises DataError when there are fewer patients with, or without, a finding than folds.
    """
    if not 2 <= folds <= MAX_FOLDS:
        raise DataError(f"found {folds} folds; cross-validation takes 2 to {MAX_FOLDS}")
    _require_patients(manifest, folds, findings)
    names = [str(number) for number in range(1, folds + 1)]
    divided = _divide(manifest, [(name, 1 / folds) for name in names], findings, seed)
    require_both_classes(divided, names, findings)
    words = f"{folds} folds; by patient, seed {seed}"
    if has_official_test(manifest):
        words = f"{folds} folds without the official test split; by patient, seed {seed}"
    return describe_split(divided, "folds", words, seed, findings, folds)


def plan_official(manifest: Manifest) -> SavedSplit:
    """The split that the data has, without copies of its test images in other splits.

    Raises DataError when it has none, or puts a patient into two.
    """
    table = manifest.table
    if table["split"].isna().all():
        raise DataError("the data has no split of its own; make one by ratios or from a list")
    named = drop_identical_films(manifest.with_table(table[table["split"].notna()]))
    require_whole_patients(named)
    return describe_split(named, "official", "as the data has it")


def describe_split(
    divided: Manifest,
    method: str,
    words: str,
    seed: int = 0,
    findings: Sequence[str] = (),
    folds: int = 0,
    official: Manifest | None = None,
) -> SavedSplit:
    """A split as it is saved. divided: the manifest with the new splits.

    official: the manifest with the data's own splits, where these are not kept.
    """
    films = divided.table[divided.table["split"].notna()]
    columns = {"image": divided.names[films.index], **{name: films[name] for name in COLUMNS[1:]}}
    in_test = set(films.loc[films["split"] == "test", "sha256"])
    own = (official or divided).table
    in_official = set(own.loc[own["split"] == "test", "sha256"])
    record = SplitRecord(
        method=method,  # type: ignore[arg-type]
        description=words,
        folds=folds,
        seed=seed,
        findings=tuple(findings),
        official_test=bool(in_official) and in_test == in_official and not folds,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return SavedSplit(record=record, films=pd.DataFrame(columns).reset_index(drop=True))


def require_whole_patients(manifest: Manifest) -> None:
    """Raises DataError that names the first patient, or the first image, which lies in two splits."""
    table = manifest.table
    for column, what in (("patient", "patient {}"), ("sha256", "the image of {}")):
        several = table.groupby(column)["split"].nunique()
        several = several[several > 1]
        if several.empty:
            continue
        rows = table[table[column] == several.index[0]]
        name = rows["patient"].iloc[0] if column == "patient" else manifest.names[rows.index[0]]
        splits = " and ".join(sorted(rows["split"].dropna().unique()))
        others = f", and so {len(several) - 1:,} more" if len(several) > 1 else ""
        raise DataError(
            f"{what.format(name)} lies in {splits}{others}; a model must not be tested on a patient whom it was "
            "trained on. Put all films of a patient into one split"
        )


def _divide(
    manifest: Manifest, shares: Sequence[tuple[str, float]], findings: Sequence[str], seed: int
) -> Manifest:
    """The manifest with these splits in place of its own, but for an official test split."""
    table = manifest.table.copy()
    learning = _learning_rows(manifest)
    table["split"] = table["split"].where(table["split"] == "test")
    table.loc[learning, "split"] = assign_splits(table[learning], shares, findings, seed)
    return manifest.with_table(table)


def _learning_rows(manifest: Manifest) -> np.ndarray:
    """(N,) bool: films of patients who have no film, and share no image, with an official test split."""
    table = manifest.table
    group = group_patients(table["patient"], require_pixel_hashes(table))
    tested = np.unique(group[(table["split"] == "test").to_numpy()])
    learning: np.ndarray = ~np.isin(group, tested)
    if not learning.any():
        raise DataError("all films lie in the official test split, so none is left to learn from")
    return learning


def _require_patients(manifest: Manifest, folds: int, findings: Sequence[str]) -> None:
    """Raises DataError unless there are as many patients as folds, with and without each finding."""
    learning = _learning_rows(manifest)
    table = manifest.table[learning]
    group = group_patients(table["patient"], require_pixel_hashes(table))
    _require_count(len(np.unique(group)), folds, "patients")
    for key in findings:
        if key not in table:
            raise DataError(f"the data has no labels for {finding_in_sentence(key)}")
        name = finding_in_sentence(key)
        for label, words in ((1, f"patients with {name}"), (0, f"patients without {name}")):
            count = len(np.unique(group[(table[key] == label).to_numpy()]))
            _require_count(count, folds, words)


def _require_count(count: int, folds: int, words: str) -> None:
    if count < folds:
        raise DataError(
            f"found {count} {words}, too few for {format_count(folds, 'folds')}: each fold needs one. "
            + (
                f"Choose {count} folds or fewer"
                if count >= 2
                else "Cross-validation needs 2 or more"
            )
        )
