"""One training run from beginning to end, or from where it stopped, as `python -m train.fit` starts it."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cxr_core.data.film_set import Films, load_films
from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import folders_of, open_data
from cxr_core.data.sources.masks import films_with_swapped_masks, load_masks
from cxr_core.data.splits.holdout import carve_gate
from cxr_core.data.splits.splits import (
    carve_validation,
    divide,
    divide_fold,
    drop_identical,
    parse_ratios,
    require_classes,
)
from cxr_core.errors import Cancelled, RecipeError, RunError, SilhouetteError
from cxr_core.models.networks.initialise import Initialised, initialise, origin
from cxr_core.training.engine.checkpoint import Latest
from cxr_core.training.engine.distributed import Processes, processes
from cxr_core.training.engine.tensorboard import TensorBoard
from cxr_core.training.engine.trainer import Report, Stopped, Trainer
from cxr_core.training.exclusions import left_aside
from cxr_core.training.export.export_classifier import finish
from cxr_core.training.export.export_segmenter import finish_structures
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.tasks.outlining import measured_by
from cxr_core.training.tasks.phantoms import with_drawings
from cxr_core.training.tasks.ratio_target import kept_ratios, with_ratios
from cxr_core.training.tasks.region_target import kept_regions, with_regions

Stop = Callable[[], bool]
LEARNT_ON = ("train", "val")
TOLD_EVERY = 200  # films measured between two events


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is carried out; none of it changes what comes out.

    device: auto, cpu or cuda.  report: told of every event.  stop: asked after every step and every film decoded.
    """

    report: Report
    device: str = "auto"
    stop: Stop = lambda: False


def fit(
    recipe: Recipe,
    data: Sequence[str | Path],
    settings: Settings,
    *,
    run: Path | None = None,
    version: str = "1.0.0",
    story: Mapping[str, Any] | None = None,
) -> Path:
    """Train, calibrate and write a model. Returns the model's folder.

    data: folders, or names of registered datasets. Their test part is left alone.  story: what else the manifest is to
    say of where the run comes from. Raises DataError, RecipeError or RunError with a sentence, and RunError after it
    was asked to stop.
    """
    with processes(settings.device) as place:
        folders = [os.path.abspath(folder) for folder in folders_of(data)]
        learning, aside = _open(recipe, folders, place, settings)
        start = _network(recipe, recipe.init)
        folder = RunFolder(run or Path())
        if place.first:
            facts = {
                **data_facts(learning, recipe),
                "folders": folders,
                "version": version,
                **(story or {}),
            }
            facts |= {"began_from": origin(recipe.init), "left_aside": aside}
            facts |= {"ratio_from": measured_by()} if recipe.ratio_weight else {}
            facts |= {"regions_from": measured_by()} if recipe.region_weight else {}
            folder = RunFolder.create(recipe, facts, run)
        with _held(folder, place), _recording(folder, place, settings.report) as report:
            begun = {
                "event": "begun",
                "run": str(folder.path),
                "device": str(place.device),
                "processes": place.count,
            }
            report({**begun, "unmatched": list(start.unmatched), "missing": list(start.missing)})
            return _train(recipe, start.network, learning, folder, place, report, settings)


def resume(run: Path, settings: Settings) -> Path:
    """Go on with a run from its last whole checkpoint, or from its beginning. Returns the model's folder.

    Raises RunError when the folder holds no run, is finished, or its data or split are not what they were.
    """
    with processes(settings.device) as place:
        folder = RunFolder.open(run)
        recipe, before = folder.recipe(), folder.manifest()
        if folder.model.exists():
            raise RunError(f"{run} is finished; its model is {folder.model}")
        if "averaged" in before:
            raise RunError(
                f"{run} is a mean of runs, with no steps to go on from; make it with train.average again"
            )
        with _held(folder, place), _recording(folder, place, settings.report) as report:
            learning, _ = _open(recipe, before["folders"], place, settings)
            _require_same(data_facts(learning, recipe), before, run)
            last = folder.checkpoints.latest()
            if last.checkpoint is None:
                _require_same_beginning(recipe, before, run)
            # A checkpoint holds every weight; the file or hub that the run began with is needed only without one.
            start = _network(recipe, recipe.init if last.checkpoint is None else "scratch")
            return _train(recipe, start.network, learning, folder, place, report, settings, last)


def _require_same_beginning(recipe: Recipe, before: Mapping[str, Any], run: Path) -> None:
    """Raises RunError when the recipe's `init` now names something else than what the run's card will say."""
    now = origin(recipe.init)
    if now != before.get("began_from", now):
        raise RunError(
            f"{run} has no checkpoint, and began from {before['began_from']}, while {recipe.init} is {now} by now; put "
            "the former back, or start a new run"
        )


def divided(recipe: Recipe, manifest: Manifest) -> Manifest:
    """The films of the recipe's population in train, val and test, and those left aside for the gate, as it says.

    Raises DataError when a part would lack a class, RecipeError when data without parts is to be used as given.
    """
    films = manifest.within(recipe.population_age_min, recipe.population_age_max)
    if recipe.structures:
        films = films.with_table(films.table[~films_with_swapped_masks(films)])
    if recipe.fold is not None:
        apart = divide_fold(films, *recipe.fold, recipe.findings, recipe.division)
    elif recipe.split != "given":
        apart = divide(films, parse_ratios(recipe.split), recipe.findings, recipe.division)
    elif films.table["split"].isna().all():
        raise RecipeError(
            "the data has no parts of its own; divide it by patient with --set split=80:08:12"
        )
    else:
        apart = drop_identical(films)
    kept = carve_gate(apart, recipe.findings, recipe.gate_share)
    if recipe.split != "given" and recipe.fold is None:
        return require_classes(kept, recipe.findings)
    return carve_validation(kept, recipe.findings, recipe.validation_share, recipe.division)


