"""Shows a model's card: what it was trained on, and how well it does on one finding."""

import streamlit as st

from cxr_core.models.card import ModelCard
from cxr_core.models.card_summary import (
    describe_confident_normal,
    describe_input,
    list_label_facts,
    list_thresholds,
    list_training_facts,
    tabulate_card_figures,
)
from cxr_core.presentation.wording import WITH_RATIO
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState


def offer_card(state: ReadPageState, card: ModelCard, finding: str) -> None:
    """A small button that opens a model's card; nothing of the card is rendered before."""
    clicked = st.button(
        "About the model",
        key=state.widget_key(f"about-{finding}-{card.model}"),
        type="tertiary",
        icon=":material/info:",
        help=f"{plain(card.model)} {plain(card.version)}: what it was trained on, and how well it does.",
    )
    if clicked:
        show_card_dialog(card, finding)


@st.dialog("About this model", width="large")
@show_errors()
def show_card_dialog(card: ModelCard, finding: str) -> None:
    """A model's card for one finding, in a dialog."""
    show_card(card, finding)


def show_card(card: ModelCard, finding: str) -> None:
    """What a model was trained on, its figures and its thresholds for one finding."""
    name = plain(card.finding_in_sentence(finding))
    st.markdown(f"**{plain(card.model)}** {plain(card.version)} · {name}")
    definition = card.describe_finding(finding)
    details = [
        *([("Definition", definition)] if definition else []),
        ("Intended population", card.population.text),
        *list_training_facts(card.training, finding),
        *list_label_facts(card, finding),
        *[
            ("Size and file format", of_finding[finding].describe())
            for of_finding in card.resolution.values()
            if finding in of_finding
        ],
    ]
    st.markdown("\n".join(f"- **{name}:** {plain(value)}" for name, value in details))
    rows = [
        {plain(name): plain(text) for name, text in row.items()}
        for row in tabulate_card_figures(card, finding)
    ]
    if rows:
        st.markdown(
            "**Performance** with 95 % intervals, and the number of positive films among all films"
        )
        st.table(rows, border="horizontal", hide_header=False, hide_index=True)
        if finding in card.fusion:
            st.caption(WITH_RATIO)
    points = [
        f"- {plain(thresholds)}, from {plain(source)}"
        for thresholds, source in list_thresholds(card.operating_points[finding])
    ]
    confident = card.confident_normal.get(finding)
    if confident is not None:
        points.append(f"- {plain(describe_confident_normal(confident))}")
    st.markdown("\n".join(["**Thresholds**", *points]))
    st.caption(
        f"Calibration: {plain(card.calibration[finding].source)}. Input {describe_input(card.input_spec)}. "
        f"Weights: SHA-256 {card.weights_sha256[:12]}…"
    )
