"""Resamples of patients, kept by patient: what is summed over films is summed over the patient's films first."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse


@dataclass(frozen=True, eq=False)
class Draws:
    """How often each of N films counts in each of R resamples; stands where weights (R, N) do.

    times: (M, R) how often each patient was drawn, float64.  patient_of: (N,) which of the M patients a film shows.
    """

    times: np.ndarray
    patient_of: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(R, N)."""
        return self.times.shape[1], len(self.patient_of)

    def __matmul__(self, columns: np.ndarray | sparse.csr_array) -> np.ndarray:
        """Weighted sums over the films: (R,) of columns (N,), or (R, K) of columns (N, K)."""
        summed = self._films.T @ columns
        if sparse.issparse(summed):
            found: np.ndarray = (summed.T.tocsr() @ self.times).T
            return found
        return self.times.T @ summed

    def sum(self, axis: int = -1) -> np.ndarray:
        """(R,) films in each resample. axis: the films', as it would be of an array."""
        return self @ np.ones(len(self.patient_of))

    def of(self, chosen: np.ndarray) -> "Draws":
        """The same resamples of some of the films. chosen: (N,) bool, or positions."""
        return Draws(self.times, self.patient_of[chosen])

    def dense(self) -> np.ndarray:
        """(R, N) float64, as an array."""
        return self.times.T[:, self.patient_of]

    @cached_property
    def _films(self) -> sparse.csr_array:
        """(N, M) one in the column of the film's patient."""
        films, patients = len(self.patient_of), len(self.times)
        places = (np.ones(films), self.patient_of, np.arange(films + 1))
        return sparse.csr_array(places, shape=(films, patients))
