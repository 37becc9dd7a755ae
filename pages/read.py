"""Read: films in; findings, heatmaps, what to distrust and a report out."""

import streamlit as st

from cxr_core.errors import SilhouetteError
from pages.components import session
from pages.components.markdown import plain
from pages.components.read import drop_zone, patient_form


def page() -> None:
    """The whole page, top to bottom."""
    study = session.study()
    st.title("Read chest films")
    with st.sidebar:
        said = patient_form.ask(study)
        drop_zone.offer_clearing(study)
    drop_zone.take_films(study)
    if study.entries:
        # Imported with the first film: an empty page is painted without all this needs.
        from pages.components.read.study_view import read_study

        read_study(study, said)


try:
    page()
except SilhouetteError as error:
    st.error(plain(str(error)))
