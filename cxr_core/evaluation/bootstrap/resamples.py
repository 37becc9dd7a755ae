"""Bootstrap resamples of patients, and sums over films that are weighted by them.

A resample says how often each patient was drawn, and so how often each of the patient's films counts. Whatever is
summed over films is summed over each patient's films first: R resamples then cost little more than one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

EXACT_FLOAT32 = 2**23  # below it float32 tells a whole number from itself and a half


@dataclass(frozen=True, eq=False)
class Resamples:
    """How often each of N films counts in each of R resamples; takes the place of weights (R, N).

    times: (M, R) how often each patient was drawn, float64.  patient_of: (N,) which of the M patients a film shows.
    known_counts: what `counts` gives, where it is known already.
    """

    times: np.ndarray
    patient_of: np.ndarray
    known_counts: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(R, N)."""
        return self.times.shape[1], len(self.patient_of)

    def __matmul__(self, columns: np.ndarray | sparse.csr_array) -> np.ndarray:
        """Weighted sums over the films: (R,) of columns (N,), or (R, K) of columns (N, K). Bool columns count films."""
        summed = self._films.T @ columns
        if columns.dtype == bool:
            # Whole numbers, so that float32 is exact where `counts` has it, at half the cost.
            counted: np.ndarray = self.counts.T @ summed.astype(self.counts.dtype)
            return counted.astype(np.float64)
        if sparse.issparse(summed):
            weighted: np.ndarray = (summed.T.tocsr() @ self.times).T
            return weighted
        sums: np.ndarray = self.times.T @ summed
        return sums

    def sum(self, axis: int = -1) -> np.ndarray:
        """(R,) films in each resample. axis: that of the films, as for an array."""
        return self._sizes

    def select(self, chosen: np.ndarray) -> "Resamples":
        """The same resamples of some of the films. chosen: (N,) bool, or positions."""
        return Resamples(self.times, self.patient_of[chosen], self.counts)

    def to_weights(self) -> np.ndarray:
        """(R, N) float64: how often each film counts, as a plain array."""
        return self.times.T[:, self.patient_of]

    @cached_property
    def counts(self) -> np.ndarray:
        """(M, R) as `times`: float32 where sums over films, and once more these counts, are exact in it."""
        if self.known_counts is not None:
            return self.known_counts
        largest = self._sizes.max(initial=0) * self.times.max(initial=0)
        return self.times.astype(np.float32) if largest < EXACT_FLOAT32 else self.times

    @cached_property
    def _sizes(self) -> np.ndarray:
        """(R,) films in each resample."""
        films_of_patient = np.bincount(self.patient_of, minlength=len(self.times))
        sizes: np.ndarray = films_of_patient.astype(np.float64) @ self.times
        return sizes

    @cached_property
    def _films(self) -> sparse.csr_array:
        """(N, M) a one in the column of each film's patient."""
        films, patients = len(self.patient_of), len(self.times)
        entries = (np.ones(films), self.patient_of, np.arange(films + 1))
        return sparse.csr_array(entries, shape=(films, patients))
