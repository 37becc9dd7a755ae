"""One process, or several that train one network together, as torchrun starts them.

torchrun tells each process its place through RANK, WORLD_SIZE and LOCAL_RANK. Every process sees its share of every
batch; the first one writes.
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
from cxr_core.workspace.malloc import keep_freed_memory

# The first process may decode a whole dataset while the others wait.
PATIENCE = timedelta(hours=12)


@dataclass(frozen=True)
class Processes:
    """This process's place among those of the run, and its device."""

    device: torch.device
    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def total(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        return (
            bool(self.total(torch.tensor(float(flag), device=self.device)))
            if self.count > 1
            else flag
        )

    def from_first(self, values: list[float]) -> list[float]:
        """The numbers of the first process, everywhere."""
        if self.count == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return [float(value) for value in shared]

    @contextmanager
    def first_of_machine(self) -> Iterator[None]:
        """Let one process of each machine go first; the others find its work done."""
        if self.count > 1 and self.local_rank > 0:
            distributed.barrier()
        yield
        if self.count > 1 and self.local_rank == 0:
            distributed.barrier()

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes; the network itself when there is only one."""
        if self.count == 1 or not any(
            parameter.requires_grad for parameter in network.parameters()
        ):
            return network
        cuda = self.device.type == "cuda"
        return DistributedDataParallel(network, device_ids=[self.device.index] if cuda else None)


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """This process's place, joined to the others' for the time being.

    device: auto, cpu or cuda. Raises RunError for a device that is not there, or when the others cannot be reached.
    """
    count, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    chosen = chosen_device(device, local)
    if chosen.type == "cpu":
        keep_freed_memory()
    if count == 1:
        yield Processes(chosen)
        return
    try:
        distributed.init_process_group(
            "nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"the {count} processes of this run could not find each other: {error}"
        ) from error
    try:
        yield Processes(chosen, int(os.environ["RANK"]), count, local)
    finally:
        distributed.destroy_process_group()


def chosen_device(name: str, local_rank: int = 0) -> torch.device:
    """`auto`, `cpu` or `cuda`, as a device. Raises RunError for one that is not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise RunError(f"unknown device {name!r}; choose auto, cpu or cuda")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and there == 0):
        return torch.device("cpu")
    if local_rank >= there:
        raise RunError(
            f"this machine has {there} CUDA devices, process {local_rank + 1} of it needs one more; use --device cpu"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)
