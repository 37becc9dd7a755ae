"""What all browser tabs share: models, tables and background tasks. The only module that uses `st.cache_*`.

No film, reading or heatmap is ever kept here. The models are loaded as the server starts.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.errors import DataError, ModelError, RecipeError, SilhouetteError
from cxr_core.workspace.garbage_collection import IdleCollector, load_for_good
from cxr_core.workspace.malloc import release_freed_memory
from pages.components import streamlit_internals
from pages.components.read.reading_queue import ReadingQueue
from pages.components.read.recovery.kept_studies import KeptStudies
from pages.components.streamlit_internals import EndingSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cxr_core.data.film_lookup import FoundFilms
    from cxr_core.data.manifest import Manifest
    from cxr_core.data.registry import Dataset
    from cxr_core.evaluation.compare import Comparison
    from cxr_core.evaluation.store.catalogue import EvaluationRecord
    from cxr_core.evaluation.store.coverage_view import CoverageView
    from cxr_core.evaluation.store.loaded import FindingView, LoadedEvaluation
    from cxr_core.evaluation.store.provenance import TestUses
    from cxr_core.feedback.agreement import Agreement
    from cxr_core.feedback.projects import Project
    from cxr_core.film.decoding.sandbox import DecodePool
    from cxr_core.reading.reader import Reader
    from cxr_core.reading.site_profile import SiteProfile
    from cxr_core.site.watching import Watcher
    from cxr_core.training.engine.device import Device
    from cxr_core.training.recipe.recipe import Recipe
    from cxr_core.training.runs.summary import RunSummary
    from pages.components.background_tasks import BackgroundTasks
    from pages.components.datasets.contents import DatasetContents

DATASETS_KEPT = 2  # datasets whose tables are held in memory
EVALUATIONS_KEPT = 5  # as many as can be compared at once
VIEWS_KEPT = 12  # findings of evaluations, over all films or one view's, with their bands
RUNS_KEPT = 2000
PROBLEMS_KEPT = 500  # answers whether a recipe suits some data
WEIGHTS_CHECK_VALID_S = 300  # a hub that was out of reach may be back after that

log = logging.getLogger(__name__)


def load_reader() -> Reader:
    """The one reader of this server, read-only and safe for threads. Raises ModelError when every model is damaged.

    It holds the active version of each model. When another version becomes active, a new reader is made; a reading that
    has begun ends with the old one.
    """
    from cxr_core.models.registry.registry import registry_fingerprint

    return _load_reader(registry_fingerprint())


@st.cache_resource(show_spinner=False, max_entries=1)
def _load_reader(models_fingerprint: str) -> Reader:
    _import_reader()
    from cxr_core.reading.reader import Reader

    reader = Reader.installed(decoders=_upload_decoder())
    _exempt_from_garbage_collection()
    return reader


def _import_reader() -> None:
    """Start the decoders and import torch and timm, out of the reach of garbage collection.

    The server does it before there are sessions, whose films must stay within that reach.
    """
    from cxr_core.workspace.openmp import let_idle_threads_sleep

    let_idle_threads_sleep()
    _upload_decoder()  # first, so that its processes start meanwhile
    if "cxr_core.reading.reader" not in sys.modules:
        with load_for_good():
            import cxr_core.reading.reader  # noqa: F401


def load_site_profile() -> SiteProfile | None:
    """What this site has installed for its readings; None where that is nothing.

    It is read anew once something was installed or revoked, by whichever process, so a change shows at once.
    """
    from cxr_core.site.profile_store import profile_fingerprint

    return _load_site_profile(profile_fingerprint())


@st.cache_resource(show_spinner=False, max_entries=1)
def _load_site_profile(profile_fingerprint: str) -> SiteProfile | None:
    from cxr_core.site.profile_store import load_profile

    return load_profile()


@st.cache_resource(show_spinner=False)
def site_watcher() -> Watcher:
    """Counts the readings of all tabs for the site's statistics."""
    from cxr_core.site.watching import Watcher

    return Watcher()


def list_left_out() -> list[str]:
    """A sentence for each installed model that cannot be used, with the reason."""
    try:
        return [flag.message for flag in load_reader().left_out]
    except ModelError as error:
        return [str(error)]


