"""Validation carved from train by patient; the official test part is never touched."""

import hashlib

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError


def carve_validation(manifest: Manifest, finding: str, share: float, seed: int) -> Manifest:
    """Move a share of the training patients to validation, stratified by whether they have the finding.

    A validation part that the data brings is pooled with train first: Kaggle's has 16 films. Raises DataError when
    no patient, or no positive one, is left on either side.
    """
    table = manifest.table.copy()
    table["split"] = table["split"].replace({"val": "train"})
    pool = table[table["split"] == "train"]
    positive = pool.groupby("patient")[finding].max() > 0
    chance = np.random.default_rng(seed)
    chosen: set[str] = set()
    for has_finding in (True, False):
        patients = np.array(sorted(positive.index[positive == has_finding]))
        count = round(share * len(patients))
        if not 0 < count < len(patients):
            raise DataError(
                f"{len(patients)} training patients {'with' if has_finding else 'without'} {finding}: too few"
            )
        chosen.update(chance.choice(patients, count, replace=False))
    moved = (table["split"] == "train") & table["patient"].isin(chosen)
    table.loc[moved, "split"] = "val"
    _check_apart(table)
    return Manifest(table, manifest.kind, manifest.terms)


def drop_identical(manifest: Manifest) -> Manifest:
    """Keep one of each group of byte-identical training films, so that none lies on both sides of a split.

    The official test part is never thinned.
    """
    table = manifest.table
    digest = table["image"].map(lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
    again = digest.where(table["split"] != "test", table.index.astype(str)).duplicated()
    return Manifest(table[~again].reset_index(drop=True), manifest.kind, manifest.terms)


def _check_apart(table: pd.DataFrame) -> None:
    parts = table.groupby("patient")["split"].nunique()
    if (parts > 1).any():
        raise DataError(f"patient {parts.idxmax()} lies in two parts; an official list and the table contradict")
