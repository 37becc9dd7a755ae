"""A search without films: its trials are trained by a function that only reports figures."""

import json
from collections.abc import Callable
from pathlib import Path

from cxr_core.errors import TrainingStopped
from cxr_core.scale.search.search_folder import SearchFolder, SearchRecord
from cxr_core.training.fit import FitOptions
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.events import EpochDone, ignore_event

EPOCHS = 9
RECIPE = Recipe(
    name="tiny", summary="A test.", model="tiny", findings=("pneumonia",), epochs=EPOCHS
)
SPACE = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "dropout": {"low": 0.0, "high": 0.8},
    "balance": {"choices": ["none", "oversample"]},
}


def new_search(workspace: Path, recipe: Recipe = RECIPE, **changes: object) -> SearchFolder:
    record = SearchRecord.from_json(
        {"space": SPACE, "data": [], "split": "search-tiny", "split_sha256": ["a", "b"], **changes}
    )
    return SearchFolder.create(workspace / "searches" / "tiny", record, recipe)


def options(stop: Callable[[], bool] = lambda: False) -> FitOptions:
    return FitOptions(report=ignore_event, device="cpu", stop=stop)


class FakeTraining:
    """Stands for `fit_or_resume`: writes what a run writes, reports a figure each epoch, goes on where it was.

    The figure is best at dropout 0.3. interrupt: called before each epoch, with all epochs trained so far.
    """

    def __init__(self, interrupt: Callable[[int], None] = lambda epochs: None):
        self.interrupt = interrupt
        self.epochs: list[tuple[str, int]] = []

    def __call__(self, recipe, folder: Path, data, given: FitOptions, annotation=None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.toml").write_text(format_recipe(recipe))
        (folder / "manifest.json").write_text("{}")
        progress = folder / "progress.jsonl"
        done = len(progress.read_text().splitlines()) if progress.exists() else 0
        for epoch in range(done + 1, EPOCHS + 1):
            self.interrupt(len(self.epochs))
            value = 0.5 + (0.4 - abs(recipe.dropout - 0.3)) * epoch / EPOCHS
            event = EpochDone(
                epoch=epoch,
                step=epoch,
                total_steps=EPOCHS,
                loss=1.0,
                validation_loss=1.0,
                figures={"validation_auroc": value},
                learning_rate=recipe.learning_rate,
                images_per_second=1.0,
                best_epoch=epoch,
            )
            with progress.open("a") as file:
                file.write(json.dumps({"event": "epoch", **event.to_json()}) + "\n")
            self.epochs.append((folder.parent.name, epoch))
            given.report(event)
            if given.stop():
                raise TrainingStopped("stopped")
        with progress.open("a") as file:
            file.write(json.dumps({"event": "finished", "model": "", "epoch": EPOCHS}) + "\n")