@st.cache_resource(show_spinner=False)
def _upload_decoder() -> DecodePool:
    """The processes that decode uploaded films; they outlive a change of model."""
    from cxr_core.film.decoding.sandbox import DecodePool

    pool = DecodePool()
    pool.warm()
    return pool


@st.cache_resource(show_spinner=False)
def reading_queue() -> ReadingQueue:
    """Where readings of all tabs wait for their turn: as many as there are cores are read at once."""
    return ReadingQueue(places=os.cpu_count() or 1)


@st.cache_resource(show_spinner=False)
def dataset_decoder() -> DecodePool:
    """The process that decodes films of datasets, one at a time."""
    from cxr_core.film.decoding.sandbox import DecodePool

    return DecodePool(workers=1)


@st.cache_resource(show_spinner=False)
def kept_studies() -> KeptStudies:
    """The studies of all tabs, for tabs that are reloaded."""
    return KeptStudies(streamlit_internals.is_connected)


@st.cache_resource(
    scope="session", show_spinner=False, on_release=streamlit_internals.end_session_soon
)
def leave_studies_at_end() -> EndingSession:
    """Make the server end a session whose tab has been closed, and keep its study for a reload. Once a session."""
    return streamlit_internals.current_session(kept_studies().leave)


def warm_models() -> None:
    """Load the models and read a drawing with them."""
    try:
        load_reader().warm()
        _exempt_from_garbage_collection()
        release_freed_memory()
    except SilhouetteError as error:
        # Pages and service say the same with the first film.
        log.warning("the models did not load: %s", error)


@st.cache_resource(show_spinner=False)
def idle_collector() -> IdleCollector:
    """What collects garbage and returns freed memory between clicks.

    Streamlit would collect it before a run's last messages are sent.
    """
    return IdleCollector()


def _exempt_from_garbage_collection() -> None:
    """Exempt everything loaded so far from garbage collection; `erase_freed_memory` looks at it all the same.

    Otherwise the libraries' million objects are walked through in the middle of reruns: 0.3 s each time, measured.
    """
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner=False)
def background_tasks() -> BackgroundTasks:
    """What this server does in background threads."""
    from pages.components.background_tasks import BackgroundTasks

    return BackgroundTasks()


def load_dataset_contents(dataset: Dataset) -> DatasetContents:
    """A dataset's tables and figures, loaded once; loaded again after it was prepared again or a decision changed."""
    key = f"{dataset.folder}|{dataset.prepared}|{dataset.decisions}|{dataset.label_mapping}"
    return _load_contents(key, dataset)


@st.cache_resource(show_spinner="Loading the dataset …", max_entries=DATASETS_KEPT)
def _load_contents(key: str, _dataset: Dataset) -> DatasetContents:
    from pages.components.datasets.contents import DatasetContents

    return DatasetContents.from_dataset(_dataset)


def fetch_evaluation(record: EvaluationRecord) -> LoadedEvaluation:
    """An evaluation's predictions, loaded once. Raises DataError when they are damaged."""
    return _fetch_evaluation(record.cache_key, record)


@st.cache_resource(show_spinner="Loading the evaluation …", max_entries=EVALUATIONS_KEPT)
def _fetch_evaluation(key: str, _record: EvaluationRecord) -> LoadedEvaluation:
    from cxr_core.evaluation.store.loaded import load_evaluation

    return load_evaluation(_record)


def load_finding_view(evaluation: LoadedEvaluation, finding: str, view: str | None) -> FindingView:
    """The curves of one finding over all films or one view's, with their confidence bands, computed once."""
    key = f"{evaluation.record.cache_key}|{finding}|{view}"
    return _load_finding_view(key, evaluation, finding, view)


@st.cache_resource(
    show_spinner="Computing the curves and their intervals …", max_entries=VIEWS_KEPT
)
def _load_finding_view(
    key: str, _evaluation: LoadedEvaluation, _finding: str, _view: str | None
) -> FindingView:
    from cxr_core.evaluation.store.loaded import compute_finding_view

    return compute_finding_view(_evaluation, _finding, _view)


def load_coverage_view(
    evaluation: LoadedEvaluation, finding: str, view: str | None
) -> CoverageView:
    """The error among the films decided, by each rule, over all films or one view's, computed once."""
    key = f"{evaluation.record.cache_key}|{finding}|{view}"
    return _load_coverage_view(key, evaluation, finding, view)


