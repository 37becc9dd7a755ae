"""Splits a search's validation films: trials are chosen by one part, the other is set aside until the search is over.

The best of many trials looks better than it is on the films that it was chosen by. On films that no trial was compared
on it does not, and the difference says by how much. Source: Cawley and Talbot 2010, JMLR 11:2079.
"""

import hashlib

import numpy as np

from cxr_core.data.manifest import SPLITS, Manifest
from cxr_core.data.splits.saved_split import COLUMNS, SavedSplit, SplitRecord
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.jsonl import utc_now

KEY = "films left aside by a search"


def set_films_aside(
    films: Manifest, findings: tuple[str, ...], share: float, seed: int
) -> tuple[SavedSplit, Manifest | None]:
    """The split that trials use, and the validation films that none of them sees; None for a share of 0.

    films: split into train, val, test and the promotion holdout, which trials do not use.  share: of the patients of
    the validation films. Raises DataError where either part would lack a class of a finding.
    """
    table = films.table
    is_validation = (table["split"] == "val").to_numpy()
    chosen = np.array([_is_chosen(patient, share, seed) for patient in table["patient"]], bool)
    is_aside = is_validation & chosen
    if share:
        for name, rows in (("set aside", is_aside), ("compared on", is_validation & ~chosen)):
            _require_classes(films.with_table(table[rows]), findings, name)
    kept = table[~is_aside & table["split"].isin(SPLITS).to_numpy()]
    record = SplitRecord(
        method="list",
        description=f"of a search, which sets {format_count(int(is_aside.sum()), 'validation films')} aside",
        seed=seed,
        findings=findings,
        made=utc_now(),
    )
    saved = SavedSplit(record=record, films=kept[list(COLUMNS)].reset_index(drop=True))
    return saved, films.with_table(table[is_aside].reset_index(drop=True)) if share else None


def _is_chosen(patient: str, share: float, seed: int) -> bool:
    """By a hash, so that a patient is on the same side whatever other films there are."""
    digest = hashlib.sha256(f"{KEY} {seed} {patient}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def _require_classes(films: Manifest, findings: tuple[str, ...], name: str) -> None:
    for finding in findings:
        labels = films.table[finding].to_numpy(np.float64)
        if not (labels == 1).any() or not (labels == 0).any():
            raise DataError(
                f"the validation films {name} would have no film with, or none without, {finding}: there are too few. "
                "Search with --set-aside 0, which does not estimate the optimism of the best trial"
            )
