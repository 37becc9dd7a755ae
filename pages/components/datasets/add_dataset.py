"""The form that adds a dataset, and the progress of datasets that are being prepared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from cxr_core.data.prepare import prepare_dataset
from cxr_core.data.registry import Dataset
from cxr_core.data.sources.detect import SOURCES
from cxr_core.errors import FileRefused
from cxr_core.workspace.outside_files import parse_path
from pages.components import cache
from pages.components.background_tasks import BackgroundTask
from pages.components.datasets.page_state import DataPageState
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain

PREFIX = "prepare dataset "  # of the keys of these background tasks
FIRST_WAIT_S = 1.5  # by then it is usually known what is wrong with a folder
POLL_S = 0.5
LAYOUT_NAMES = {
    "nih14": "NIH CXR8 (ChestX-ray14)",
    "folder": "Folders by class, as Kaggle's chest_xray",
    "csv": "A table with paths and labels",
    "dicom": "DICOM files with a table",
}
LAYOUTS = (
    "**NIH CXR8** as released (images with `Data_Entry_2017*.csv`), or **folders by class** (`train/NORMAL`, "
    "`test/PNEUMONIA`, …).  \n**A CSV file** with a column of image paths and one per finding, for DICOM, PNG, "
    "JPEG, TIFF, WebP or BMP files; CheXpert, PadChest, VinDr-CXR, RSNA, OpenI and MIMIC-CXR as they are released."
)


def add_dataset(state: DataPageState, is_first: bool) -> None:
    """The form, the running preparations, and those that failed. is_first: no dataset is registered yet."""
    _switch_to_finished(state)
    tasks = cache.background_tasks()
    running = tasks.list_running(PREFIX)
    failed = [task for task in tasks.list_ended(PREFIX) if task.result is None]
    with st.expander(
        "Add a dataset",
        expanded=is_first or bool(running or failed),
        icon=":material/create_new_folder:",
    ):
        if is_first:
            st.markdown(
                "**No dataset is registered yet.** Here films with known labels are checked and explored before models "
                "are trained on them: first enter the folder that holds them. Nothing in it is changed."
            )
        st.caption(LAYOUTS)
        _ask_folders(state)
        for task in failed:
            _show_failure(task)
        if running:
            watch_preparations({task.key for task in running})


def _ask_folders(state: DataPageState) -> None:
    with st.form("add-dataset", border=False, enter_to_submit=False):
        text = st.text_area(
            "Folders on this computer, one per line", height=80, placeholder="/data/nih_cxr8"
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox(
                "Layout",
                [None, *SOURCES],
                format_func=lambda kind: LAYOUT_NAMES.get(kind, kind) if kind else "Detect",
                width=320,
            )
            clicked = st.form_submit_button("Prepare", type="primary", icon=":material/play_arrow:")
    if not clicked:
        return
    try:
        folders = [parse_path(line.strip()) for line in text.splitlines() if line.strip()]
    except FileRefused as refusal:
        st.error(plain(str(refusal)))
        return
    if not folders:
        st.error("Enter at least one folder.")
        return
    start_preparation(state, folders, kind)


def start_preparation(
    state: DataPageState,
    folders: Sequence[Path],
    kind: str | None = None,
    name: str | None = None,
    label_mapping: Mapping[str, str] | None = None,
) -> None:
    """Start to prepare a dataset, or join the preparation of the same folders that is running.

    label_mapping: changes to what its labels mean; a running preparation without them is not joined.
    """
    absolute = [Path.cwd() / folder for folder in folders]
    detected = kind if kind in SOURCES else None  # folders of several kinds have theirs detected

    def prepare(task: BackgroundTask) -> Dataset:
        return prepare_dataset(
            absolute,
            progress=task.report_progress,
            kind=detected,
            name=name,
            label_mapping=label_mapping,
        )

    label = ", ".join(map(str, absolute))
    changes = "".join(f", {own}={target}" for own, target in (label_mapping or {}).items())
    task = cache.background_tasks().start(PREFIX + label + changes, prepare, label)
    state.started_tasks.add(task.key)
    task.wait(FIRST_WAIT_S)
    st.rerun()


def _switch_to_finished(state: DataPageState) -> None:
    """Show a dataset that is ready, in the tab that started its preparation."""
    tasks = cache.background_tasks()
    for task in tasks.list_ended(PREFIX):
        if isinstance(task.result, Dataset) and task.key in state.started_tasks:
            state.switch_dataset(task.result.name)
    state.started_tasks &= {task.key for task in tasks.list_running(PREFIX)}


@st.fragment(run_every=POLL_S)
@show_errors()
def watch_preparations(running_before: set[str]) -> None:
    """The progress of all running preparations, polled. The page reruns once when one of them has ended."""
    running = cache.background_tasks().list_running(PREFIX)
    for number, task in enumerate(running):
        with st.container(horizontal=True, vertical_alignment="center", key=f"preparing-{number}"):
            with st.container(gap=None):
                st.text(task.label)
                st.progress(task.share_done, text=plain(_describe_progress(task)))
            st.button(
                "Cancel",
                key=f"cancel-{hash(task.key)}",
                on_click=task.cancel,
                disabled=task.is_cancelled,
                help="Films that are decoded already stay in the cache.",
            )
    if {task.key for task in running} != running_before:
        st.rerun()


def _show_failure(task: BackgroundTask) -> None:
    """Why a preparation ended without a dataset, until it is dismissed."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if task.error:
            st.error(plain(task.error))
        else:
            st.info(f"Stopped: {plain(task.label)}. Prepare it again to continue where it stopped.")
        st.button(
            "Dismiss",
            key=f"dismiss-{hash(task.key)}",
            type="tertiary",
            on_click=cache.background_tasks().dismiss,
            args=(task,),
        )


def _describe_progress(task: BackgroundTask) -> str:
    if task.is_cancelled:
        return "Stopping …"
    count = f": {task.done:,} of {task.total:,}" if task.total > 1 else ""
    stage = (task.stage or "starting").capitalize()
    return f"{stage}{count}{_describe_time_left(task.seconds_left)}"


def _describe_time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f" · about {max(1, round(seconds))} s left"
    return f" · about {round(seconds / 60)} min left"
