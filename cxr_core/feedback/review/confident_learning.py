"""Finds labels that contradict what a model is confident of.

The probabilities must be of films that the model was not trained on: it remembers the labels of the others.
"""

import numpy as np


def find_label_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) bool: the films off the diagonal of the confident joint.

    labels: (N,) 0 or 1.  probabilities: (N,) of 1, in [0, 1]. A film counts for a class where its probability of that
    class reaches the mean over the films with that label, and for the likelier one where both do. With films of one
    class alone nothing can be found.
    Source: Northcutt, Jiang & Chuang 2021, Confident Learning, JAIR 70:1373-1411, eq. 1 and 2.
    """
    labels = np.asarray(labels).astype(int)
    of_class = np.stack([1 - probabilities, probabilities], axis=1)  # (N, 2)
    if len(np.unique(labels)) < 2:
        return np.zeros(len(labels), bool)
    thresholds = np.array([of_class[labels == key, key].mean() for key in (0, 1)])
    confident = of_class >= thresholds
    likeliest = np.where(confident, of_class, -1.0).argmax(axis=1)
    wrong: np.ndarray = confident.any(axis=1) & (likeliest != labels)
    return wrong
