"""Adding a dataset: the folders, the button, and the progress of what is being prepared."""

from pathlib import Path

import streamlit as st

from cxr_core.data.sources.detect import SOURCES
from pages.components import cache
from pages.components.datasets.preparation import Preparation, Preparations
from pages.components.markdown import plain
from pages.components.session import Exploration

AT_ONCE_S = 0.6  # what is wrong with a folder is usually known by then
POLL_S = 0.5
KINDS = {
    "nih14": "NIH CXR8 (ChestX-ray14)",
    "folder": "Folders by class, as Kaggle's chest_xray",
    "csv": "A table with paths and labels",
    "dicom": "DICOM files with a table",
}
LAYOUTS = (
    "**NIH CXR8** as released (images with `Data_Entry_2017*.csv`), or **folders by class** (`train/NORMAL`, "
    "`test/PNEUMONIA`, …).  \n**A CSV** with a column of image paths and one per finding, for PNG, JPEG or DICOM files."
)


def add_dataset(exploration: Exploration, first: bool) -> None:
    """The form, what is running, and what went wrong. first: no dataset is registered yet."""
    preparations = cache.preparations()
    _take_in(exploration, preparations)
    running = preparations.running()
    failed = [each for each in preparations.ended() if each.dataset is None]
    with st.expander(
        "Add a dataset",
        expanded=first or bool(running or failed),
        icon=":material/create_new_folder:",
    ):
        if first:
            st.markdown(
                "No dataset is registered yet. Name the folder of one; its films are read, never changed."
            )
        st.caption(LAYOUTS)
        _ask_folders(exploration, preparations)
        for preparation in failed:
            _show_end(preparations, preparation)
        if running:
            watch(preparations, {_key(each) for each in running})


def _ask_folders(exploration: Exploration, preparations: Preparations) -> None:
    with st.form("add-dataset", border=False, enter_to_submit=False):
        text = st.text_area(
            "Folders on this computer, one per line", height=80, placeholder="/data/nih_cxr8"
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox(
                "Layout",
                [None, *SOURCES],
                format_func=lambda each: "Find out" if each is None else KINDS.get(each, each),
                width=320,
            )
            clicked = st.form_submit_button("Prepare", type="primary", icon=":material/play_arrow:")
    if not clicked:
        return
    folders = [Path(line.strip()).expanduser() for line in text.splitlines() if line.strip()]
    if not folders:
        st.error("Name at least one folder.")
        return
    start(exploration, preparations, folders, kind)


def start(
    exploration: Exploration,
    preparations: Preparations,
    folders: list[Path],
    kind: str | None = None,
    name: str | None = None,
) -> None:
    """Begin to prepare, or join whoever prepares the same folders already."""
    preparation = preparations.start([_absolute(folder) for folder in folders], kind, name)
    exploration.started.add(_key(preparation))
    preparation.wait(AT_ONCE_S)
    st.rerun()


def _take_in(exploration: Exploration, preparations: Preparations) -> None:
    """Datasets that are ready: the tab that began one turns to it."""
    for preparation in preparations.ended():
        if preparation.dataset is not None and _key(preparation) in exploration.started:
            exploration.turn_to(preparation.dataset.name)
    exploration.started &= {_key(each) for each in preparations.running()}


@st.fragment(run_every=POLL_S)
def watch(preparations: Preparations, began: set[tuple[str, ...]]) -> None:
    """Progress of all that runs, asked for again and again; the page runs once when one of those that began ends."""
    running = preparations.running()
    for number, preparation in enumerate(running):
        with st.container(horizontal=True, vertical_alignment="center", key=f"preparing-{number}"):
            with st.container(gap=None):
                st.text(_names(preparation))
                st.progress(preparation.share, text=plain(_progress(preparation)))
            st.button(
                "Cancel",
                key=f"cancel-{hash(_key(preparation))}",
                on_click=preparation.cancel,
                disabled=preparation.cancelled,
                help="Films that are decoded already stay in the cache.",
            )
    if {_key(each) for each in running} != began:
        st.rerun()


def _show_end(preparations: Preparations, preparation: Preparation) -> None:
    """Why a preparation came to nothing, until it is dismissed."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if preparation.error:
            st.error(plain(preparation.error))
        else:
            st.info(
                f"Stopped: {plain(_names(preparation))}. Prepare it again to go on where it stopped."
            )
        st.button(
            "Dismiss",
            key=f"dismiss-{hash(_key(preparation))}",
            type="tertiary",
            on_click=preparations.dismiss,
            args=(preparation,),
        )


def _progress(preparation: Preparation) -> str:
    if preparation.cancelled:
        return "Stopping …"
    count = f": {preparation.done:,} of {preparation.total:,}" if preparation.total > 1 else ""
    return f"{preparation.stage.capitalize()}{count}{_time_left(preparation.seconds_left)}"


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f" · about {max(1, round(seconds))} s left"
    return f" · about {round(seconds / 60)} min left"


def _names(preparation: Preparation) -> str:
    return ", ".join(map(str, preparation.folders))


def _key(preparation: Preparation) -> tuple[str, ...]:
    return tuple(map(str, preparation.folders))


def _absolute(folder: Path) -> Path:
    return Path.cwd() / folder
