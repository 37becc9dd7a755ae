"""Learning rates over a run: cosine with warm-up (timm), one-cycle and plateau (torch), or constant.

timm advises against its own plateau schedule for runs with checkpoints; torch's is what it wraps.
"""

import torch
from timm.scheduler import CosineLRScheduler
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from cxr_core.training.recipe.recipe import Recipe
from cxr_core.workspace.json_files import JsonObject

WARM_UP_SHARE = 0.05  # of all steps, with cosine
RISE_SHARE = 0.15  # of all steps, with one_cycle


class Schedule:
    """Sets the optimizer's learning rates after each step and each epoch."""

    def __init__(self, recipe: Recipe, optimizer: torch.optim.Optimizer, steps: int):
        """steps: of the whole run."""
        self._one_cycle: OneCycleLR | None = None
        self._cosine: CosineLRScheduler | None = None
        self._plateau: ReduceLROnPlateau | None = None
        if recipe.schedule == "one_cycle":
            peaks = [group["lr"] for group in optimizer.param_groups]
            self._one_cycle = OneCycleLR(
                optimizer, peaks, total_steps=steps + 1, pct_start=RISE_SHARE
            )
        elif recipe.schedule == "cosine":
            self._cosine = CosineLRScheduler(
                optimizer,
                t_initial=steps,
                warmup_t=max(1, round(WARM_UP_SHARE * steps)),
                warmup_lr_init=0.0,
                warmup_prefix=False,
                t_in_epochs=False,
            )
        elif recipe.schedule == "plateau":
            self._plateau = ReduceLROnPlateau(
                optimizer, factor=recipe.plateau_factor, patience=recipe.plateau_patience
            )

    def after_step(self, step: int) -> None:
        """Call after the optimizer's step number `step`, from 1."""
        if self._one_cycle is not None:
            self._one_cycle.step()
        if self._cosine is not None:
            self._cosine.step_update(step)

    def after_epoch(self, validation_loss: float) -> None:
        """Call once per epoch."""
        if self._plateau is not None:
            self._plateau.step(validation_loss)

    def state(self) -> JsonObject:
        """What JSON can hold of the state; cosine needs only the step."""
        stateful = self._one_cycle or self._plateau
        if stateful is None:
            return {}
        values = stateful.state_dict().items()
        return {key: value for key, value in values if _is_plain(value)}

    def restore(self, state: JsonObject, step: int) -> None:
        """Go on from what `state` gave after that step."""
        stateful = self._one_cycle or self._plateau
        if stateful is not None:
            stateful.load_state_dict({**stateful.state_dict(), **state})
        if self._cosine is not None:
            self._cosine.step_update(step)


def _is_plain(value: object) -> bool:
    return isinstance(value, (int, float, str, bool, list)) or value is None
