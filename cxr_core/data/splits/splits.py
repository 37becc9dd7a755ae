"""Splits films into train, val and test by patient. Pure functions: the same manifest and seed give the same split.

Patients who share an image stay together. An official test split is never thinned, and `carve_validation` never changes
it. Identical images are recognised by the `sha256` of their pixels, so the films must have been decoded.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxr_core.data.manifest import NO_SPLIT, SPLITS, Manifest
from cxr_core.data.splits.grouping import allocate_groups, group_patients
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count

# A validation split is small with fewer films, or fewer positives of a finding, than these, while train has so many
# times more.
MIN_FILMS, MIN_POSITIVES, TIMES_LARGER = 50, 10, 10


def split_by_ratios(
    manifest: Manifest, ratios: tuple[float, float, float], findings: tuple[str, ...], seed: int
) -> Manifest:
    """All films split by patient into train, val and test, stratified by finding; a split that the data has is ignored.

    ratios: of train, val and test, summing to 1; a split of ratio 0 stays empty. Raises DataError when a finding ends
    without a positive or a negative in a split, or the films have not been decoded.
    """
    if min(ratios) < 0 or abs(sum(ratios) - 1) > 1e-6:
        raise DataError(f"the ratios {ratios} are not three shares that sum to 1")
    shares = [(split, ratio) for split, ratio in zip(SPLITS, ratios, strict=True) if ratio > 0]
    table = manifest.table.copy()
    table["split"] = assign_splits(table, shares, findings, seed)
    result = manifest.with_table(table)
    require_both_classes(result, [split for split, _ in shares], findings)
    return result


def split_fold(
    manifest: Manifest, fold: int, folds: int, findings: tuple[str, ...], seed: int
) -> Manifest:
    """One fold of cross-validation: a share of 1/folds of the patients is test, the others are train.

    fold: from 1 to folds; the folds of one seed share no patient and together contain all of them. Raises DataError as
    `split_by_ratios` does.
    """
    names = list(map(str, range(1, folds + 1)))
    table = manifest.table.copy()
    assigned = assign_splits(table, [(name, 1 / folds) for name in names], findings, seed)
    table["split"] = np.where(assigned == str(fold), "test", "train")
    result = manifest.with_table(table)
    require_both_classes(result, ["train", "test"], findings)
    return result


def carve_validation(
    manifest: Manifest, findings: tuple[str, ...], share: float, seed: int, *, pool: bool = False
) -> Manifest:
    """Move a share of the training films to validation, by patient and stratified by finding.

    A validation split that the data has is kept as it is, unless it is small or `pool` is set: then it is pooled with
    train first. Raises DataError when a finding ends without a positive or a negative on either side, or the training
    films have not been decoded.
    """
    if not 0 < share < 1:
        raise DataError(f"a validation share of {share} is not between 0 and 1")
    table = manifest.table.copy()
    has_validation = (table["split"] == "val").any()
    if not has_validation or pool or explain_small_validation(table, findings):
        learning = table["split"].isin(("train", "val"))
        if not learning.any():
            raise DataError(
                "none of the films is in train, so no validation split can be carved: they are in "
                f"{', '.join(map(str, table['split'].fillna(NO_SPLIT).unique()))}. Split the data by ratios"
            )
        shares = [("train", 1 - share), ("val", share)]
        table.loc[learning, "split"] = assign_splits(table[learning], shares, findings, seed)
    result = manifest.with_table(table)
    require_both_classes(result, ["train", "val"], findings)
    return result


def explain_small_validation(table: pd.DataFrame, findings: Sequence[str]) -> str | None:
    """Why a manifest's validation split is too small to use; None when it is large enough, or there is none.

    Small is fewer than 50 films, or fewer than 10 positives of a finding, while train has at least 10 times as many.
    """
    train, val = table[table["split"] == "train"], table[table["split"] == "val"]
    if not len(val) or len(train) < TIMES_LARGER * len(val):
        return None
    if len(val) < MIN_FILMS:
        return f"Validation has {format_count(len(val), 'films')}, train {len(train):,}."
    for key in findings:
        in_val, in_train = int((val[key] == 1).sum()), int((train[key] == 1).sum())
        if in_val < MIN_POSITIVES and in_train >= TIMES_LARGER * max(in_val, 1):
            return (
                f"Validation has {format_count(in_val, 'positives')} of {key}, train {in_train:,}."
            )
    return None


def drop_identical_films(manifest: Manifest) -> Manifest:
    """Keep one of each group of identical images: in test rather than val, in val rather than train.

    The test split is never thinned, even of copies within it. Raises DataError when films have not been decoded.
    """
    table = manifest.table
    rank = table["split"].map({"test": 0, "val": 1, "train": 2}).fillna(3)
    order = pd.DataFrame(
        {"rank": rank, "image": table["image"], "sha256": require_pixel_hashes(table)}
    )
    order = order.sort_values(["rank", "image"])
    dropped = order["sha256"].duplicated() & (order["rank"] > 0)
    return manifest.with_table(table[~dropped.sort_index()])


def require_classes(manifest: Manifest, findings: Sequence[str]) -> Manifest:
    """The same manifest. Raises DataError when a finding has no positive or no negative in train, or in val if any."""
    existing = set(manifest.table["split"])
    splits = [split for split in ("train", "val") if split in existing]
    require_both_classes(manifest, splits, findings)
    return manifest


def assign_splits(
    table: pd.DataFrame, shares: Sequence[tuple[str, float]], findings: Sequence[str], seed: int
) -> np.ndarray:
    """(N,) the split of each film. shares: of all films, by split."""
    missing = [key for key in findings if key not in table]
    if missing:
        raise DataError(
            f"the data has no labels for {', '.join(missing)}, so it cannot be split by them"
        )
    group = group_patients(table["patient"], require_pixel_hashes(table))
    strata = []
    for key in findings:
        strata += [table[key] == 1, table[key] == 0]
    strata.append(np.ones(len(table), bool))
    counts = np.zeros((group.max() + 1, len(strata)), np.int64)
    np.add.at(counts, group, np.stack(strata, axis=1))
    ratios = np.array([share for _, share in shares])
    split = allocate_groups(counts, ratios, np.random.default_rng(seed))
    return np.array([name for name, _ in shares])[split[group]]


def require_pixel_hashes(table: pd.DataFrame) -> pd.Series:
    """The hash of each film's pixels. Raises DataError when a film has not been decoded."""
    unknown = int(table["sha256"].isna().sum())
    if unknown:
        films = format_count(len(table), "films")
        raise DataError(
            f"{unknown:,} of {films} are not decoded, so identical ones cannot be recognised; "
            "prepare the dataset first (python -m train.prepare) and use its readable films"
        )
    return table["sha256"]


def require_both_classes(
    manifest: Manifest, splits: Sequence[str], findings: Sequence[str]
) -> None:
    """Raises DataError when a finding has no positive or no negative in one of the splits, which it names."""
    for key in findings:
        _require_both_labels(manifest.table[manifest.table["split"].isin(splits)], key)
        for split in splits:
            labels = manifest.table.loc[manifest.table["split"] == split, key]
            positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
            if not positives or not negatives:
                raise DataError(
                    f"{split} would have {positives} films with {key} and {negatives} without; both are needed: too "
                    "few patients, or too small a share"
                )


def _require_both_labels(films: pd.DataFrame, finding: str) -> None:
    """Raises DataError when all films together lack a label, which no other split can mend."""
    for label, word in ((1, "present"), (0, "absent")):
        if not (films[finding] == label).any():
            unknown = int(films[finding].isna().sum())
            raise DataError(
                f"none of the {format_count(len(films), 'films')} to split is labelled {word} for {finding} "
                f"({unknown:,} have no label for it); give films with both labels, or leave the finding out"
            )
