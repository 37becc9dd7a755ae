"""Searches a dataset's decoded films for near-duplicates, and keeps what was found beside the dataset.

    descriptions of all films -> pairs whose descriptions agree -> pairs whose pixels agree -> groups

Every film is compared with every other, in blocks of products of matrices. Films are known by their pixels' hashes, so
that a dataset whose films are the same is not searched again.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.manifest import Manifest
from cxr_core.data.near_duplicates.similarity import (
    Descriptions,
    compare_pixels,
    remove_padding,
)
from cxr_core.data.registry import THUMBNAIL
from cxr_core.errors import RecordError
from cxr_core.workspace.json_record import JsonRecord, read_record_file

FILE = "near_duplicates.json"
VERSION = 1  # a new one makes every dataset be searched again
SCHEMA: Literal[1] = 1
# Correlations of descriptions, from which a pair is looked at again and then compared by pixels.
LEAST_COARSE, LEAST_FINE = 0.93, 0.94
# Correlations of detail. Two films of one patient, taken minutes apart, reach 0.95; of two patients, 0.83.
LEAST_OF_PATIENTS, LEAST_OF_ONE_PATIENT = 0.88, 0.965
BLOCK, OTHERS = (
    256,
    4096,
)  # films that are compared with others at once: a product that stays in the processor's cache
DESCRIBED = 512  # films between two reports of progress

Progress = Callable[[int, int], None]  # films done, films in all; what it raises stops the search


@dataclass(frozen=True, kw_only=True)
class NearDuplicates(JsonRecord):
    """What a search found. films: a hash of the films searched.  groups: of films, each by the hash of its pixels."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = SCHEMA
    films: str
    groups: tuple[tuple[str, ...], ...] = ()


def load_near_duplicates(folder: Path) -> NearDuplicates | None:
    """What was found in the dataset of this folder; None where nothing was searched, or the file is damaged."""
    try:
        return read_record_file(folder / FILE, NearDuplicates)
    except (OSError, RecordError):
        return None


def find_near_duplicates(
    manifest: Manifest, former: NearDuplicates | None, progress: Progress
) -> NearDuplicates:
    """Search the usable films of a manifest that are in the pixel cache. Raises DataError for a damaged cache.

    former: what an earlier search found; it is the answer where the films are the same.
    """
    films = _select_searched_films(manifest)
    searched = _hash_films(films)
    if former is not None and former.films == searched:
        return former
    entries = PixelCache(THUMBNAIL).load_entries(list(map(Path, films["image"])))
    films = films[(entries["row"] >= 0).to_numpy()]
    rows = entries["row"][entries["row"] >= 0].to_numpy()
    shapes = films[["height", "width"]].to_numpy(int)
    grids = PixelCache(THUMBNAIL).open_grids()

    def take(position: int) -> np.ndarray:
        height, width = shapes[position]
        return remove_padding(np.asarray(grids[rows[position]]), (height, width), THUMBNAIL)

    pairs = find_pairs(take, films["patient"].tolist(), progress)
    digests = films["sha256"].tolist()
    groups = [
        tuple(digests[position] for position in group) for group in _join_pairs(pairs, len(films))
    ]
    return NearDuplicates(films=searched, groups=tuple(groups))


def find_pairs(
    take: Callable[[int], np.ndarray], patients: Sequence[str], progress: Progress
) -> list[tuple[int, int]]:
    """Pairs of positions whose films are near-duplicates, the smaller first.

    take: the film at a position, (h, w) uint8 without padding, at most THUMBNAIL.side pixels.  patients: of each film.
    """
    count = len(patients)
    described = Descriptions.empty(count)
    for position in range(count):
        described.describe(position, take(position))
        if position % DESCRIBED == 0:
            progress(position // 2, count)
    pairs = []
    for end, candidates in _find_candidates(described):
        for first, second in candidates:
            threshold = LEAST_OF_PATIENTS
            if patients[first] == patients[second]:
                threshold = LEAST_OF_ONE_PATIENT
            if compare_pixels(take(first), take(second)) >= threshold:
                pairs.append((first, second))
        progress((count + end) // 2, count)
    return pairs


def _find_candidates(described: Descriptions) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """For each block of films its end, and the pairs of which it has the first film."""
    entire_fine = described.fine[0]
    count = len(entire_fine)
    seen: set[tuple[int, int]] = set()
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        found = set()
        for coarse, fine in zip(described.coarse, described.fine, strict=True):
            near, others = _find_alike(described.coarse[0, start:end], coarse)
            near += start
            is_other = near != others
            near, others = near[is_other], others[is_other]
            products = entire_fine[near].astype(np.float32) * fine[others]
            alike = products.sum(axis=1) >= LEAST_FINE
            for one, other in zip(near[alike].tolist(), others[alike].tolist(), strict=True):
                found.add((min(one, other), max(one, other)))
        yield end, sorted(found - seen)
        seen |= found


def _find_alike(block: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a block and rows of the others whose descriptions agree. block, others: (n, 63), (N, 63) float32."""
    rows, columns = [], []
    for start in range(0, len(others), OTHERS):
        products = block @ others[start : start + OTHERS].T
        if products.max() >= LEAST_COARSE:
            row, column = np.nonzero(products >= LEAST_COARSE)
            rows.append(row)
            columns.append(column + start)
    if not rows:
        return np.empty(0, int), np.empty(0, int)
    return np.concatenate(rows), np.concatenate(columns)


def _join_pairs(pairs: Sequence[tuple[int, int]], count: int) -> list[list[int]]:
    """Groups of positions that are connected by pairs, each in order, the first film's group first."""
    if not pairs:
        return []
    first, second = np.array(pairs).T
    graph = coo_array((np.ones(len(pairs)), (first, second)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    members = pd.Series(labels).groupby(labels).indices.values()
    return sorted(group.tolist() for group in members if len(group) > 1)


def _select_searched_films(manifest: Manifest) -> pd.DataFrame:
    """The usable films, one of each that have the same pixels, of known size."""
    table = manifest.table[manifest.table["status"] == "present"]
    table = table.dropna(subset=["sha256", "width", "height"])
    return table.drop_duplicates("sha256").sort_values("sha256", ignore_index=True)


def _hash_films(films: pd.DataFrame) -> str:
    """A hash of films and their patients, on whom the answer depends, and of the version of the search."""
    lines = films["sha256"] + " " + films["patient"]
    return hashlib.sha256("\n".join([str(VERSION), *lines]).encode()).hexdigest()
