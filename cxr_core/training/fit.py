"""Trains one model from its recipe and data, or resumes a run, as `python -m train.fit` does."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from cxr_core.data.film_set import FilmSet
from cxr_core.data.manifest import Manifest
from cxr_core.errors import CodeRefused, RunError, SilhouetteError, TrainingStopped
from cxr_core.evaluation.store.provenance import count_validation_uses
from cxr_core.known_findings import select_local_findings
from cxr_core.models.networks.architectures import Network
from cxr_core.models.networks.initialise import (
    InitialisedNetwork,
    describe_initial_weights,
    initialise_network,
)
from cxr_core.models.networks.user_code import code_folder, hash_code, require_allowed
from cxr_core.site.learnt_films import add_learnt_films
from cxr_core.training.engine.checkpoint import LatestCheckpoint
from cxr_core.training.engine.distributed import DistributedContext, join_processes
from cxr_core.training.engine.trainer import Stopped, Trainer
from cxr_core.training.engine.watch_films import FilmWatch
from cxr_core.training.exclusions import read_films_of_initial_model
from cxr_core.training.export.export_classifier import export_classifier
from cxr_core.training.export.export_segmenter import export_segmenter
from cxr_core.training.preconditions import require_films
from cxr_core.training.recipe.contradictions import require_no_contradiction
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import (
    LEARNING_SPLITS,
    RunData,
    absolute_folders,
    describe_run_data,
    load_targets,
    open_run_data,
)
from cxr_core.training.runs.annotation import NO_ANNOTATION, RunAnnotation
from cxr_core.training.runs.events import (
    Event,
    PreparationProgress,
    Report,
    RunBegun,
    RunFailed,
    RunFinished,
    RunResumed,
    RunStopped,
    StageBegun,
    TrackingEnded,
)
from cxr_core.training.runs.manifest import DataDescription, RunManifest
from cxr_core.training.runs.run_files import made_without_training
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.tasks.phantoms import add_phantoms
from cxr_core.training.tasks.region_target import append_regions, load_or_make_regions
from cxr_core.training.tasks.segmentation_inputs import name_of_segmenter
from cxr_core.training.trackers.pictures import draw_batch
from cxr_core.training.trackers.trackers import Trackers
from cxr_core.workspace.log import add_details, log_task
from cxr_core.workspace.paths import workspace

REPORT_EVERY_FILMS = 200
ShowPicture = Callable[[str, np.ndarray], None]  # name, (H, W) uint8


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How a run is carried out; none of it changes the outcome.

    report: called with every event.  device: auto, cpu or cuda.  stop: asked after every step and every film decoded.
    """

    report: Report
    device: str = "auto"
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, eq=False, kw_only=True)
class _Run:
    """A run in progress.

    report: records an event in its folder and passes it on.  show_picture: to those who track the run.
    """

    recipe: Recipe
    folder: RunFolder
    data: RunData
    context: DistributedContext
    report: Report
    show_picture: ShowPicture
    stop: Callable[[], bool]


@log_task("training")
def fit(
    recipe: Recipe,
    data: Sequence[str | Path],
    options: FitOptions,
    *,
    run: Path | None = None,
    version: str = "1.0.0",
    retry_of: str = "",
    annotation: RunAnnotation = NO_ANNOTATION,
) -> Path:
    """Train, calibrate and write a model. Returns the model's folder.

    data: folders, or names of registered datasets; their test split is left alone.  run: the new run's folder.
    version: of the model.  retry_of: the run whose recipe this one changes.  annotation: the run's name, tags and note.
    Raises DataError, RecipeError, Cancelled, or RunError, also when it was asked to stop.
    """
    with join_processes(options.device) as context:
        folders = absolute_folders(data)
        code = _check_start(recipe, folders)
        segmenter = name_of_segmenter() if recipe.region_weight else ""
        start = _initialise(recipe, recipe.init, code)
        run_data = open_run_data(recipe, folders, context, options.report, options.stop)
        recipe = run_data.recipe
        folder = RunFolder(run or Path())
        if context.is_first:
            given = RunManifest(
                folders=folders, version=version, retry_of=retry_of, segmenter=segmenter, code=code
            )
            folder = _create_folder(run, given, run_data, annotation)
        with (
            _hold(folder, context),
            _record_events(folder, context, options.report) as (
                report,
                show_picture,
            ),
        ):
            add_details(run=_id_in_log(folder))
            report(
                RunBegun(
                    run=str(folder.path),
                    device=str(context.device),
                    processes=context.count,
                    unmatched=start.unmatched,
                    missing=start.missing,
                )
            )
            current = _Run(
                recipe=recipe,
                folder=folder,
                data=run_data,
                context=context,
                report=report,
                show_picture=show_picture,
                stop=options.stop,
            )
            return _train(current, start.network)


def _check_start(recipe: Recipe, folders: Sequence[str]) -> dict[str, str]:
    """Raise for what would end the run, before films are decoded for hours. Returns the user's own code, by hash."""
    require_no_contradiction(recipe)
    code = hash_code(recipe.code_names)
    require_allowed(code)
    require_films(recipe, folders)
    return code