@st.cache_resource(
    show_spinner="Computing the errors and their intervals …", max_entries=VIEWS_KEPT
)
def _load_coverage_view(
    key: str, _evaluation: LoadedEvaluation, _finding: str, _view: str | None
) -> CoverageView:
    from cxr_core.evaluation.store.coverage_view import compute_coverage_view

    return compute_coverage_view(_evaluation, _finding, _view)


def measure_agreement(project: Project, finding: str, after: bool) -> Agreement:
    """How far the readers of a project agree, measured again once a verdict was given.

    after: by what was changed once the answer was shown.
    """
    from cxr_core.feedback.verdicts import stamp_verdicts

    key = f"{project.id}|{finding}|{after}|{stamp_verdicts(project)}"
    return _measure_agreement(key, project, finding, after)


@st.cache_resource(show_spinner="Measuring the agreement …", max_entries=VIEWS_KEPT)
def _measure_agreement(key: str, _project: Project, _finding: str, _after: bool) -> Agreement:
    from cxr_core.feedback.agreement import compare_readers

    return compare_readers(_project, _finding, after=_after)


def load_comparison(records: Sequence[EvaluationRecord]) -> Comparison:
    """Evaluations on the films that they share. Raises DataError when they share none."""
    return _load_comparison("|".join(record.cache_key for record in records), records)


@st.cache_resource(show_spinner="Comparing …", max_entries=VIEWS_KEPT)
def _load_comparison(key: str, _records: Sequence[EvaluationRecord]) -> Comparison:
    from cxr_core.evaluation.compare import ComparedEvaluation, compare_evaluations
    from cxr_core.evaluation.store.provenance import read_training_hashes
    from pages.components.evaluation.selection import name_evaluations

    evaluations = []
    for name, record in zip(name_evaluations(_records), _records, strict=True):
        predictions = fetch_evaluation(record).predictions
        evaluations.append(
            ComparedEvaluation(
                name=name,
                table=predictions,
                training_hashes=read_training_hashes(record.folder),
            )
        )
    return compare_evaluations(evaluations)


def find_evaluation_films(
    view: FindingView, record: EvaluationRecord, finding: str
) -> FoundFilms | None:
    """Where the films of a view are; looked up again after a dataset was registered, prepared again or removed."""
    from cxr_core.data.registry import list_datasets

    datasets = "|".join(f"{dataset.name} {dataset.prepared}" for dataset in list_datasets())
    return _find_films(f"{record.cache_key}|{finding}|{len(view.films)}|{datasets}", view, record)


@st.cache_resource(show_spinner="Looking for the films …", max_entries=VIEWS_KEPT)
def _find_films(key: str, _view: FindingView, _record: EvaluationRecord) -> FoundFilms | None:
    from cxr_core.data.film_lookup import find_films

    return find_films(_view.films, _record.head.split, _record.data_folders)


@st.cache_resource(show_spinner="Looking for devices …")
def find_devices() -> tuple[Device, ...]:
    """The devices on which a run can be trained here."""
    from cxr_core.training.engine.device import list_devices

    return list_devices()


@st.cache_resource(
    show_spinner="Checking the initial weights …", ttl=WEIGHTS_CHECK_VALID_S, max_entries=100
)
def check_initial_weights(key: str, _recipe: Recipe) -> tuple[str, str]:
    """The field and the sentence when a recipe's network cannot get its initial weights; two empty texts otherwise.

    key: everything in the recipe that the answer depends on.
    """
    from cxr_core.models.networks.initialise import require_initial_weights

    try:
        require_initial_weights(
            _recipe.architecture_arguments(max(1, len(_recipe.findings))),
            _recipe.init,
            _recipe.input_spec(),
            _recipe.architecture,
        )
    except RecipeError as error:
        return "backbone", str(error)
    except ModelError as error:
        return "init", str(error)
    return "", ""


@st.cache_resource(show_spinner=False)
def load_recipes() -> dict[str, Recipe]:
    """The recipes that come with the program, by name."""
    from cxr_core.training.recipe.recipe_file import list_recipes, load_recipe

    return {name: load_recipe(path) for name, path in list_recipes().items()}