def data_facts(manifest: Manifest, recipe: Recipe) -> dict[str, Any]:
    """Films, patients and positives of each part, and the hashes of data and split."""
    hashes = {"data_sha256": manifest.data_sha256(), "split_sha256": manifest.split_sha256()}
    return {"kind": manifest.kind, **hashes, "parts": manifest.counts(recipe.findings)}


def _network(recipe: Recipe, init: str) -> Initialised:
    return initialise(
        recipe.architecture_arguments(len(recipe.learnt)),
        init,
        recipe.seed,
        input_spec=recipe.input_spec(),
        findings=recipe.learnt,
        architecture=recipe.architecture,
    )


def _open(
    recipe: Recipe, folders: Sequence[str], place: Processes, settings: Settings
) -> tuple[Manifest, dict[str, Any]]:
    """The films that are learnt from, divided and decoded, and what was left aside."""

    def tell(stage: str, done: int, total: int) -> None:
        if settings.stop():
            raise Cancelled("stopped while the data was prepared; what is decoded so far is kept")
        if place.first:
            settings.report({"event": "data", "stage": stage, "done": done, "of": total})

    with place.first_of_machine():
        manifest = divided(recipe, open_data(folders, tell))
        learning = manifest.with_table(manifest.table[manifest.table["split"].isin(LEARNT_ON)])
        load_films(
            learning,
            recipe.input_spec(),
            recipe.labelled,
            lambda done, of: tell("decoding", done, of),
        )
    return learning, left_aside(recipe, manifest)


def _train(
    recipe: Recipe,
    network: Any,
    learning: Manifest,
    folder: RunFolder,
    place: Processes,
    report: Report,
    settings: Settings,
    last: Latest | None = None,
) -> Path:
    started = time.perf_counter()
    parts = {name: _films(recipe, learning.part(name)) for name in LEARNT_ON}
    if recipe.drawings:
        parts["train"] = with_drawings(
            parts["train"], recipe.input_spec(), recipe.drawings, recipe.seed
        )
    if recipe.ratio_weight:
        ratios = _ratios(learning, folder, place, report, settings)
        parts = {
            name: with_ratios(films, ratios[learning.table["split"] == name])
            for name, films in parts.items()
        }
    if recipe.region_weight:
        parts["train"] = _with_regions(
            recipe, parts["train"], learning.part("train"), folder, place, report, settings
        )
    try:
        trainer = Trainer(recipe, network, parts, place, folder.checkpoints, report, settings.stop)
        if last is not None:
            _go_on(trainer, last, folder, place, report)
        trained = trainer.run()
        if place.first:
            end = finish_structures if recipe.structures else finish
            end(recipe, trained, learning, parts, folder, time.perf_counter() - started)
            report({"event": "finished", "model": str(folder.model), "epoch": trained.epoch})
    except Stopped as stopped:
        report({"event": "stopped", "step": stopped.step})
        raise RunError(
            f"stopped at step {stopped.step}; go on with: python -m train.fit --resume {folder.path}"
        ) from None
    except SilhouetteError as error:
        report({"event": "failed", "error": str(error)})
        raise
    return folder.model


def _films(recipe: Recipe, part: Manifest) -> Films:
    """The films of a part with what is learnt of them: labels, or masks."""
    films = load_films(part, recipe.input_spec(), recipe.labelled)
    if not recipe.structures:
        return films
    return replace(films, labels=load_masks(part, recipe.input_spec(), recipe.structures))


def _ratios(
    learning: Manifest, folder: RunFolder, place: Processes, report: Report, settings: Settings
) -> np.ndarray:
    with place.first_of_machine():
        return kept_ratios(folder.path, learning, _telling("measuring", report), settings.stop)


def _with_regions(
    recipe: Recipe,
    films: Films,
    part: Manifest,
    folder: RunFolder,
    place: Processes,
    report: Report,
    settings: Settings,
) -> Films:
    with place.first_of_machine():
        tell = _telling("outlining", report)
        regions = kept_regions(
            folder.path, part, recipe.findings, recipe.input_spec(), tell, settings.stop
        )
    return with_regions(films, regions)


def _telling(stage: str, report: Report) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if done % TOLD_EVERY == 0 or done == total:
            report({"event": "data", "stage": stage, "done": done, "of": total})

    return tell


def _go_on(
    trainer: Trainer, last: Latest, folder: RunFolder, place: Processes, report: Report
) -> None:
    if place.first:
        folder.rewind(last.checkpoint.step if last.checkpoint else 0)
    if last.checkpoint is not None:
        trainer.resume(last.checkpoint)
    report({"event": "resumed", "step": trainer.step, "damaged_checkpoints": list(last.damaged)})


def _require_same(now: dict[str, Any], before: dict[str, Any], run: Path) -> None:
    for key, name in (("data_sha256", "data"), ("split_sha256", "split")):
        if now[key] != before[key]:
            raise RunError(f"the {name} of {run} has changed since it began; start a new run on it")


@contextmanager
def _held(folder: RunFolder, place: Processes) -> Iterator[None]:
    """The folder is held by the first process alone."""
    if not place.first:
        yield
        return
    with folder.held():
        yield


@contextmanager
def _recording(folder: RunFolder, place: Processes, report: Report) -> Iterator[Report]:
    """Events of the first process, into its folder and to whoever started it."""
    board = TensorBoard(folder.path)

    def record(line: dict[str, Any]) -> None:
        if place.first:
            folder.log(line)
            board.add(line)
            report(line)

    try:
        yield record
    finally:
        board.close()
