"""Carves the promotion holdout: films that no run trains or tunes on, so that an old and a new model can be compared.

A keyed hash of the patient's number alone decides who belongs to it: the same patients in every run, whatever its seed,
its findings or its split, and still the same when films are added. A larger share contains the smaller ones.
"""

import hashlib
import re
from collections.abc import Sequence

import pandas as pd

from cxr_core.data.identifiers import canonical_number
from cxr_core.data.manifest import Manifest
from cxr_core.data.splits.grouping import group_patients

HOLDOUT = "gate"  # the split's value in manifests
HASH_KEY = "silhouette gate 1"  # another key would choose other patients
MIN_CASES = 20  # films with, and as many without, each finding: fewer cannot tell two models apart


def carve_holdout(manifest: Manifest, findings: Sequence[str], share: float) -> Manifest:
    """Move a share of the patients in train and val to the holdout; test, and films without a split, stay.

    manifest: split and decoded. Patients who share an image go together. Where the holdout would have fewer than
    `MIN_CASES` films with or without a finding, the same manifest comes back: small data cannot spare them.
    """
    if share <= 0:
        return manifest
    table = manifest.table.copy()
    learning = table["split"].isin(("train", "val"))
    table.loc[learning & _belongs_to_holdout(table, share), "split"] = HOLDOUT
    if not _has_enough_cases(table[table["split"] == HOLDOUT], findings):
        return manifest
    return manifest.with_table(table)


def hash_patient(patient: str) -> float:
    """A number in [0, 1) that only the patient's number decides; patients below the share are in the holdout.

    patient: as a manifest has it. The prefix up to its last `/` or `:` depends on which folders are read together, so
    it is left out; `00000100` and `100` are one number. The case of letters counts, as it always did.
    """
    number = canonical_number(re.split(r"[/:]", patient)[-1])
    digest = hashlib.blake2b(number.encode(), key=HASH_KEY.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _belongs_to_holdout(table: pd.DataFrame, share: float) -> pd.Series:
    """(N,) whether a film's patient, or a patient who shares an image with that one, belongs to the holdout."""
    patients = table["patient"]
    numbers = patients.map({patient: hash_patient(patient) for patient in patients.unique()})
    group = group_patients(patients, table["sha256"].fillna(table["image"]))
    belongs: pd.Series = numbers.groupby(group).transform("min") < share
    return belongs


def _has_enough_cases(films: pd.DataFrame, findings: Sequence[str]) -> bool:
    """Whether each finding has enough films of both classes; without findings, whether there are enough films."""
    counts = [len(films)]
    for key in findings:
        counts.append(int((films[key] == 1).sum()))
        counts.append(int((films[key] == 0).sum()))
    return min(counts) >= MIN_CASES
