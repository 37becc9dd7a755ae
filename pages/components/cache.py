"""What all sessions share: models, datasets' tables, and what is being prepared. The only place that uses `st.cache_*`.

No film, reading or map ever enters here. Torch is imported when the first film is read, or by the warm-up after the
first paint, whichever comes first.
"""

import gc
import logging
import threading
import time
from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.errors import SilhouetteError

if TYPE_CHECKING:
    from cxr_core.data.datasets import Dataset
    from cxr_core.film.decode_worker import DecodePool
    from cxr_core.reading.reader import Reader
    from pages.components.datasets.contents import Contents
    from pages.components.datasets.preparation import Preparations

DATASETS_OPEN = 2  # datasets whose tables are held in memory
FIRST_PAINT_S = 2.0  # how long the browser is left alone before the warm-up takes the processor

log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def reader() -> "Reader":
    """The one reader of this server, read-only and safe for threads. Raises ModelError for damaged models."""
    from cxr_core.reading.reader import Reader

    found = Reader.installed()
    _settle()
    return found


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


@st.cache_resource(show_spinner=False)
def preparations() -> "Preparations":
    """The datasets that this server is preparing."""
    from pages.components.datasets.preparation import Preparations

    return Preparations()


@st.cache_resource(show_spinner=False)
def decoder() -> "DecodePool":
    """The process that decodes films of datasets, one at a time."""
    from cxr_core.film.decode_worker import DecodePool

    return DecodePool(workers=1)


def _warm() -> None:
    time.sleep(FIRST_PAINT_S)
    try:
        reader().warm()
        _settle()
    except SilhouetteError as error:
        log.warning("the models did not load: %s", error)  # said again on the page, with the first film


def _settle() -> None:
    """Take what is loaded by now out of the garbage collector's sight; it stays for good.

    The libraries' million objects would be walked through in the middle of reruns: 0.3 s each time, measured.
    """
    gc.collect()
    gc.freeze()