def find_recipe_obstacles(data: Sequence[str]) -> dict[str, str]:
    """For each recipe that cannot start on this data now, a sentence that says why. data: datasets and subsets."""
    obstacles = _find_data_problems(_key_of(data), data) if data else {}
    missing = find_missing_weights()
    recipes = load_recipes().items()
    weights = {
        name: missing[recipe.backbone] for name, recipe in recipes if _lacks(recipe, missing)
    }
    return weights | obstacles


def _lacks(recipe: Recipe, missing: Mapping[str, str]) -> bool:
    return recipe.init == "imagenet" and recipe.backbone in missing


@st.cache_resource(show_spinner="Looking which recipes suit the data …", max_entries=DATASETS_KEPT)
def _find_data_problems(key: str, _data: Sequence[str]) -> dict[str, str]:
    """For each recipe that these films do not suit, a sentence that says why."""
    problems = {name: find_data_problem(recipe, _data) for name, recipe in load_recipes().items()}
    return {name: problem for name, problem in problems.items() if problem}


@st.cache_resource(show_spinner="Looking for initial weights …", ttl=WEIGHTS_CHECK_VALID_S)
def find_missing_weights() -> dict[str, str]:
    """For each backbone of the recipes whose ImageNet weights cannot be had now, a sentence that says why."""
    from cxr_core.models.networks import imagenet
    from cxr_core.training.recipe.field_help import replace_keys

    backbones = [each.backbone for each in load_recipes().values() if each.init == "imagenet"]
    missing = imagenet.find_missing_weights(sorted(backbones))
    return {backbone: replace_keys(_begin_upper(text)) for backbone, text in missing.items()}


def find_data_problem(recipe: Recipe, data: Sequence[str]) -> str:
    """Why a recipe cannot train on these datasets and subsets together; empty when it can."""
    patients = (recipe.population_age_min, recipe.population_age_max)
    needs = f"{recipe.name}|{recipe.population}|{patients}|{recipe.findings}|{recipe.structures}"
    return _find_data_problem(f"{needs}|{_key_of(data)}", recipe, data)


@st.cache_resource(show_spinner=False, max_entries=PROBLEMS_KEPT)
def _find_data_problem(key: str, _recipe: Recipe, _data: Sequence[str]) -> str:
    from cxr_core.training.preconditions import find_data_problem

    try:
        return _begin_upper(find_data_problem(_recipe, _load_films(_key_of(_data), _data)))
    except DataError as error:
        return str(error)


@st.cache_resource(show_spinner="Loading the dataset …", max_entries=DATASETS_KEPT)
def _load_films(key: str, _data: Sequence[str]) -> Manifest:
    from cxr_core.training.preconditions import load_registered_films

    return load_registered_films(_data)


def _key_of(data: Sequence[str]) -> str:
    """Another one once any dataset was prepared again or decided about, or a subset was made anew."""
    from cxr_core.data.registry import list_datasets
    from cxr_core.data.subsets import list_subsets

    stamps = [f"{each.folder} {each.prepared} {each.decisions}" for each in list_datasets()]
    subsets = [f"{each.reference} {each.record.created}" for each in list_subsets()]
    return "|".join([*data, *stamps, *subsets])


def _begin_upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def load_run_summary(folder: Path, stamp: str) -> RunSummary:
    """A run's settings and figures. stamp: of the files that they are read from, see `stamp_summary`."""
    return _load_run_summary(f"{folder}|{stamp}", folder)


@st.cache_resource(show_spinner=False, max_entries=RUNS_KEPT)
def _load_run_summary(key: str, _folder: Path) -> RunSummary:
    from cxr_core.training.runs.summary import summarise_run

    return summarise_run(_folder)


def count_test_uses(test_films: str) -> TestUses:
    """How often these test films were evaluated on here; counted again after each evaluation. Raises RecordError."""
    from cxr_core.evaluation.store.provenance import stamp_test_uses

    return _count_test_uses(f"{test_films}|{stamp_test_uses()}", test_films)


@st.cache_resource(show_spinner=False, max_entries=RUNS_KEPT)
def _count_test_uses(key: str, _test_films: str) -> TestUses:
    from cxr_core.evaluation.store.provenance import count_test_uses

    return count_test_uses(_test_films)
