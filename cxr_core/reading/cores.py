"""Shares the processor between forward passes: each runs on one core, as many at once as there are cores."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class CoreScheduler:
    """Gives each forward pass one core, and lets as many run at once as there are cores.

    One pass on two cores takes nearly as long as on one, and half as much computing again, because its threads wait for
    one another after every layer. Several models, films or batches side by side need no waiting. PyTorch keeps its
    number of threads for the process and again for each thread, so it is changed here alone, and every core is allowed
    again when a pass ends.

    cores: as OMP_NUM_THREADS says unless given.
    """

    def __init__(self, cores: int | None = None):
        self.cores = torch.get_num_threads() if cores is None else cores
        self._free = threading.BoundedSemaphore(self.cores)

    @contextmanager
    def forward_pass(self) -> Iterator[None]:
        """Wait for a core, and hold it for one forward pass without gradients."""
        with self._free, torch.inference_mode():
            torch.set_num_threads(1)
            try:
                yield
            finally:
                torch.set_num_threads(self.cores)

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        at_once: int | None = None,
    ) -> Iterator[Result]:
        """The function's results in the order of the items, for several items at once. at_once: None = one for a core.

        Items are taken as they are needed: never more than `at_once` beyond the result that is awaited.
        """
        remaining, at_once = iter(items), at_once or self.cores
        with ThreadPoolExecutor(at_once) as threads:
            running: deque[Future[Result]] = deque()
            running.extend(threads.submit(function, item) for item in islice(remaining, at_once))
            while running:
                result = running.popleft().result()
                running.extend(threads.submit(function, item) for item in islice(remaining, 1))
                yield result


# PyTorch's setting belongs to the whole process, and so does its owner: every reader of the process shares this one.
PROCESS_CORES = CoreScheduler()
