"""A training run as a job: what was asked for, and what has become of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # a recipe brings torch with it, which a list of runs does without
    from cxr_core.training.recipe.recipe import Recipe

State = Literal[
    "queued",  # waits until its device is free
    "starting",  # its process lives and reads or decodes the data
    "running",  # it trains, calibrates or writes its model
    "stopping",  # it was asked to stop and has not ended yet
    "frozen",  # its process lives but has given no sign for FROZEN_S
    "orphaned",  # it ended, and processes that it started live on
    "finished",  # its model is there
    "stopped",  # it ended because somebody asked it to, or was taken out of the queue
    "failed",  # it ended by itself with a sentence
    "interrupted",  # it ended without a word: killed, out of memory, or the machine was restarted
]
Action = Literal["move", "stop", "force_stop", "resume", "retry", "delete"]
LIVE: frozenset[State] = frozenset({"starting", "running", "stopping", "frozen", "orphaned"})
FROZEN_S = 20.0
FORCE_AFTER_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for when a run is started.

    data: folders, or names of registered datasets.  token: any text that stands for one wish to start a run; however
    often it is submitted, one run comes of it.  device: auto, cpu or cuda.  processes: how many train it together.
    version: of the model that it writes.  retry_of: the id of the run whose recipe this one began from.
    """

    recipe: "Recipe"
    data: tuple[str, ...]
    token: str
    device: str = "auto"
    processes: int = 1
    version: str = "1.0.0"
    retry_of: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run as it stands at the moment of asking. Times are seconds since 1970.

    id: the name of its folder under <workspace>/runs.  sentence: its state in words, with the reason where there is
    one.  place: in the queue of its device, from 1; None when it does not wait.  device: cpu or cuda; "" when unknown.
    by_hand: whether it was started from a shell.  actions: what can be done with it now.
    """

    id: str
    folder: Path
    state: State
    sentence: str
    recipe: str
    model: str
    data: tuple[str, ...]
    device: str
    processes: int = 1
    place: int | None = None
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    retry_of: str = ""
    by_hand: bool = False
    actions: frozenset[Action] = frozenset()

    @property
    def live(self) -> bool:
        """Whether a process of it lives."""
        return self.state in LIVE


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where a run can be trained. name: cpu or cuda, as a request names it.  processes: the most that make sense."""

    name: str
    words: str  # "CPU, 2 cores", "NVIDIA H200, 139 GiB"
    processes: int
    memory_mb: float
