"""Who must stay together when films are divided, and how to divide them so that every finding gets its share."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def groups_apart(patient: pd.Series, picture: pd.Series) -> np.ndarray:
    """(N,) the group of each film: patients who share a picture are one group, directly or through others.

    picture: the same value for identical films. Groups are numbered by their first patient in the alphabet, so that
    the order of the films does not matter.
    """
    people, patients = pd.factorize(patient, sort=True)
    pictures, different = pd.factorize(picture)
    size = len(patients) + len(different)
    joined = coo_array(
        (np.ones(len(people)), (people, pictures + len(patients))), shape=(size, size)
    )
    _, component = connected_components(joined, directed=False)
    _, first, number = np.unique(component[: len(patients)], return_index=True, return_inverse=True)
    return first.argsort().argsort()[number][people]


def allocate(counts: np.ndarray, ratios: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """(G,) the part of each group, such that the parts get their share of every stratum.

    counts: (G, K) films of each group that count for each of K strata; the last one counts all films.
    ratios: (P,) above 0, summing to 1.
    Source: Sechidis, Tsoumakas, Vlahavas 2011, doi:10.1007/978-3-642-23808-6_10: the rarest stratum goes first, each of
    its groups to the part that lacks most of it. Here groups weigh as many films as they have, and go by size, so that
    small ones even out at the end; among groups of like size (within a factor of two) chance decides.
    """
    wanted = np.outer(ratios, counts.sum(axis=0)).astype(np.float64)
    lacking = wanted.copy()
    part = np.full(len(counts), -1)
    order = chance.permutation(len(counts))
    order = order[np.argsort(-np.floor(np.log2(counts[order, -1])), kind="stable")]
    while (left := order[part[order] < 0]).size:
        waiting = (counts[left] > 0).sum(axis=0)
        stratum = int(np.where(waiting > 0, waiting, len(counts) + 1).argmin())
        for group in left[counts[left, stratum] > 0]:
            part[group] = _neediest(
                lacking[:, [stratum, -1]], wanted[:, stratum], counts[group, stratum]
            )
            lacking[part[group]] -= counts[group]
    return part


def _neediest(lacking: np.ndarray, wanted: np.ndarray, films: int) -> int:
    """The part that lacks most for its size among those with room for the group; where none has room, most at all.

    lacking: (P, 2) films of the stratum, and of all: the latter decides between equals.
    """
    room = lacking[:, 0] >= films
    need = np.where(room, lacking[:, 0] / wanted, -1) if room.any() else lacking[:, 0]
    return int(np.lexsort((lacking[:, 1], need))[-1])
