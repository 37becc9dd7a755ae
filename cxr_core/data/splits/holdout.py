"""The gate films: a part that no run learns from or tunes on, so that an old model and a new one can be compared on it.

Who belongs to it is drawn by a keyed hash of the patient's number alone: the same patients in every run, whatever its
seed, its findings or its split, and still the same when films are added. A larger share holds the smaller ones.
"""

import hashlib
import re
from collections.abc import Sequence

import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.splits.grouping import groups_apart

GATE = "gate"
RULE = "silhouette gate 1"  # the key of the hash; another one would draw other patients
LEAST_CASES = (
    20  # films with, and as many without, each finding: fewer cannot tell two models apart
)


def carve_gate(manifest: Manifest, findings: Sequence[str], share: float) -> Manifest:
    """Move a share of the patients in train and val to the part "gate"; test, and films of no part, stay.

    manifest: divided and decoded. Patients who share a picture go together. Where the gate would hold fewer than
    `LEAST_CASES` films with or without a finding, the same manifest comes back: small data cannot spare them.
    """
    if share <= 0:
        return manifest
    table = manifest.table.copy()
    learning = table["split"].isin(("train", "val"))
    table.loc[learning & _drawn(table, share), "split"] = GATE
    return (
        manifest.with_table(table) if _enough(table[table["split"] == GATE], findings) else manifest
    )


def draw(patient: str) -> float:
    """A number in [0, 1) that the patient's number decides; drawn are those below the share.

    patient: as a manifest has it. What stands before its last `/` or `:` says where the number counts, which changes
    with the folders that are read together, and is left out.
    """
    number = re.split(r"[/:]", patient)[-1]
    digest = hashlib.blake2b(number.encode(), key=RULE.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _drawn(table: pd.DataFrame, share: float) -> pd.Series:
    """(N,) whether a film's patient is drawn, or one whom a picture joins to him."""
    patients = table["patient"]
    lowest = patients.map({patient: draw(patient) for patient in patients.unique()})
    group = groups_apart(patients, table["sha256"].fillna(table["image"]))
    drawn: pd.Series = lowest.groupby(group).transform("min") < share
    return drawn


def _enough(films: pd.DataFrame, findings: Sequence[str]) -> bool:
    """Whether each finding has enough films of both classes; without findings, whether there are enough films."""
    counts = [int((films[key] == value).sum()) for key in findings for value in (1, 0)]
    return min([len(films), *counts]) >= LEAST_CASES
