"""How large the GPU benchmark is: on a device, and as a trial on the CPU."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """device: cuda or cpu.  steps: of a round, after which the ways to load and compute take turns, `rounds` times.

    compiles: whether torch.compile is measured too.  run_films: that the killed run is trained on, of each class.
    read_films: of the folder that is read.  seconds: that each of two processes trains.  budget_s: after which no
    further part is begun.
    """

    device: str
    backbones: tuple[str, ...]
    side: int
    batch: int
    steps: int
    rounds: int
    compiles: bool
    run_films: int
    read_films: int
    seconds: float
    budget_s: float


GPU = Sizes(
    device="cuda",
    backbones=("densenet121", "efficientnet_b0", "resnet50"),
    side=224,
    batch=128,
    steps=20,
    rounds=4,
    compiles=True,
    run_films=200,
    read_films=64,
    seconds=10.0,
    budget_s=390.0,
)
CPU_TRIAL = Sizes(
    device="cpu",
    backbones=("mobilenetv3_small_050",),
    side=64,
    batch=8,
    steps=2,
    rounds=1,
    compiles=False,
    run_films=24,
    read_films=2,
    seconds=0.5,
    budget_s=240.0,
)
