"""Splits the films of a search: trials are compared on some, others are set aside until the search is over.

The best of many trials looks better than it is on the films that it was chosen by. On films that no trial was compared
on it does not, and the difference says by how much. Source: Cawley and Talbot 2010, JMLR 11:2079.
"""

import hashlib

import numpy as np

from cxr_core.data.manifest import SPLITS, Manifest
from cxr_core.data.splits.splits import carve_validation
from cxr_core.errors import DataError

KEY = "films left aside by a search"


def set_films_aside(
    films: Manifest, findings: tuple[str, ...], share: float, seed: int
) -> tuple[Manifest, Manifest | None]:
    """The films that trials use, and the validation films that none of them sees; None for a share of 0.

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
    used = films.with_table(table[~is_aside & table["split"].isin(SPLITS).to_numpy()])
    return used, films.with_table(table[is_aside]) if share else None


def draw_splits(
    films: Manifest, findings: tuple[str, ...], count: int, seed: int
) -> list[Manifest]:
    """The films with so many validation splits by patient: the one that they have, and others of the same share.

    films: split into train, val and test; the test films are the same in all. Raises DataError where a split would
    lack a class of a finding.
    """
    films_of = films.table["split"].value_counts()
    share = films_of["val"] / (films_of["train"] + films_of["val"])
    others = [
        carve_validation(films, findings, share, seed + number, pool=True)
        for number in range(1, count)
    ]
    return [films, *others]


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
