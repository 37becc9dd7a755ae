"""Batches straight from the pixel cache, in an order that (seed, epoch) alone decide.

One thread copies the next batches out of the cache while the device computes. Nothing is augmented here: that happens
after it, on the device.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cxr_core.data.film_set import Films
from cxr_core.errors import RecipeError

AHEAD = 2  # batches that wait, ready for the device
RESIDENT_SHARE = 0.25  # of a device's free memory that the films may take to live on it


@dataclass(frozen=True)
class Position:
    """Where a run stands: in epoch `epoch` (from 1), after `batch` of its batches. Survives as JSON."""

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
        films: Films,
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
        self._asked = resident
        self.serve(films)

    def serve(self, films: Films) -> None:
        """Hand out these from now on: the same films in another form, such as their features."""
        self.films = films
        keep = _has_room(films, self.device) if self._asked is None else self._asked
        self._resident = (
            torch.from_numpy(films.grids_of(slice(None))).to(self.device) if keep else None
        )

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.films) // self.size

    def order(self, epoch: int) -> np.ndarray:
        """(batches, batch size) positions of films: the whole epoch, for all processes."""
        chance = np.random.default_rng([self.seed, epoch])
        count = len(self.films)
        if self.weights is None:
            drawn = chance.permutation(count)
        else:
            drawn = chance.choice(count, count, replace=True, p=self.weights)
        return drawn[: len(self) * self.size].reshape(len(self), self.size)

    def batches(self, start: Position) -> Iterator[Batch]:
        """The batches of an epoch that follow a position. `self.position` counts each as it is handed out."""
        rank, processes = self.shard
        waiting: deque[Future[Batch]] = deque()
        self.position = start
        with ThreadPoolExecutor(1, thread_name_prefix="loader") as thread:
            for films in self.order(start.epoch)[start.batch :]:
                waiting.append(thread.submit(self._gather, films[rank::processes]))
                if len(waiting) > AHEAD:
                    yield self._hand_out(waiting.popleft())
            while waiting:
                yield self._hand_out(waiting.popleft())

    def _hand_out(self, ready: Future[Batch]) -> Batch:
        batch = ready.result()
        self.position = Position(self.position.epoch, self.position.batch + 1)
        return batch

    def _gather(self, films: np.ndarray) -> Batch:
        labels = torch.from_numpy(self.films.labels[films])
        if self._resident is not None:
            chosen = torch.from_numpy(films).to(self.device)
            return Batch(self._resident[chosen], labels.to(self.device), films)
        grids = torch.from_numpy(self.films.grids_of(films))
        if self.device.type == "cuda":
            grids = grids.pin_memory().to(self.device, non_blocking=True)
            labels = labels.pin_memory().to(self.device, non_blocking=True)
        return Batch(grids, labels, films)


def _has_room(films: Films, device: torch.device) -> bool:
    """Whether a CUDA device can keep all films and have most of its memory left."""
    if device.type != "cuda" or not len(films):
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return len(films) * films.grids[0].nbytes <= RESIDENT_SHARE * free
