"""Groups patients who must stay in one split, and gives each split its share of every finding."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def group_patients(patient: pd.Series, image: pd.Series) -> np.ndarray:
    """(N,) the group of each film: patients who share an image are one group, directly or through others.

    image: the same value for identical films. Groups are numbered by their first patient in the alphabet, so that the
    order of the films does not matter.
    """
    patient_codes, patients = pd.factorize(patient, sort=True)
    image_codes, images = pd.factorize(image)
    size = len(patients) + len(images)
    edges = (patient_codes, image_codes + len(patients))
    graph = coo_array((np.ones(len(patient_codes)), edges), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    _, first, number = np.unique(component[: len(patients)], return_index=True, return_inverse=True)
    return first.argsort().argsort()[number][patient_codes]


def allocate_groups(counts: np.ndarray, ratios: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(G,) the split of each group, such that the splits get their share of every stratum.

    counts: (G, K) films of each group that count for each of K strata; the last one counts all films.
    ratios: (P,) above 0, summing to 1.
    Source: Sechidis, Tsoumakas, Vlahavas 2011, doi:10.1007/978-3-642-23808-6_10: the rarest stratum goes first, each of
    its groups to the split that lacks most of it. Here a group weighs as many films as it has, and groups go by size,
    so that small ones even out at the end; among groups of similar size (within a factor of two) the order is random.
    """
    wanted = np.outer(ratios, counts.sum(axis=0)).astype(np.float64)
    lacking = wanted.copy()
    split = np.full(len(counts), -1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-np.floor(np.log2(counts[order, -1])), kind="stable")]
    while (unassigned := order[split[order] < 0]).size:
        remaining = (counts[unassigned] > 0).sum(axis=0)
        stratum = int(np.where(remaining > 0, remaining, len(counts) + 1).argmin())
        for group in unassigned[counts[unassigned, stratum] > 0]:
            split[group] = _neediest_split(
                lacking[:, [stratum, -1]], wanted[:, stratum], counts[group, stratum]
            )
            lacking[split[group]] -= counts[group]
    return split


def _neediest_split(lacking: np.ndarray, wanted: np.ndarray, films: int) -> int:
    """The split that lacks most for its size among those with room for the group; where none has room, most at all.

    lacking: (P, 2) films of the stratum, and of all: the latter breaks ties.
    """
    has_room = lacking[:, 0] >= films
    need = lacking[:, 0]
    if has_room.any():
        need = np.where(has_room, lacking[:, 0] / wanted, -1)
    return int(np.lexsort((lacking[:, 1], need))[-1])
