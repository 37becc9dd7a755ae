"""The films of an evaluation found again: its names and patients looked up in the datasets that are registered."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.datasets import Dataset, registered
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundFilms:
    """Where films lie. rows: (N,) of each film its row in the manifest, -1 where it is not there, or two could be."""

    dataset: Dataset
    manifest: Manifest
    rows: np.ndarray

    @property
    def count(self) -> int:
        """How many of the films were found."""
        return int(np.sum(self.rows >= 0))


def find_films(films: pd.DataFrame, part: str, folders: Sequence[Path]) -> FoundFilms | None:
    """Look for films by name and patient. films: with the columns image (a name) and patient.

    A dataset of those folders is asked first, then the others; the one that has the most of the films answers. None
    when no dataset has any.
    """
    best: FoundFilms | None = None
    for dataset in sorted(registered(), key=lambda each: set(each.folders) != set(folders)):
        try:
            manifest = dataset.manifest()
        except DataError:  # the Data page says so
            continue
        found = FoundFilms(dataset=dataset, manifest=manifest, rows=rows_of(films, manifest, part))
        if found.count > (best.count if best else 0):
            best = found
        if best and set(best.dataset.folders) == set(folders):
            break
    return best


def rows_of(films: pd.DataFrame, manifest: Manifest, part: str) -> np.ndarray:
    """(N,) the row of each film in a manifest, -1 for none. Of films alike in name and patient the part's counts."""
    table = manifest.table
    keys = pd.MultiIndex.from_arrays([manifest.names.to_numpy(str), table["patient"].to_numpy(str)])
    asked = pd.MultiIndex.from_arrays([films["image"].to_numpy(str), films["patient"].to_numpy(str)])
    rows = np.full(len(films), -1)
    for kept in (np.ones(len(table), bool), (table["split"] == part).to_numpy()):
        places = np.flatnonzero(kept)
        alone = ~keys[places].duplicated(keep=False)
        found = keys[places[alone]].get_indexer(asked)
        rows = np.where(found >= 0, places[alone][found], rows) if alone.any() else rows
    return rows
