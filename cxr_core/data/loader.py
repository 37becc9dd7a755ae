"""Loads training batches from the pixel cache, in an order that only the seed and the epoch decide.

One thread copies the next batches out of the cache while the device computes. Nothing is augmented here: that happens
afterwards, on the device.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cxr_core.data.film_set import FilmSet
from cxr_core.errors import RecipeError

PREFETCHED_BATCHES = 2
RESIDENT_SHARE = 0.25  # of a device's free memory that the films may take to be kept on it


@dataclass(frozen=True)
class Position:
    """How far a run is: in epoch `epoch` (from 1), after `batch` of its batches. Can be stored as JSON."""

    epoch: int = 1
    batch: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """grids (B, S, S) uint8 and labels (B, L) float32 (NaN = unknown) on the device; films: (B,) positions."""

    grids: Tensor
    labels: Tensor
    films: np.ndarray


class Loader:
    """The training batches of one process.

    batch_size: films a step, over all processes.  shard: (rank, processes); each takes its share of every batch, so
    that the processes together see what one alone would.  weights: (N,) how likely each film is drawn, with
    replacement; None = each film once an epoch. An incomplete last batch is left out.  resident: whether all films are
    kept on the device; None = on a CUDA device that has the room.
    """

    def __init__(
        self,
        films: FilmSet,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
        weights: np.ndarray | None = None,
        shard: tuple[int, int] = (0, 1),
        resident: bool | None = None,
    ):
        rank, processes = shard
        if batch_size % processes or not 0 <= rank < processes:
            raise RecipeError(
                f"a batch of {batch_size} films cannot be shared equally by {processes} processes"
            )
        self.seed, self.device, self.shard = seed, device, shard
        self.size = min(batch_size, len(films) - len(films) % processes)
        self.weights = None if weights is None else weights / weights.sum()
        self.position = Position()
        self._keep_resident = resident
        self.set_films(films)

    def set_films(self, films: FilmSet) -> None:
        """Load these from now on: the same films in another form, such as their features."""
        self.films = films
        resident = self._keep_resident
        if resident is None:
            resident = _fits_device(films, self.device)
        self._resident = None
        if resident:
            self._resident = torch.from_numpy(films.take_grids(slice(None))).to(self.device)

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.films) // self.size

    def draw_order(self, epoch: int) -> np.ndarray:
        """(batches, batch size) positions of films: the whole epoch, for all processes."""
        rng = np.random.default_rng([self.seed, epoch])
        count = len(self.films)
        if self.weights is None:
            order = rng.permutation(count)
        else:
            order = rng.choice(count, count, replace=True, p=self.weights)
        return order[: len(self) * self.size].reshape(len(self), self.size)

    def batches(self, start: Position) -> Iterator[Batch]:
        """The batches of an epoch that follow a position. `self.position` counts each as it is handed out."""
        rank, processes = self.shard
        pending: deque[Future[Batch]] = deque()
        self.position = start
        with ThreadPoolExecutor(1, thread_name_prefix="loader") as thread:
            for films in self.draw_order(start.epoch)[start.batch :]:
                pending.append(thread.submit(self._load_batch, films[rank::processes]))
                if len(pending) > PREFETCHED_BATCHES:
                    yield self._hand_out(pending.popleft())
            while pending:
                yield self._hand_out(pending.popleft())

    def _hand_out(self, future: Future[Batch]) -> Batch:
        batch = future.result()
        self.position = Position(self.position.epoch, self.position.batch + 1)
        return batch

    def _load_batch(self, films: np.ndarray) -> Batch:
        labels = torch.from_numpy(self.films.labels[films])
        if self._resident is not None:
            positions = torch.from_numpy(films).to(self.device)
            return Batch(self._resident[positions], labels.to(self.device), films)
        grids = torch.from_numpy(self.films.take_grids(films))
        if self.device.type == "cuda":
            grids = grids.pin_memory().to(self.device, non_blocking=True)
            labels = labels.pin_memory().to(self.device, non_blocking=True)
        return Batch(grids, labels, films)


def _fits_device(films: FilmSet, device: torch.device) -> bool:
    """Whether a CUDA device can keep all films and leave most of its memory free."""
    if device.type != "cuda" or not len(films):
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return len(films) * films.grids[0].nbytes <= RESIDENT_SHARE * free
