"""Films divided into train, val and test by patient. Pure functions: the same manifest and seed give the same split.

Patients who share a picture stay together. An official test part is never thinned, and never moved by
`carve_validation`. Identical pictures are told by the `sha256` of their pixels, so the films must have been decoded.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import counted
from cxr_core.data.manifest import PARTS, Manifest
from cxr_core.data.splits.grouping import allocate, groups_apart
from cxr_core.errors import DataError

SMALL_FILMS, SMALL_POSITIVES, TIMES_LARGER = 50, 10, 10


def parse_ratios(text: str) -> tuple[float, float, float]:
    """`80:08:12` -> (0.8, 0.08, 0.12). Raises DataError unless they are three numbers, train's above 0."""
    try:
        numbers = [float(number) for number in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not np.isfinite(numbers).all() or min(numbers) < 0 or not numbers[0]:
        raise DataError(
            f"{text!r} are no ratios; give train:val:test as three numbers, such as 80:08:12"
        )
    train, val, test = (number / sum(numbers) for number in numbers)
    return train, val, test


def divide(
    manifest: Manifest, ratios: tuple[float, float, float], findings: tuple[str, ...], seed: int
) -> Manifest:
    """The whole data divided by patient into train, val and test, stratified by finding; parts given are forgotten.

    ratios: of train, val and test, summing to 1; a part of ratio 0 stays empty. Raises DataError when a finding ends
    without a positive or a negative in a part, or the films have not been decoded.
    """
    if min(ratios) < 0 or abs(sum(ratios) - 1) > 1e-6:
        raise DataError(f"the ratios {ratios} are not three shares that sum to 1")
    wanted = [(part, ratio) for part, ratio in zip(PARTS, ratios, strict=True) if ratio > 0]
    table = manifest.table.copy()
    table["split"] = _divided(table, wanted, findings, seed)
    divided = manifest.with_table(table)
    _check_classes(divided, [part for part, _ in wanted], findings)
    return divided


def divide_fold(
    manifest: Manifest, which: int, count: int, findings: tuple[str, ...], seed: int
) -> Manifest:
    """One fold of cross-validation: a share of 1/count of the patients is test, the others are train.

    which: from 1 to count; the folds of one seed share no patient and together make the whole. Raises DataError as
    `divide` does.
    """
    names = [str(number) for number in range(1, count + 1)]
    table = manifest.table.copy()
    fold = _divided(table, [(name, 1 / count) for name in names], findings, seed)
    table["split"] = np.where(fold == str(which), "test", "train")
    divided = manifest.with_table(table)
    _check_classes(divided, ["train", "test"], findings)
    return divided


def carve_validation(
    manifest: Manifest, findings: tuple[str, ...], share: float, seed: int, *, pool: bool = False
) -> Manifest:
    """Move a share of the training films to validation, by patient and stratified by finding.

    A validation part that the data brings is kept as it is, unless it is small or `pool` is set: then it is pooled
    with train first. Raises DataError when a finding ends without a positive or a negative on either side, or the
    training films have not been decoded.
    """
    if not 0 < share < 1:
        raise DataError(f"a validation share of {share} is not between 0 and 1")
    table = manifest.table.copy()
    there = (table["split"] == "val").any()
    if not there or pool or small_validation(table, findings):
        learning = table["split"].isin(("train", "val"))
        if not learning.any():
            raise DataError(
                "the data has no part 'train' to carve validation from; divide it by ratios first"
            )
        wanted = [("train", 1 - share), ("val", share)]
        table.loc[learning, "split"] = _divided(table[learning], wanted, findings, seed)
    carved = manifest.with_table(table)
    _check_classes(carved, ["train", "val"], findings)
    return carved


def small_validation(table: pd.DataFrame, findings: Sequence[str]) -> str | None:
    """Why a manifest's validation part is too small to use; None when it is not, or there is none.

    Small is fewer than 50 films, or fewer than 10 positives of a finding, while train has at least 10 times as many.
    """
    train, val = (table[table["split"] == part] for part in ("train", "val"))
    if not len(val) or len(train) < TIMES_LARGER * len(val):
        return None
    if len(val) < SMALL_FILMS:
        return f"Validation has {counted(len(val), 'films')}, train {len(train):,}."
    for key in findings:
        positives, there = int((val[key] == 1).sum()), int((train[key] == 1).sum())
        if positives < SMALL_POSITIVES and there >= TIMES_LARGER * max(positives, 1):
            return f"Validation has {counted(positives, 'positives')} of {key}, train {there:,}."
    return None


def drop_identical(manifest: Manifest) -> Manifest:
    """Keep one of each group of identical pictures: in test rather than val, in val rather than train.

    The test part is never thinned, even of copies within it. Raises DataError when films have not been decoded.
    """
    table = manifest.table
    rank = table["split"].map({"test": 0, "val": 1, "train": 2}).fillna(3)
    order = pd.DataFrame({"rank": rank, "image": table["image"], "sha256": _pictures(table)})
    order = order.sort_values(["rank", "image"])
    dropped = order["sha256"].duplicated() & (order["rank"] > 0)
    return manifest.with_table(table[~dropped.sort_index()])


def require_classes(manifest: Manifest, findings: Sequence[str]) -> Manifest:
    """The same manifest. Raises DataError when a finding has no positive or no negative in train, or in val if any."""
    there = set(manifest.table["split"])
    _check_classes(manifest, [part for part in ("train", "val") if part in there], findings)
    return manifest


def check_apart(manifest: Manifest) -> None:
    """Raises DataError when a patient or a picture lies in two parts."""
    for column, what in (("patient", "patient"), ("sha256", "picture")):
        parts = manifest.table.dropna(subset=[column, "split"]).groupby(column)["split"].nunique()
        if (parts > 1).any():
            rows = manifest.table[manifest.table[column] == parts.idxmax()]
            names = ", ".join(
                f"{part}: {rows.loc[rows['split'] == part, 'image'].iloc[0]}"
                for part in PARTS
                if part in set(rows["split"])
            )
            raise DataError(
                f"{counted(int((parts > 1).sum()), what + 's')} in two parts ({names}); exclude the training films, "
                "or divide by ratios"
            )


def _divided(
    table: pd.DataFrame, wanted: Sequence[tuple[str, float]], findings: Sequence[str], seed: int
) -> np.ndarray:
    """(N,) the part of each film."""
    lacking = [key for key in findings if key not in table]
    if lacking:
        raise DataError(f"the data has no labels for {', '.join(lacking)}, by which to divide it")
    group = groups_apart(table["patient"], _pictures(table))
    classes = [table[key] == value for key in findings for value in (1, 0)]
    strata = np.stack([*classes, np.ones(len(table), bool)], axis=1)
    counts = np.zeros((group.max() + 1, strata.shape[1]), np.int64)
    np.add.at(counts, group, strata)
    part = allocate(counts, np.array([ratio for _, ratio in wanted]), np.random.default_rng(seed))
    return np.array([name for name, _ in wanted])[part[group]]


def _pictures(table: pd.DataFrame) -> pd.Series:
    """The hash of each film's pixels."""
    unknown = int(table["sha256"].isna().sum())
    if unknown:
        raise DataError(
            f"{unknown:,} of {counted(len(table), 'films')} are not decoded, so identical ones "
            "cannot be told; prepare the dataset first (python -m train.prepare) and use its readable films"
        )
    return table["sha256"]


def _check_classes(manifest: Manifest, parts: Sequence[str], findings: Sequence[str]) -> None:
    for key in findings:
        for part in parts:
            labels = manifest.table.loc[manifest.table["split"] == part, key]
            positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
            if not positives or not negatives:
                raise DataError(
                    f"{part} would have {positives} films with {key} and {negatives} without; both are needed: too few "
                    "patients, or too small a share"
                )
