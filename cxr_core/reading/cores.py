"""Shares the processor between networks and film decoding: one forward pass at a time, on all cores or on one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class CoreScheduler:
    """Runs one forward pass at a time in this process, and decides how many cores it may use.

    A network uses every core by itself; two at once would only evict each other's caches. PyTorch keeps its number of
    threads for the process and again for each thread, so it is changed here alone: each forward pass sets it while it
    holds the lock, and allows every core again before it releases the lock. So a session that reads one film never
    inherits the single core of another session's folder.

    cores: for a forward pass that shares with nobody; as OMP_NUM_THREADS says unless given.
    """

    def __init__(self, cores: int | None = None):
        self.cores = torch.get_num_threads() if cores is None else cores
        self._lock = threading.Lock()

    @contextmanager
    def forward_pass(self, *, single_core: bool = False) -> Iterator[None]:
        """Hold the processor for one forward pass without gradients.

        single_core: leave the other cores to the films that are being decoded meanwhile.
        """
        with self._lock, torch.inference_mode():
            torch.set_num_threads(1 if single_core else self.cores)
            try:
                yield
            finally:
                torch.set_num_threads(self.cores)


# PyTorch's setting belongs to the whole process, and so does its owner: every reader of the process shares this one.
PROCESS_CORES = CoreScheduler()
