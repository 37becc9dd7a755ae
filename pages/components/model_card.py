"""What a model was trained on and how well it did, one click away from its number."""

from collections.abc import Iterable, Iterator
from typing import Any

import streamlit as st

from cxr_core.models.card import OPERATING_POINTS, ModelCard
from cxr_core.presentation.wording import finding_name, operating_point_name
from pages.components.markdown import plain, threshold_text
from pages.components.session import Study

FIGURES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "ece": "Calibration error",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
# Those that need an operating point are shown with its name.
NEED_NO_POINT = ("auroc", "average_precision", "brier", "ece")


def offer_card(study: Study, card: ModelCard, finding: str) -> None:
    """A small button that opens a model's card; nothing of the card is drawn before."""
    clicked = st.button(
        f"About {plain(card.model)}",
        key=study.widget(f"about-{card.model}"),
        type="tertiary",
        icon=":material/info:",
        help="What it was trained on, and how well it does.",
    )
    if clicked:
        show_card(card, finding)


@st.dialog("About this model", width="large")
def show_card(card: ModelCard, finding: str) -> None:
    """What a model was trained on and its figures for one finding, over the page."""
    describe_card(card, finding)


def describe_card(card: ModelCard, finding: str) -> None:
    """What a model was trained on and its figures for one finding."""
    st.markdown(
        f"**{plain(card.model)}** {plain(card.version)} · {plain(finding_name(finding).lower())}"
    )
    facts = [("Made for", card.population.text), *_training(card.training, finding)]
    st.markdown("\n".join(f"- **{name}:** {plain(value)}" for name, value in facts))
    figures = _figures(card.metrics, finding)
    if figures:
        st.markdown("**How well it did**, with 95 % intervals")
        st.table(figures, border="horizontal", hide_header=False, hide_index=True)
    points = [
        f"- {operating_point_name(point.name)}: {threshold_text(point.threshold)}, from {plain(point.source)}"
        for point in card.operating_points[finding]
    ]
    st.markdown("\n".join(["**Thresholds**", *points]))
    st.caption(
        f"Calibration: {plain(card.calibration[finding].source)}. Input {card.input_spec.side} × "
        f"{card.input_spec.side} px. Weights sha256 {card.weights_sha256[:12]}…"
    )


def _training(training: dict[str, Any], finding: str) -> Iterator[tuple[str, str]]:
    """What a card says of its training, as far as it says it."""
    if "summary" in training:
        yield "What it is", str(training["summary"])
    parts = training.get("data", {}).get("parts", {})
    for part, name in (("train", "Learnt from"), ("val", "Tuned on")):
        if part in parts:
            found = parts[part]
            positives = found.get("positives", {}).get(finding)
            share = f", {positives:,} of them with the finding" if positives is not None else ""
            yield (
                name,
                f"{found.get('films', 0):,} films of {found.get('patients', 0):,} patients{share}",
            )
    if "terms" in training:
        yield "Data", str(training["terms"])


def _figures(metrics: dict[str, Any], finding: str) -> list[dict[str, str]]:
    """One row per figure, one column per part of the data that it was measured on."""
    rows: dict[str, dict[str, str]] = {}
    for part, findings in metrics.items():
        for name, figure in _flat(findings.get(finding, {})):
            defined = figure["value"] is not None and figure["low"] is not None
            cell = (
                f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
                if defined
                else "undefined"
            )
            counts = f"{figure['positives']:,} of {figure['n']:,}"
            row = rows.setdefault(name, {"Figure": plain(name)})
            row |= {plain(part.capitalize()): cell, f"Positive in {plain(part)}": counts}
    return [
        {column: row.get(column, "") for column in _columns(rows.values())} for row in rows.values()
    ]


def _columns(rows: Iterable[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _flat(table: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures by the name they are shown under; those of a view or an operating point lie one level deeper."""
    for name, entry in table.items():
        if "value" in entry:
            if name in NEED_NO_POINT:
                yield FIGURES[name], entry
        elif name == "views":
            yield from (
                (f"AUROC, {view} films alone", found["auroc"]) for view, found in entry.items()
            )
        elif name in OPERATING_POINTS:
            point = operating_point_name(name).lower()
            yield from (
                (f"{FIGURES[inner]}, {point}", found)
                for inner, found in entry.items()
                if inner in FIGURES
            )
