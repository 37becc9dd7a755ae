"""The drop zone for films, the synthetic samples, and the button that clears the study."""

import streamlit as st

from pages.components.read.page_state import ReadPageState


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

        sample = upload.ask_sample(state)
    if sample is not None:
        upload.examine_sample(state, sample)
    if uploads:
        upload.examine_uploads(state, {uploaded.file_id: uploaded for uploaded in uploads})
        state.empty_uploader(uploads)
    if sample is not None or uploads:
        st.rerun()  # so that the drop zone folds away and the worklist is complete


def offer_clearing(state: ReadPageState) -> None:
    """Show the button that removes the study from memory."""
    st.button(
        "Clear this study",
        icon=":material/delete:",
        on_click=state.clear_study,
        disabled=not state.entries,
        width="stretch",
        help="Removes all films, results and heatmaps of this study from memory at once, and empties the patient form.",
    )
