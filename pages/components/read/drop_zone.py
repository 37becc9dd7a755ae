"""The way in: the drop zone, the drawn samples, and the button that forgets everything."""

import streamlit as st

from pages.components.session import Study


def take_films(study: Study) -> None:
    """Show the drop zone and the samples; take in and examine what arrives."""
    label = f"Add films ({len(study.entries)} in this study)" if study.entries else "Films"
    with st.expander(label, expanded=not study.entries, icon=":material/upload_file:"):
        uploads = st.file_uploader(
            "Drop one or several frontal chest films: PNG, JPEG or DICOM",
            accept_multiple_files=True,  # of any name: DICOM files often have no extension
            key=study.inbox,
        )
        # Imported once the drop zone is on its way to the screen: it brings numpy and OpenCV along.
        from pages.components.read import upload as intake

        sample = intake.ask_sample(study)
    if sample is not None:
        intake.examine_drawing(study, sample)
    if uploads:
        intake.examine_uploads(study, {upload.file_id: upload for upload in uploads})
        study.empty_inbox(uploads)
    if sample is not None or uploads:
        st.rerun()  # so that the drop zone folds away and the worklist is whole


def offer_clearing(study: Study) -> None:
    """The button that drops the study from memory."""
    st.button(
        "Clear this study",
        icon=":material/delete:",
        on_click=study.clear,
        disabled=not study.entries,
        width="stretch",
        help="Drops the films, their readings and maps from memory at once, and what was said of the patient.",
    )
