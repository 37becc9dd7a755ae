"""The splits that are saved with a dataset, and a place to make another."""

import streamlit as st

from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import Dataset
from cxr_core.data.splits.preview import count_split
from cxr_core.data.splits.saved_split import (
    FILMS,
    delete_split,
    list_splits,
    load_split,
    splits_folder,
)
from pages.components.datasets.contents import DatasetContents
from pages.components.datasets.page_state import DataPageState
from pages.components.datasets.split_form import plan_split, show_counts, show_preview
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.wording import format_minute


def show_splits(state: DataPageState, dataset: Dataset, contents: DatasetContents) -> None:
    """The saved splits, then the form for another one."""
    if state.message:
        st.success(plain(state.message), icon=":material/check_circle:")
        state.message = ""
    if contents.usable is None:
        st.info("No film of this dataset can be used, so there is nothing to split.")
        return
    manifest = contents.usable.manifest
    with show_errors():
        _show_saved(state, dataset, manifest)
    with st.container(border=True), show_errors():
        st.markdown("##### A new split")
        st.caption(
            "Patients are never divided: all films of one lie in one split, and so do patients who share an image. The "
            "dataset itself stays as it is; a run uses a saved split by its name."
        )
        plan_split(state, dataset, manifest)
        if state.split_preview is not None:
            show_preview(state, dataset, state.split_preview)


def _show_saved(state: DataPageState, dataset: Dataset, manifest: Manifest) -> None:
    records = list_splits(dataset)
    if not records:
        st.markdown(
            "**No split is saved.** Runs use the split of the data, or the one that their recipe makes."
        )
        return
    name = st.selectbox(
        "Saved splits",
        list(records),
        format_func=lambda saved: f"{saved} · {records[saved].description}",
        key=f"saved-split-{dataset.name}",
    )
    split = load_split(splits_folder(dataset) / name)
    with st.expander("Who lies in it", icon=":material/table_chart:"):
        show_counts(count_split(manifest, split))
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.download_button(
            "List (CSV)",
            (splits_folder(dataset) / name / FILMS).read_bytes,
            file_name=f"{dataset.name}-{name}.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
            key=f"split-file-{dataset.name}-{name}",
        )
        with st.popover(
            "Delete", icon=":material/delete:", key=f"delete-split-{dataset.name}-{name}"
        ):
            st.write("Runs that use this split keep a copy of it.")
            if st.button(
                "Delete it", type="primary", key=f"sure-delete-split-{dataset.name}-{name}"
            ):
                delete_split(dataset, name)
                state.message = f"The split {name} was deleted."
                st.rerun()
        st.caption(f"Saved {plain(format_minute(records[name].made))}")
