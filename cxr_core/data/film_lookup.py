"""Finds the films of an evaluation in the registered datasets, by contents or by name and patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.identifiers import canonical_patient, normalise_name
from cxr_core.data.manifest import Manifest
from cxr_core.data.references import is_reference
from cxr_core.data.registry import Dataset, list_datasets
from cxr_core.errors import DataError

NAME_COLUMNS = ("image", "patient")


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundFilms:
    """Where films are. rows: (N,) the row of each film in the manifest, -1 where it is missing or ambiguous."""

    dataset: Dataset
    manifest: Manifest
    rows: np.ndarray

    @property
    def count(self) -> int:
        """How many of the films were found."""
        return int(np.sum(self.rows >= 0))


def find_films(films: pd.DataFrame, split: str, folders: Sequence[Path]) -> FoundFilms | None:
    """Look for films. films: with the columns image (a name) and patient, and sha256 where it is known.

    Returns the dataset with the most of the films; a dataset of exactly those folders wins once it has any. None when
    no dataset has any.
    """
    best: FoundFilms | None = None
    wanted = {folder for folder in folders if not is_reference(folder)}
    for dataset in sorted(list_datasets(), key=lambda dataset: set(dataset.folders) != wanted):
        try:
            manifest = dataset.load_manifest()
        except DataError:  # the Data page says so
            continue
        rows = match_rows(films, manifest, split)
        candidate = FoundFilms(dataset=dataset, manifest=manifest, rows=rows)
        if candidate.count > (best.count if best else 0):
            best = candidate
        if best and set(best.dataset.folders) == wanted:
            break
    return best


def match_rows(films: pd.DataFrame, manifest: Manifest, split: str) -> np.ndarray:
    """(N,) the row of each film in a manifest, -1 for none. Among films that look alike, the one in the split counts.

    By contents where both sides know their sha256, whatever the film is called now; else by name and patient. A film
    whose name is there with other contents is not found: it is another image. Spellings do not matter.
    """
    table = _in_one_spelling(manifest.table.assign(image=manifest.names))
    films = _in_one_spelling(films)
    by_name = _match_unique(films, table, NAME_COLUMNS, split)
    if "sha256" not in films:
        return by_name
    by_both = _match_unique(films, table, ("sha256", *NAME_COLUMNS), split)
    by_contents = _match_unique(films, table, ("sha256",), split)
    same_contents = np.where(by_both >= 0, by_both, by_contents)
    both_hashes_known = (
        films["sha256"].notna().to_numpy()
        & (by_name >= 0)
        & table["sha256"].notna().to_numpy()[by_name]
    )
    return np.where((same_contents >= 0) | both_hashes_known, same_contents, by_name)


def _in_one_spelling(films: pd.DataFrame) -> pd.DataFrame:
    """The same films with names and patients in the forms that are compared."""
    return films.assign(
        image=films["image"].map(normalise_name, na_action="ignore"),
        patient=films["patient"].map(_normalise_scoped_patient, na_action="ignore"),
    )


def _normalise_scoped_patient(patient: object) -> str:
    return canonical_patient(str(patient)).casefold()


def _match_unique(
    films: pd.DataFrame, table: pd.DataFrame, columns: tuple[str, ...], split: str
) -> np.ndarray:
    """(N,) the one row with the same values in these columns; where several have them, the one in the split."""
    names = list(columns)
    table_keys = pd.MultiIndex.from_frame(table[names].astype(str))
    film_keys = pd.MultiIndex.from_frame(films[names].astype(str))
    is_complete = table[names].notna().all(axis=1).to_numpy()
    is_wanted = films[names].notna().all(axis=1).to_numpy()
    rows = np.full(len(films), -1)
    for candidates in (is_complete, is_complete & (table["split"] == split).to_numpy()):
        positions = np.flatnonzero(candidates)
        unique = positions[~table_keys[positions].duplicated(keep=False)]
        if len(unique):
            found = table_keys[unique].get_indexer(film_keys)
            rows = np.where(is_wanted & (found >= 0), unique[found], rows)
    return rows
