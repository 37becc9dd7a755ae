"""Learning rates over a run: timm's cosine with warm-up, torch's one-cycle and plateau schedules, or none.

timm advises against its own plateau schedule for runs that are checkpointed; torch's is what it wraps.
"""

from typing import Any

import torch
from timm.scheduler import CosineLRScheduler
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from cxr_core.training.recipe.recipe import Recipe

WARM_UP = 0.05  # of all steps, with cosine; one-cycle rises for its first 15 %
RISE = 0.15


class Schedule:
    """Told of every step and of every epoch's validation loss, it sets the optimizer's learning rates."""

    def __init__(self, recipe: Recipe, optimizer: torch.optim.Optimizer, steps: int):
        """steps: of the whole run."""
        self._each_step: OneCycleLR | None = None
        self._cosine: CosineLRScheduler | None = None
        self._plateau: ReduceLROnPlateau | None = None
        if recipe.schedule == "one_cycle":
            peaks = [group["lr"] for group in optimizer.param_groups]
            self._each_step = OneCycleLR(optimizer, peaks, total_steps=steps + 1, pct_start=RISE)
        elif recipe.schedule == "cosine":
            warm_up = max(1, round(WARM_UP * steps))
            self._cosine = CosineLRScheduler(
                optimizer,
                t_initial=steps,
                warmup_t=warm_up,
                warmup_lr_init=0.0,
                warmup_prefix=False,
                t_in_epochs=False,
            )
        elif recipe.schedule == "plateau":
            self._plateau = ReduceLROnPlateau(
                optimizer, factor=recipe.plateau_factor, patience=recipe.plateau_patience
            )

    def after_step(self, step: int) -> None:
        """Told after the optimizer's step number `step`, from 1."""
        if self._each_step is not None:
            self._each_step.step()
        if self._cosine is not None:
            self._cosine.step_update(step)

    def after_epoch(self, validation_loss: float) -> None:
        """Told once an epoch."""
        if self._plateau is not None:
            self._plateau.step(validation_loss)

    def state(self) -> dict[str, Any]:
        """What JSON can hold; cosine needs nothing but the step."""
        stateful = self._each_step or self._plateau
        return (
            {key: value for key, value in stateful.state_dict().items() if _plain(value)}
            if stateful
            else {}
        )

    def restore(self, state: dict[str, Any], step: int) -> None:
        """Go on from what `state` gave after that step."""
        stateful = self._each_step or self._plateau
        if stateful is not None:
            stateful.load_state_dict({**stateful.state_dict(), **state})
        if self._cosine is not None:
            self._cosine.step_update(step)


def _plain(value: Any) -> bool:
    return isinstance(value, (int, float, str, bool, list)) or value is None
