"""What a run can be trained on here."""

import os
from pathlib import Path

from cxr_core.errors import RunError
from cxr_core.jobs.job import Device


def devices() -> tuple[Device, ...]:
    """The devices of this machine, the fastest first. Brings torch; the answer does not change."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return (_cpu(),)
    facts = torch.cuda.get_device_properties(0)
    memory_mb = facts.total_memory / 2**20
    several = f"{count} x " if count > 1 else ""
    cuda = f"{several}{facts.name}, {memory_mb / 1024:.0f} GiB"
    return Device(name="cuda", words=cuda, processes=count, memory_mb=memory_mb), _cpu()


def require_device(name: str, processes: int, batch_size: int) -> str:
    """The device that a name means here: cpu or cuda. Raises RunError when it or so many processes are not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise RunError(f"unknown device {name!r}; choose auto, cpu or cuda")
    there = {device.name: device for device in ((_cpu(),) if name == "cpu" else devices())}
    chosen = next(iter(there)) if name == "auto" else name
    if chosen not in there:
        raise RunError("this machine has no CUDA device; choose the CPU")
    most = there[chosen].processes
    if not 1 <= processes <= most:
        raise RunError(
            f"{processes} processes do not fit {there[chosen].words}; choose 1 to {most}"
        )
    if batch_size % processes:
        raise RunError(
            f"a batch of {batch_size} films cannot be shared equally by {processes} processes"
        )
    return chosen


def _cpu() -> Device:
    cores = len(os.sched_getaffinity(0))
    words = f"CPU, {cores} core{'s' if cores > 1 else ''}"
    return Device(name="cpu", words=words, processes=cores, memory_mb=_memory_mb())


def _memory_mb() -> float:
    """The memory that could be had now; 0 when the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    found = {line.partition(":")[0]: line.split()[1] for line in lines}
    return int(found.get("MemAvailable", 0)) / 1024
