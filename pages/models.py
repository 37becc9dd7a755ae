"""Models: the installed models, their cards, gate verdicts and histories; change the active version."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.models.card import ModelCard
from cxr_core.models.registry.model_status import describe_status, find_removal
from cxr_core.models.registry.overlap import list_conflicts
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import describe_left_out
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.presentation.wording import structure_name
from cxr_core.promotion.gate.verdict import describe_damage, read_verdict
from pages.components import cache
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.model_card import show_card
from pages.components.models.gate_verdict import show_verdict
from pages.components.models.import_export import offer_export, offer_import
from pages.components.models.installed_models import (
    InstalledModel,
    Version,
    list_installed_models,
)
from pages.components.models.page_state import PARAMETER, ModelsPageState
from pages.components.models.tables import (
    history_rows,
    model_rows,
    segmentation_rows,
    version_rows,
)
from pages.components.models.version_change import offer_version_change
from pages.components.session import models_page_state
from pages.components.sign_in.door import may_open
from pages.components.streamlit_internals import require_app_frame


@show_errors()
def page() -> None:
    """The whole page, from top to bottom."""
    state = models_page_state()
    st.title("Models")
    models = list_installed_models()
    problems = st.container(gap="small")
    message = state.take_message()
    if message:
        st.success(plain(message), icon=":material/check_circle:")
    st.table(model_rows(models), border="horizontal", hide_header=False, hide_index=True)
    if all(version.is_shipped for model in models for version in model.versions):
        st.markdown(
            "**No model of your own yet.** Here models are inspected, activated and rolled back: first train one on "
            "your films on the Train page and publish it, or import one."
        )
    with show_errors():
        offer_import(state)
    with show_errors():
        show_model(state, choose_model(state, models))
    # Last, as it may have to wait until the models are loaded.
    with problems, show_errors():
        show_problems(models)


def show_problems(models: Sequence[InstalledModel]) -> None:
    """Name the versions that cannot be used, and the models whose active version is not the requested one."""
    sentences = [describe_left_out(v.folder, v.problem) for m in models for v in m.unreadable]
    sentences += [model.reason for model in models if model.reason]
    sentences += list_conflicts()
    for sentence in dict.fromkeys([*sentences, *cache.list_left_out()]):
        st.warning(plain(sentence), icon=":material/broken_image:")


def choose_model(state: ModelsPageState, models: Sequence[InstalledModel]) -> InstalledModel:
    """The model that was chosen here, or named in the address, or the first."""
    names = [model.name for model in models]
    requested = st.query_params.get(PARAMETER)
    if requested is not None and requested not in names:
        st.warning(plain(_describe_missing(requested)))
    index = names.index(requested) if requested in names else 0
    picked = st.selectbox("Model", names, index=index, key=state.widget_key("model"), width=420)
    if st.query_params.get(PARAMETER) != picked:
        st.query_params[PARAMETER] = picked
    return models[names.index(picked)]


def _describe_missing(model: str) -> str:
    """Why there is no model of a name that a link, an old report or an evaluation gives."""
    removal = find_removal(model)
    if removal is None:
        return f"There is no model named {model}. Choose one of these."
    version = str(removal.get("version"))
    return f"{model} {version} was {describe_status(model, version)}. Choose one of these."


def show_model(state: ModelsPageState, model: InstalledModel) -> None:
    """One model: its versions and how to change the active one, then card, verdict and history."""
    shown = model.shown
    st.subheader(f"{plain(model.name)} {plain(shown.name)}")
    if model.active is None:
        st.info(
            "No version of this model is in use: it reads no film until one is activated. It can be measured on a "
            "dataset before that, from a shell (train.evaluate)."
        )
    if shown.publication.override:
        st.warning(
            f"It was published although the gate is closed: {plain(shown.publication.override)}",
            icon=":material/gavel:",
        )
    st.table(version_rows(model.versions), border="horizontal", hide_header=False, hide_index=True)
    offer_version_change(state, model)
    offer_export(model.name, shown)
    card, gate, history = st.tabs(["Card", "Gate", "History"])
    with card, show_errors():
        show_version_card(shown)
    with gate, show_errors():
        show_gate(shown)
    with history, show_errors():
        show_history(model)


def show_version_card(version: Version) -> None:
    """The card of a version, finding by finding."""
    card = version.card
    if card is None:
        st.error(plain(version.problem))
    elif isinstance(card, ModelCard):
        for finding in card.findings:
            if len(card.findings) > 1:
                st.markdown(f"#### {plain(card.name_finding(finding))}")
            show_card(card, finding)
    else:
        show_segmenter_card(card)


def show_segmenter_card(card: SegmenterCard) -> None:
    """What a segmentation model segments, for whom it was made, and how well it does."""
    structures = ", ".join(map(structure_name, card.structures))
    st.markdown(
        f"Segments {plain(structures)}; intended population: {plain(card.population.text)}."
    )
    rows = segmentation_rows(card)
    if rows:
        st.table(rows, border="horizontal", hide_header=False, hide_index=True)
        st.caption("With 95 % intervals from resampled patients.")
    summary, terms = (str(card.training.get(key, "")) for key in ("summary", "terms"))
    st.caption(f"{plain(summary)} {plain(terms)}")
    st.caption(f"Interval of the cardiothoracic ratio: {plain(card.ratio_interval.source)}.")


def show_gate(version: Version) -> None:
    """The gate's verdict from when a version was published."""
    verdict = read_verdict(version.folder)
    if verdict is None:
        origin = "was installed by hand"
        if version.is_shipped:
            origin = "came with the program"
        elif version.imported:
            origin = "was imported from a zip file"
        damage = describe_damage(version.folder)
        if damage:
            st.warning(plain(damage), icon=":material/broken_image:")
        else:
            st.caption(f"This version {origin}; the gate has not been run for it.")
        return
    if version.imported:
        st.caption("This verdict came with the zip file; the gate has not been run for it here.")
    show_verdict(verdict)


def show_history(model: InstalledModel) -> None:
    """Every change of the versions."""
    rows = history_rows(read_history(model.name))
    if rows:
        st.table(rows, border="horizontal", hide_header=False, hide_index=True)
    else:
        st.caption("Nothing has been changed here.")


require_app_frame("models")
if may_open(Role.RESEARCHER, "Models"):
    page()
