"""One process, or several that train one network together, as torchrun starts them.

torchrun tells each process its rank through RANK, WORLD_SIZE and LOCAL_RANK, and so does whoever else starts them. Each
process sees its share of every batch; the first one writes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from cxr_core.errors import RunError
from cxr_core.training.engine.device import select_device
from cxr_core.workspace.malloc import keep_freed_memory

# The first process may decode a whole dataset while the others wait.
TIMEOUT = timedelta(hours=12)


@dataclass(frozen=True)
class DistributedContext:
    """This process among those of the run. rank: from 0.  count: of all.  local_rank: on this machine, from 0."""

    device: torch.device
    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def sum_over_processes(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value

    def is_true_anywhere(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.count == 1:
            return flag
        return bool(self.sum_over_processes(torch.tensor(float(flag), device=self.device)))

    def broadcast_from_first(self, values: list[float]) -> list[float]:
        """The numbers of the first process, in every process."""
        if self.count == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return [float(value) for value in shared]

    @contextmanager
    def first_of_machine(self) -> Iterator[None]:
        """Run the block in one process of each machine first; the others then find its work done.

        Raises RunError in all other processes when the block fails in one that goes first, so that none waits for it.
        """
        if self.count == 1:
            yield
            return
        if self.local_rank > 0:
            self._require_success_of_others()
            yield
            return
        try:
            yield
        except BaseException:
            self.is_true_anywhere(True)  # the others wait for this
            raise
        self._require_success_of_others()

    def wrap_for_gradients(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes; the network itself when there is only one."""
        is_trained = any(parameter.requires_grad for parameter in network.parameters())
        if self.count == 1 or not is_trained:
            return network
        device_ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=device_ids)

    def _require_success_of_others(self) -> None:
        if self.is_true_anywhere(False):
            raise RunError(
                "another process of this run failed while it prepared the films; see its message"
            )


@contextmanager
def join_processes(device: str) -> Iterator[DistributedContext]:
    """This process, joined with the others of its run while the block runs. They may be joined already.

    device: auto, cpu or cuda. Raises RunError for a device that is not there, or when the others cannot be reached.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    own_device = select_device(device, local_rank)
    if own_device.type == "cpu":
        keep_freed_memory()
    if count == 1:
        yield DistributedContext(own_device)
        return
    context = DistributedContext(own_device, int(os.environ["RANK"]), count, local_rank)
    if distributed.is_initialized():
        yield context
        return
    backend = "nccl" if own_device.type == "cuda" else "gloo"
    try:
        distributed.init_process_group(backend, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"the {count} processes of this run could not find each other: {error}"
        ) from error
    try:
        yield context
    finally:
        distributed.destroy_process_group()
