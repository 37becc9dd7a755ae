"""The films of an evaluation found again in the datasets that are registered, by contents or by name and patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import Dataset, registered
from cxr_core.errors import DataError

NAMED = ("image", "patient")


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
    """Look for films. films: with the columns image (a name) and patient, and sha256 where it is known.

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
    """(N,) the row of each film in a manifest, -1 for none. Of films that are alike the part's counts.

    By contents where both sides know their sha256, whatever the film is called now; else by name and patient. A film
    whose name is there with other contents is not found: it is another picture.
    """
    table = manifest.table.assign(image=manifest.names)
    named = _rows(films, table, NAMED, part)
    if "sha256" not in films:
        return named
    same = _rows(films, table, ("sha256", *NAMED), part)
    alike = np.where(same >= 0, same, _rows(films, table, ("sha256",), part))
    told = (
        films["sha256"].notna().to_numpy()
        & (named >= 0)
        & table["sha256"].notna().to_numpy()[named]
    )
    return np.where((alike >= 0) | told, alike, named)


def _rows(films: pd.DataFrame, table: pd.DataFrame, by: tuple[str, ...], part: str) -> np.ndarray:
    """(N,) the one row that has the same values of these columns; where several have, the one of the part."""
    keys, asked = (pd.MultiIndex.from_frame(each[list(by)].astype(str)) for each in (table, films))
    known, sought = (each[list(by)].notna().all(axis=1).to_numpy() for each in (table, films))
    rows = np.full(len(films), -1)
    for kept in (known, known & (table["split"] == part).to_numpy()):
        places = np.flatnonzero(kept)
        alone = places[~keys[places].duplicated(keep=False)]
        if len(alone):
            found = keys[alone].get_indexer(asked)
            rows = np.where(sought & (found >= 0), alone[found], rows)
    return rows