def _create_folder(
    run: Path | None, given: RunManifest, run_data: RunData, annotation: RunAnnotation
) -> RunFolder:
    """Create the folder of a new run with its manifest.

    given: what is known before films are opened; the films and the recipe add the rest.
    """
    recipe, films = run_data.recipe, run_data.films
    description = describe_run_data(films, recipe)
    manifest = replace(
        given,
        data=description,
        validation_trials=count_validation_uses(description.split_sha256),
        initial_weights=describe_initial_weights(recipe.init),
        exclusions=run_data.exclusions,
        local_findings=select_local_findings(recipe.labelled_findings),
        label_layers=films.label_layers,
    )
    return RunFolder.create(recipe, manifest, run, annotation, run_data.saved_split)


@log_task("resumed training")
def resume(run: Path, options: FitOptions) -> Path:
    """Go on with a run from its last intact checkpoint, or from its start. Returns the model's folder.

    Raises RunError when the folder holds no run, is finished, or its data or split have changed.
    """
    with join_processes(options.device) as context:
        folder = RunFolder.open(run)
        recipe, manifest = folder.load_recipe(), folder.load_manifest()
        add_details(run=_id_in_log(folder))
        _require_resumable(folder)
        _require_same_code(recipe, manifest, run)
        with (
            _hold(folder, context),
            _record_events(folder, context, options.report) as (
                report,
                show_picture,
            ),
        ):
            data = open_run_data(recipe, manifest.folders, context, report, options.stop, run)
            _require_same_data(describe_run_data(data.films, recipe), manifest.data, run)
            _require_same_layers(data.films, manifest, run)
            latest = folder.checkpoints.load_latest()
            if latest.checkpoint is None:
                _require_same_initial_weights(recipe, manifest, run)
            # A checkpoint holds every weight; without one, the initial weights are needed again.
            init = recipe.init if latest.checkpoint is None else "scratch"
            start = _initialise(recipe, init, manifest.code)
            current = _Run(
                recipe=recipe,
                folder=folder,
                data=data,
                context=context,
                report=report,
                show_picture=show_picture,
                stop=options.stop,
            )
            return _train(current, start.network, latest)


def _initialise(recipe: Recipe, init: str, code: Mapping[str, str]) -> InitialisedNetwork:
    findings = recipe.labelled_findings
    return initialise_network(
        recipe.architecture_arguments(len(findings), code),
        init,
        recipe.seed,
        input_spec=recipe.input_spec(),
        findings=findings,
        architecture=recipe.architecture,
    )


def _train(run: _Run, network: Network, latest: LatestCheckpoint | None = None) -> Path:
    """Train and export. latest: where a resumed run goes on."""
    began = time.perf_counter()
    inherited = read_films_of_initial_model(run.recipe.init)
    splits = _load_splits(run)
    if run.context.is_first:
        run.show_picture("train/batch", draw_batch(run.recipe, splits["train"]))
    checkpoints = run.folder.checkpoints
    try:
        trainer = Trainer(
            run.recipe, network, splits, run.context, checkpoints, run.report, run.stop
        )
        trainer.film_watch = _watch_validation_films(run, splits["val"])
        if latest is not None:
            _resume_training(trainer, latest, run)
        trained = trainer.run()
        if run.context.is_first:
            export = export_segmenter if run.recipe.structures else export_classifier
            duration_s = time.perf_counter() - began
            export(run.recipe, trained, run.data.films, splits, run.folder, duration_s, run.report)
            add_learnt_films(run.folder.model, [inherited])
            run.report(RunFinished(model=str(run.folder.model), epoch=trained.epoch))
    except Stopped as stopped:
        run.report(RunStopped(step=stopped.step))
        raise TrainingStopped(
            f"stopped at step {stopped.step}; resume with: python -m train.fit --resume {run.folder.path}"
        ) from None
    except SilhouetteError as error:
        run.report(RunFailed(error=str(error)))
        raise
    except (OSError, SafetensorError) as error:
        # Films are read by then; what cannot be written is the model's folder.
        raise RunError(
            f"the model cannot be written to {run.folder.path}: {getattr(error, 'strerror', None) or error}. Free "
            f"space or repair the disk, then resume with: python -m train.fit --resume {run.folder.path}"
        ) from error
    return run.folder.model


def _watch_validation_films(run: _Run, films: FilmSet) -> FilmWatch | None:
    """What keeps the worst validation films; None for a segmentation model, and in all processes but the first."""
    if run.recipe.structures or not run.context.is_first:
        return None
    names = run.data.films.select_split("val").names.tolist()
    return FilmWatch(run.folder.path, films, names, run.recipe.findings, run.recipe.epochs)


