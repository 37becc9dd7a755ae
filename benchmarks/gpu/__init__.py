"""What training and reading reach on one CUDA device, in one run of at most eight minutes: a table and a JSON file.

DenseNet-121, EfficientNet-B0 and ResNet-50 at 224 px in bfloat16 and channels_last, eager and compiled: images a second
on one batch, from the loader with the films on the device and from a mapped file, and beside float32. A batch that
does not fit the memory, a run killed and resumed, two processes on the device, and a folder of films read. Films are
synthetic and weights random. A trial run does the same on the CPU with tiny networks.
"""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import torch

from benchmarks.gpu.processes import measure_killed_run, measure_two_processes
from benchmarks.gpu.reading import measure_reading
from benchmarks.gpu.sizes import CPU_TRIAL, GPU, Sizes
from benchmarks.gpu.steps import measure_compiled, measure_eager, measure_out_of_memory
from benchmarks.table import Row
from cxr_core.version import VERSION
from cxr_core.workspace.json_files import Json, write_json
from cxr_core.workspace.paths import workspace

SIZES: Sizes = GPU
TRIAL = {"SIZES": CPU_TRIAL}
NO_DEVICE = (
    "gpu: this machine has no CUDA device, so nothing was measured. On one, this takes at most eight minutes and gives "
    "images a second of DenseNet-121, EfficientNet-B0 and ResNet-50 at 224 px (bfloat16, eager and compiled, from the "
    "loader and beside float32), peak memory, a batch halved when memory runs out, a run killed and resumed, two "
    "processes on one device, and films of a folder read a second."
)
Part = Callable[[Sizes], Iterator[Row]]


def rows() -> Iterator[Row]:
    """The rows, as they are measured; the JSON file is written after the last one."""
    if SIZES.device == "cuda" and not torch.cuda.is_available():
        print(NO_DEVICE)
        return
    began, measured = time.monotonic(), []
    for name, part in list_parts(SIZES):
        if time.monotonic() - began > SIZES.budget_s:
            found = iter([Row(f"{name}: left out, the time is over", float("nan"), "", "")])
        else:
            found = part(SIZES)
        for row in found:
            measured.append(row)
            yield row
    seconds = time.monotonic() - began
    yield Row("all of this", seconds, "s", "<= 480")
    path = workspace() / "benchmarks" / "gpu.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"written: {path}", file=sys.stderr)
    write_json(
        path,
        {
            **describe_machine(SIZES),
            "seconds": round(seconds, 1),
            "rows": [_to_json(row) for row in measured],
        },
    )


def list_parts(sizes: Sizes) -> list[tuple[str, Part]]:
    """The parts by name; what is left out when the time is over comes last."""
    eager: list[tuple[str, Part]] = [
        (backbone, lambda sizes, name=backbone: measure_eager(name, sizes))
        for backbone in sizes.backbones
    ]
    compiled: list[tuple[str, Part]] = [
        (f"{backbone}, compiled", lambda sizes, name=backbone: measure_compiled(name, sizes))
        for backbone in sizes.backbones
        if sizes.compiles
    ]
    return [
        *eager,
        ("memory that is short", measure_out_of_memory),
        ("a run killed and resumed", measure_killed_run),
        ("two processes", measure_two_processes),
        ("a folder read", measure_reading),
        *compiled,
    ]


def describe_machine(sizes: Sizes) -> dict[str, Json]:
    """The device by its name, the versions, and when it was measured."""
    device, memory_gib = "CPU", None
    if sizes.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        device, memory_gib = properties.name, round(properties.total_memory / 2**30, 1)
    return {
        "device": device,
        "memory_gib": memory_gib,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "silhouette": VERSION,
        "side": sizes.side,
        "batch": sizes.batch,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _to_json(row: Row) -> Json:
    value = round(row.value, 4) if row.value == row.value else None  # JSON has no NaN
    return {"what": row.what, "value": value, "unit": row.unit, "bound": row.bound}
