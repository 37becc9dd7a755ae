"""Models: which are installed, what they are made of, which version is in use, and the way to another one."""

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.models.card import ModelCard
from cxr_core.models.registry.active_version import history
from cxr_core.presentation.wording import finding_name
from cxr_core.promotion.gate.verdict import read_verdict
from pages.components import session
from pages.components.markdown import plain
from pages.components.model_card import describe_card
from pages.components.models.gate_verdict import show_verdict
from pages.components.models.import_export import offer_export, offer_import
from pages.components.models.installed_models import Model, Version, shelf
from pages.components.models.page_state import Counter
from pages.components.models.tables import history_rows, model_rows, outline_rows, version_rows
from pages.components.models.version_change import offer_changes
from pages.components.streamlit_internals import require_frame

PARAMETER = "model"  # of the address: a link leads to one model


def page() -> None:
    """The whole page, top to bottom."""
    counter = session.counter()
    st.title("Models")
    found = shelf()
    for model in found:
        if model.reason:
            st.warning(plain(f"{model.reason}. Choose a version below to mend that."))
    if counter.said:
        st.success(plain(counter.take_said()), icon=":material/check_circle:")
    st.table(model_rows(found), border="horizontal", hide_header=False, hide_index=True)
    offer_import(counter)
    show_model(counter, choose_model(found))


def choose_model(found: list[Model]) -> Model:
    """The model that was chosen here, named in the address, or the first."""
    names = [model.name for model in found]
    asked = st.query_params.get(PARAMETER)
    if asked is not None and asked not in names:
        st.warning(f"There is no model named {plain(asked)} here; choose one of these.")
    place = names.index(asked) if asked in names else 0
    picked = st.selectbox("Model", names, index=place, key="models-model", width=420)
    if st.query_params.get(PARAMETER) != picked:
        st.query_params[PARAMETER] = picked
    return found[names.index(picked)]


def show_model(counter: Counter, model: Model) -> None:
    """One model: its versions and the way to another, then the card, the verdict and the history."""
    st.subheader(f"{plain(model.name)} {plain(model.used.name)}")
    override = model.used.published.get("override")
    if override:
        st.warning(
            f"It was published against the gate: {plain(str(override))}", icon=":material/gavel:"
        )
    st.table(version_rows(model.versions), border="horizontal", hide_header=False, hide_index=True)
    offer_changes(counter, model)
    offer_export(model.name, model.used)
    card, gate, changes = st.tabs(["Card", "Gate", "History"])
    with card:
        show_version(model.used)
    with gate:
        show_gate(model.used)
    with changes:
        show_history(model)


def show_version(version: Version) -> None:
    """The card of a version, finding by finding."""
    if version.card is None:
        st.error(plain(version.wrong))
    elif isinstance(version.card, ModelCard):
        for key in version.card.findings:
            if len(version.card.findings) > 1:
                st.markdown(f"#### {plain(finding_name(key))}")
            describe_card(version.card, key)
    else:
        card = version.card
        outlined = ", ".join(card.structures).replace("_", " ")
        st.markdown(f"Outlines {plain(outlined)}, made for {plain(card.population.text)}.")
        if rows := outline_rows(card):
            st.table(rows, border="horizontal", hide_header=False, hide_index=True)
            st.caption("With 95 % intervals by patient.")
        st.caption(
            f"{plain(str(card.training.get('summary', '')))} {plain(str(card.training.get('terms', '')))}"
        )
        st.caption(f"Interval of the ratio: {plain(card.ratio_interval.source)}.")


def show_gate(version: Version) -> None:
    """What the gate said when a version was published."""
    verdict = read_verdict(version.folder)
    if verdict is None:
        came = "It came with the program" if version.shipped else "It was put there by hand"
        st.caption(f"{came}: the gate was never asked about it.")
        return
    show_verdict(verdict)


def show_history(model: Model) -> None:
    """Every change of the version in use."""
    rows = history_rows(history(model.name))
    if rows:
        st.table(rows, border="horizontal", hide_header=False, hide_index=True)
    else:
        st.caption("Which version is in use was never changed here.")


require_frame("models")
try:
    page()
except SilhouetteError as error:
    st.error(plain(str(error)))