def _load_splits(run: _Run) -> dict[str, FilmSet]:
    """The films of train and val with their targets, and what the recipe adds to them."""
    recipe = run.recipe
    splits = {
        name: load_targets(recipe, run.data.films.select_split(name)) for name in LEARNING_SPLITS
    }
    if recipe.synthetic_films:
        splits["train"] = add_phantoms(
            splits["train"], recipe.input_spec(), recipe.synthetic_films, recipe.seed
        )
    if recipe.region_weight:
        splits["train"] = _add_regions(run, splits["train"])
    return splits


def _add_regions(run: _Run, films: FilmSet) -> FilmSet:
    def show(done: int, total: int) -> None:
        if done % REPORT_EVERY_FILMS == 0 or done == total:
            run.report(PreparationProgress(stage="outlining", done=done, total=total))

    with run.context.first_of_machine():
        regions = load_or_make_regions(
            run.folder.path,
            run.data.films.select_split("train"),
            run.recipe.findings,
            run.recipe.input_spec(),
            show,
            run.stop,
        )
    return append_regions(films, regions)


def _resume_training(trainer: Trainer, latest: LatestCheckpoint, run: _Run) -> None:
    if run.context.is_first:
        run.folder.remove_events_after(latest.checkpoint.step if latest.checkpoint else 0)
    if latest.checkpoint is not None:
        trainer.resume(latest.checkpoint)
    run.report(RunResumed(step=trainer.step, damaged_checkpoints=latest.damaged))


def _id_in_log(folder: RunFolder) -> str:
    """The id of a run of the workspace. A folder elsewhere has a name that this program knows nothing about."""
    in_workspace = folder.path.absolute().parent == (workspace() / "runs").absolute()
    return folder.path.name if in_workspace else "outside the workspace"


def _require_resumable(folder: RunFolder) -> None:
    if folder.model.exists():
        raise RunError(f"{folder.path} is finished; its model is {folder.model}")
    command = made_without_training(folder.path)
    if command:
        raise RunError(
            f"{folder.path} is made without training, so there is none to resume; make it again with {command}"
        )


def _require_same_code(recipe: Recipe, manifest: RunManifest, run: Path) -> None:
    """Raises RunError when a file of the user's own that the run was started with has changed since, or is gone."""
    try:
        current = hash_code(recipe.code_names)
    except CodeRefused as error:
        raise RunError(f"{run} cannot be resumed: {error}") from error
    changed = [file for file, sha256 in current.items() if manifest.code.get(file) != sha256]
    if changed:
        raise RunError(
            f"{changed[0]} in {code_folder()} has changed since {run} began; put the former file back, whose sha256 is "
            f"{manifest.code.get(changed[0], 'not recorded')}, or start a new run"
        )
    require_allowed(current)


def _require_same_data(current: DataDescription, former: DataDescription, run: Path) -> None:
    if current.data_sha256 != former.data_sha256:
        raise RunError(
            f"the data of {run} has changed since it began: files, decisions about them, or how this version of the "
            "program reads them; start a new run on it"
        )
    if current.split_sha256 != former.split_sha256:
        raise RunError(f"the split of {run} has changed since it began; start a new run on it")


def _require_same_layers(films: Manifest, manifest: RunManifest, run: Path) -> None:
    """Raises RunError when a label layer now decides otherwise than when the run began."""
    former = [(layer.name, layer.sha256) for layer in manifest.label_layers]
    if [(layer.name, layer.sha256) for layer in films.label_layers] != former:
        names = ", ".join(name for name, _ in former) or "none"
        raise RunError(
            f"the labels of {run} have changed since it began (label layers: {names}); put the former layer back, or "
            "start a new run"
        )


def _require_same_initial_weights(recipe: Recipe, manifest: RunManifest, run: Path) -> None:
    """Raises RunError when the recipe's `init` now names other weights than the model's card will say."""
    current, former = describe_initial_weights(recipe.init), manifest.initial_weights
    if former and current != former:
        raise RunError(
            f"{run} has no checkpoint and started from {former}, while {recipe.init} is now {current}; restore the "
            "former, or start a new run"
        )


def _hold(folder: RunFolder, context: DistributedContext) -> AbstractContextManager[None]:
    """The first process holds the folder."""
    return folder.hold() if context.is_first else nullcontext()


@contextmanager
def _record_events(
    folder: RunFolder, context: DistributedContext, report: Report
) -> Iterator[tuple[Report, ShowPicture]]:
    """Events of the first process go into its folder, to what tracks it and to the caller."""
    trackers = Trackers(folder.path) if context.is_first else None

    def tell(event: Event) -> None:
        # A stage is told by the heartbeat, and nobody reads it later.
        if not isinstance(event, StageBegun):
            folder.append_event(event)
        report(event)

    def record(event: Event) -> None:
        if trackers is not None:
            tell(event)
            trackers.add_event(event, tell)

    def show_picture(name: str, pixels: np.ndarray) -> None:
        if trackers is not None:
            trackers.tensorboard.add_picture(name, pixels)

    try:
        yield record, show_picture
    finally:
        if trackers is not None and (problem := trackers.close()):
            report(TrackingEnded(reason=problem))
