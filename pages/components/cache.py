"""What all sessions share: models, tables, and what is being prepared. The only place that uses `st.cache_*`.

No film, reading or map ever enters here. Torch is imported when the first film is read, or by the warm-up after the
first paint, whichever comes first.
"""

import gc
import logging
import threading
import time
from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.errors import ModelError, RecipeError, SilhouetteError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cxr_core.data.film_lookup import FoundFilms
    from cxr_core.data.registry import Dataset
    from cxr_core.evaluation.compare import Comparison
    from cxr_core.evaluation.store.catalogue import Shelved
    from cxr_core.evaluation.store.loaded import FindingView, Opened
    from cxr_core.film.decoding.sandbox import DecodePool
    from cxr_core.jobs.job import Device
    from cxr_core.reading.reader import Reader
    from cxr_core.training.recipe.recipe import Recipe
    from pages.components.background_tasks import Errands
    from pages.components.datasets.contents import Contents
    from pages.components.datasets.preparation import Preparations

DATASETS_OPEN = 2  # datasets whose tables are held in memory
EVALUATIONS_OPEN = 5  # as many as are compared at once
VIEWS_OPEN = 12  # findings of evaluations, over all films or one view's, with their bands
START_TOLD_S = 300  # how long an answer about starting weights holds: a hub may come back
FIRST_PAINT_S = 2.0  # how long the browser is left alone before the warm-up takes the processor

log = logging.getLogger(__name__)


def reader() -> "Reader":
    """The one reader of this server, read-only and safe for threads. Raises ModelError for damaged models.

    It has the models that are in use now: another one when a model was published or rolled back. Who holds the former
    one ends his reading with it.
    """
    from cxr_core.models.registry.registry import fingerprint

    return _reader(fingerprint())


@st.cache_resource(show_spinner=False, max_entries=1)
def _reader(models: str) -> "Reader":
    from cxr_core.reading.reader import Reader

    found = Reader.installed(decoders=_uploads())
    _settle()
    return found


@st.cache_resource(show_spinner=False)
def _uploads() -> "DecodePool":
    """The processes that decode films read in the browser; they outlive a change of model."""
    from cxr_core.film.decoding.sandbox import DecodePool

    return DecodePool()


@st.cache_resource(show_spinner=False)
def start_warm_up() -> threading.Thread:
    """Load the models once in the background, so that the first film does not wait for them."""
    thread = threading.Thread(target=_warm, name="warm-up", daemon=True)
    thread.start()
    return thread


def contents(dataset: "Dataset") -> "Contents":
    """A dataset's tables and numbers, read once; another choice or preparation is another content."""
    return _contents(f"{dataset.folder}|{dataset.prepared}|{dataset.choices}", dataset)


@st.cache_resource(show_spinner="Opening the dataset …", max_entries=DATASETS_OPEN)
def _contents(key: str, _dataset: "Dataset") -> "Contents":
    from pages.components.datasets.contents import Contents

    return Contents.of(_dataset)


def opened(shelved: "Shelved") -> "Opened":
    """An evaluation's predictions, read once. Raises DataError when they are damaged."""
    return _opened(shelved.stamp, shelved)


@st.cache_resource(show_spinner="Opening the evaluation …", max_entries=EVALUATIONS_OPEN)
def _opened(key: str, _shelved: "Shelved") -> "Opened":
    from cxr_core.evaluation.store.loaded import open_evaluation

    return open_evaluation(_shelved)


def finding_view(opened: "Opened", finding: str, view: str | None) -> "FindingView":
    """The curves of one finding over all films or one view's, with their bands, computed once."""
    return _finding_view(f"{opened.shelved.stamp}|{finding}|{view}", opened, finding, view)


@st.cache_resource(
    show_spinner="Computing the curves and their intervals …", max_entries=VIEWS_OPEN
)
def _finding_view(key: str, _opened: "Opened", _finding: str, _view: str | None) -> "FindingView":
    from cxr_core.evaluation.store.loaded import view_of

    return view_of(_opened, _finding, _view)


def comparison(shelved: "Sequence[Shelved]") -> "Comparison":
    """Evaluations on the films that they share. Raises DataError when they share none."""
    return _comparison("|".join(each.stamp for each in shelved), shelved)


@st.cache_resource(show_spinner="Comparing …", max_entries=VIEWS_OPEN)
def _comparison(key: str, _shelved: "Sequence[Shelved]") -> "Comparison":
    from cxr_core.evaluation.compare import Contender, compare
    from cxr_core.evaluation.store.provenance import read_learnt
    from pages.components.evaluation.selection import names_of

    found = zip(names_of(_shelved), _shelved, strict=True)
    return compare(
        [
            Contender(name=name, table=opened(each).predictions, learnt=read_learnt(each.folder))
            for name, each in found
        ]
    )


def films_of(view: "FindingView", shelved: "Shelved", finding: str) -> "FoundFilms | None":
    """Where the films of a view lie; looked up again when a dataset is registered, prepared again or forgotten."""

    datasets = "|".join(f"{each.name} {each.prepared}" for each in registered())
    return _films_of(f"{shelved.stamp}|{finding}|{len(view.films)}|{datasets}", view, shelved)


@st.cache_resource(show_spinner="Looking for the films …", max_entries=VIEWS_OPEN)
def _films_of(key: str, _view: "FindingView", _shelved: "Shelved") -> "FoundFilms | None":
    from cxr_core.data.film_lookup import find_films

    return find_films(_view.films, str(_shelved.metrics["part"]), _shelved.folders)


@st.cache_resource(show_spinner=False)
def preparations() -> "Preparations":
    """The datasets that this server is preparing."""
    from pages.components.datasets.preparation import Preparations

    return Preparations()


@st.cache_resource(show_spinner=False)
def errands() -> "Errands":
    """What this server does in the background for the Train page."""
    from pages.components.background_tasks import Errands

    return Errands()


@st.cache_resource(show_spinner="Looking for devices …")
def devices() -> "tuple[Device, ...]":
    """What a run can be trained on here."""
    from cxr_core.jobs import jobs

    return jobs.devices()


@st.cache_resource(
    show_spinner="Looking whether these weights can be had …", ttl=START_TOLD_S, max_entries=100
)
def start_fault(key: str, _recipe: "Recipe") -> tuple[str, str]:
    """The field and the sentence when a recipe's network cannot start as it says; two empty texts when it can.

    key: all of the recipe that this depends on.
    """
    from cxr_core.models.networks.initialise import require_start

    try:
        require_start(
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


def headline(folder: "Path", stamp: tuple[float, ...]) -> "Figure | None":
    """The figure that a run is told by. stamp: when what it is read from was last written."""
    return _headline(f"{folder}|{stamp}", folder)


@st.cache_resource(show_spinner=False, max_entries=2000)
def _headline(key: str, _folder: "Path") -> "Figure | None":
    from cxr_core.training.runs.compare import headline

    return headline(_folder)


@st.cache_resource(show_spinner=False)
def decoder() -> "DecodePool":
    """The process that decodes films of datasets, one at a time."""
    from cxr_core.film.decoding.sandbox import DecodePool

    return DecodePool(workers=1)


def _warm() -> None:
    time.sleep(FIRST_PAINT_S)
    try:
        reader().warm()
        _settle()
    except SilhouetteError as error:
        log.warning(
            "the models did not load: %s", error
        )  # said again on the page, with the first film


def _settle() -> None:
    """Take what is loaded by now out of the garbage collector's sight; it stays for good.

    The libraries' million objects would be walked through in the middle of reruns: 0.3 s each time, measured.
    """
    gc.collect()
    gc.freeze()
