"""Defines a job: a training run, an evaluation, a search or a scoring, what was requested, and how it is getting on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxr_core.training.runs.annotation import NO_ANNOTATION, RunAnnotation

if TYPE_CHECKING:  # a recipe imports pandas, which the scheduler does without
    from cxr_core.training.recipe.recipe import Recipe

State = Literal[
    "queued",  # it waits until its queue is free
    "starting",  # its process runs and reads or decodes the data
    "running",  # it trains, calibrates or writes its model; or it evaluates
    "stopping",  # it was asked to stop and has not ended yet
    "frozen",  # its process runs but has sent no heartbeat for FROZEN_S
    "orphaned",  # it ended, and processes that it started still run
    "finished",  # its model, or its figures, are there
    "stopped",  # it ended because somebody stopped it, or was removed from the queue
    "failed",  # it ended with an error
    "interrupted",  # it ended without a message: killed, out of memory, or the machine was restarted
]
Kind = Literal["training", "evaluation", "search", "scoring"]
Action = Literal["move", "stop", "force_stop", "resume", "retry", "delete", "dismiss"]
LIVE: frozenset[State] = frozenset({"starting", "running", "stopping", "frozen", "orphaned"})
FROZEN_S = 20.0
FORCE_AFTER_S = 10.0
EVALUATION_QUEUE = "evaluation"  # beside the queues of the devices, see queue.py


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """A training run to be started.

    data: folders, or names of registered datasets.  token: any text that stands for one click on Start; however often
    it is submitted, it makes one run.  device: auto, cpu or cuda.  processes: how many train the run together.
    version: of the model that the run writes.  retry_of: the id of the run whose recipe this one began with.
    annotation: its name, tags and note.  folder: the name of the run's folder; empty for the recipe's with the time.
    members: folders of finished runs; the run then averages their models and trains nothing.
    """

    recipe: "Recipe"
    data: tuple[str, ...]
    token: str
    device: str = "auto"
    processes: int = 1
    version: str = "1.0.0"
    retry_of: str = ""
    annotation: RunAnnotation = NO_ANNOTATION
    folder: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a job is. stage: in words.  done, total: films of this stage, 0 while nothing is counted."""

    stage: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job at one moment. Times are seconds since 1970.

    id: of a run the name of its folder under <workspace>/runs, of the others the path of their folder under the
    workspace.  title: what it does, in words.  sentence: its state in words, with the reason where there is one.
    place: in its queue, from 1; None when it does not wait.  device: cpu or cuda; "" when unknown.  by_hand: whether a
    shell started it.  annotation: what people wrote about a run.  actions: what can be done with it now.
    """

    id: str
    kind: Kind = "training"
    folder: Path
    state: State
    sentence: str
    title: str = ""
    recipe: str = ""
    model: str = ""
    data: tuple[str, ...] = ()
    device: str = ""
    processes: int = 1
    place: int | None = None
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    retry_of: str = ""
    by_hand: bool = False
    annotation: RunAnnotation = NO_ANNOTATION
    progress: Progress = field(default_factory=Progress)
    actions: frozenset[Action] = frozenset()

    @property
    def name(self) -> str:
        """The name that people gave a run, else its id."""
        return self.annotation.name or self.id

    @property
    def live(self) -> bool:
        """Whether a process of the job runs."""
        return self.state in LIVE

    @property
    def active(self) -> bool:
        """Whether the job waits or runs."""
        return self.live or self.state == "queued"
