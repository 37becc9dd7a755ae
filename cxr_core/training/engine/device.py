"""The devices of this machine that a run can be trained on.

Importing this module does not load torch; asking for a GPU does.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from cxr_core.errors import RunError
from cxr_core.presentation.wording import format_count

if TYPE_CHECKING:
    import torch

NAMES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where a run can be trained. name: cpu or cuda, as a request names it.  processes: the most that make sense."""

    name: str
    words: str  # "CPU, 2 cores", "NVIDIA H200, 139 GiB"
    processes: int
    memory_mb: float


def list_devices() -> tuple[Device, ...]:
    """The devices of this machine, the fastest first. Loads torch; the answer does not change."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return (_describe_cpu(),)
    properties = torch.cuda.get_device_properties(0)
    memory_mb = properties.total_memory / 2**20
    times = f"{count} x " if count > 1 else ""
    gpu = Device(
        name="cuda",
        words=f"{times}{properties.name}, {memory_mb / 1024:.0f} GiB",
        processes=count,
        memory_mb=memory_mb,
    )
    return gpu, _describe_cpu()


def require_device(name: str, processes: int, batch_size: int) -> str:
    """The device that a name means here: cpu or cuda. Raises RunError when it or so many processes are not there."""
    _require_known(name)
    devices = {device.name: device for device in _find_devices(name)}
    chosen = next(iter(devices)) if name == "auto" else name
    if chosen not in devices:
        raise RunError("this machine has no CUDA device; choose the CPU")
    device = devices[chosen]
    if not 1 <= processes <= device.processes:
        raise RunError(
            f"{processes} processes do not fit {device.words}; choose 1 to {device.processes}"
        )
    if batch_size % processes:
        raise RunError(
            f"a batch of {batch_size} films cannot be shared equally by {processes} processes"
        )
    return chosen


def select_device(name: str, local_rank: int = 0) -> "torch.device":
    """The torch device of one process. Raises RunError for a device that is not there.

    name: auto, cpu or cuda.  local_rank: of the process on this machine; each has a GPU of its own.
    """
    import torch

    _require_known(name)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and gpus == 0):
        return torch.device("cpu")
    if local_rank >= gpus:
        raise RunError(
            f"this machine has {gpus} CUDA devices, process {local_rank + 1} needs one more; use the CPU"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def _require_known(name: str) -> None:
    if name not in NAMES:
        raise RunError(f"unknown device {name!r}; choose auto, cpu or cuda")


def _find_devices(name: str) -> tuple[Device, ...]:
    return (_describe_cpu(),) if name == "cpu" else list_devices()  # the CPU alone needs no torch


def _describe_cpu() -> Device:
    cores = _count_cores()
    return Device(
        name="cpu",
        words=f"CPU, {format_count(cores, 'cores')}",
        processes=cores,
        memory_mb=psutil.virtual_memory().available / 2**20,
    )


def _count_cores() -> int:
    """The cores that this process may use; not every system says which."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
