"""The drop zone for films, the synthetic samples, and the button that clears the study."""

import streamlit as st

from pages.components import session
from pages.components.read.page_state import UNDO_S, ReadPageState
from pages.components.streamlit_internals import release_uploads


def take_films(state: ReadPageState) -> None:
    """Show the drop zone and the samples; examine the films that arrive."""
    label = f"Add films ({len(state.entries)} in this study)" if state.entries else "Films"
    with st.expander(label, expanded=not state.entries, icon=":material/upload_file:"):
        uploads = st.file_uploader(
            "Drop one or more frontal chest films here: DICOM, PNG, JPEG, TIFF, WebP or BMP",
            accept_multiple_files=True,  # of any name: DICOM files often have no extension
            key=state.uploader_key,
        )
        # Imported once the drop zone is on its way to the screen: it brings numpy and OpenCV along.
        from pages.components.read import upload

        sample = None if state.entries else upload.ask_sample(state)
    if sample is not None:
        upload.examine_sample(state, sample)
    arrived = {file.file_id: file for file in uploads if file.file_id not in state.examined_uploads}
    if arrived:
        upload.examine_uploads(state, arrived)
    if uploads:
        release_uploads(uploads)
    if sample is not None or arrived:
        st.rerun()  # so that the drop zone folds away and the worklist is complete


def offer_clearing(state: ReadPageState) -> None:
    """Show the button that removes the study from memory."""
    st.button(
        "Clear this study",
        icon=":material/delete:",
        on_click=_clear_study,
        args=(state,),
        disabled=not state.entries,
        width="stretch",
        help="Removes all films and results of this study, and empties the patient form. It can be undone for "
        f"{UNDO_S:.0f} seconds; then nothing of them is left in memory.",
    )


def _clear_study(state: ReadPageState) -> None:
    session.forget_widget(state.uploader_key)  # it holds the names of the files
    state.clear_study()
