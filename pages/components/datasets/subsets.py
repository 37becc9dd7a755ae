"""Saves the films that are shown, or picked one by one, as a subset, and lists those that were saved."""

import numpy as np
import streamlit as st

from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import Dataset
from cxr_core.data.selection import EVERY_FILM
from cxr_core.data.subsets import (
    Subset,
    delete_subset,
    describe_damaged_subsets,
    list_subsets,
    save_subset,
)
from cxr_core.errors import SilhouetteError
from cxr_core.presentation.wording import format_count
from pages.components.datasets.contents import DatasetContents, FilmCollection
from pages.components.datasets.page_state import DataPageState
from pages.components.error_boundary import keep_error, show_errors, show_outcome
from pages.components.markdown import plain
from pages.components.session import field_text, set_field_value
from pages.components.wording import format_minute

SUBSETS_FRAGMENT = "subsets"  # the fragment's name, by which the list of films reruns it
NAME, NOTE = "subset-name", "subset-note"


@st.fragment(key=SUBSETS_FRAGMENT)
@show_errors()
def show_subsets(state: DataPageState, dataset: Dataset, contents: DatasetContents) -> None:
    """Buttons that save a subset and list those of this dataset. A fragment: picking a film redraws no chart."""
    films = contents.listed if state.all_listed or not contents.usable else contents.usable
    rows = films.index.find_rows(state.selection or EVERY_FILM)
    picked = np.flatnonzero(films.manifest.table["image"].isin(state.picked))
    subsets = [each for each in list_subsets() if each.record.dataset == dataset.name]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        with st.popover("Save as a subset", icon=":material/bookmark_add:", key="save-subset"):
            _ask_name(state, dataset, films, rows, picked)
        if subsets:
            label = format_count(len(subsets), "subsets")
            with st.popover(
                label, icon=":material/bookmarks:", key="list-subsets", width="content"
            ):
                for subset in subsets:
                    _show_subset(state, subset, contents)
        if len(picked):
            st.markdown(f"{format_count(len(picked), 'films')} picked", width="content")
            st.button("Pick none", key="pick-none", type="tertiary", on_click=state.picked.clear)
    for problem in describe_damaged_subsets():
        st.warning(plain(problem))
    show_outcome(state)


def _ask_name(
    state: DataPageState,
    dataset: Dataset,
    films: FilmCollection,
    rows: np.ndarray,
    picked: np.ndarray,
) -> None:
    """Which films, a name and a note. The films are those that were shown with the button."""
    chosen, filters = rows, tuple((state.selection or EVERY_FILM).describe().values())
    if len(picked):
        names = {False: f"The {len(rows):,} of the filters", True: f"The {len(picked):,} picked"}
        if st.segmented_control(
            "Films", list(names), format_func=names.__getitem__, default=True, key="subset-of"
        ):
            chosen, filters = picked, ("picked one by one",)
    st.markdown(
        f"Keeps {format_count(len(chosen), 'films')} under a name, by their contents. A run and an evaluation can be "
        "restricted to them."
    )
    st.text_input("Name", key=NAME, max_chars=80, placeholder="ap-elderly")
    st.text_input("Note", key=NOTE, max_chars=500)
    if not len(chosen):
        st.info("No film passes the filters.")
        return
    manifest = films.manifest.with_table(films.manifest.table.iloc[chosen])
    st.button(
        "Save",
        type="primary",
        key="subset-save",
        on_click=_save,
        args=(state, dataset, manifest, filters),
    )


def _save(
    state: DataPageState, dataset: Dataset, films: Manifest, filters: tuple[str, ...]
) -> None:
    try:
        subset = save_subset(
            field_text(NAME), films, dataset.name, filters=filters, note=field_text(NOTE)
        )
    except SilhouetteError as error:
        state.error = str(error)
        return
    for field in (NAME, NOTE):
        set_field_value(field, "")
    state.picked.clear()
    state.message = f"{format_count(len(subset.record.films), 'films')} are kept as {subset.name}."
    undecoded = int(films.table["sha256"].isna().sum())
    if undecoded:
        state.message += (
            f" {format_count(undecoded, 'films')} without a readable file were left out."
        )


def _show_subset(state: DataPageState, subset: Subset, contents: DatasetContents) -> None:
    """What it holds, how many of its films the dataset still has, and a button that deletes it."""
    record = subset.record
    found = 0
    if contents.usable is not None:
        hashes = contents.usable.manifest.table["sha256"]
        found = int(hashes[hashes.isin(record.films)].nunique())
    count = format_count(len(record.films), "films")
    if found < len(record.films):
        count = f"{found:,} of {count} still there"
    phrases = [count, *record.filters, record.note, format_minute(record.created)]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(subset.name)}** :gray[{plain(' · '.join(filter(None, phrases)))}]")
        st.button(
            "Delete",
            key=f"delete-subset-{subset.name}",
            icon=":material/delete:",
            type="tertiary",
            on_click=_delete,
            args=(state, subset.name),
        )


def _delete(state: DataPageState, name: str) -> None:
    with keep_error(state):
        delete_subset(name)
        state.message = f"The subset {name} was deleted; its films are untouched."
