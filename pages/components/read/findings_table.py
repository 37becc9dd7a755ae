"""Shows the findings of one film as a table, with a button for the card of each model."""

import streamlit as st

from cxr_core.presentation.wording import (
    call_name,
    compare_to_threshold,
    finding_name,
    format_percent,
    operating_point_name,
)
from cxr_core.reading.results import FindingReading, Reading
from pages.components.markdown import plain
from pages.components.model_card import offer_card
from pages.components.read.page_state import ReadPageState
from pages.components.wording import format_exact_threshold

CALL_COLOURS = {"present": "red", "absent": "gray", "indeterminate": "orange"}


def show_findings(state: ReadPageState, reading: Reading) -> None:
    """One row per finding: call, calibrated probability, threshold, model and its population, or why there is none."""
    with st.container():
        for remark in reading.warnings:
            st.info(plain(remark), icon=":material/info:")
    st.table(
        [finding_row(finding) for finding in reading.findings],
        border="horizontal",
        hide_header=False,
        hide_index=True,
    )
    cards = {id(f.card): (f.card, f.finding) for f in reading.findings if f.card is not None}
    with st.container(horizontal=True, gap="xsmall"):
        for card, finding in cards.values():
            offer_card(state, card, finding)


def finding_row(finding: FindingReading) -> dict[str, str]:
    """A finding's row, in Markdown."""
    name = f"**{plain(finding_name(finding.finding))}**"
    if finding.probability is None or finding.present_from is None:
        reason = f":small[:gray[{plain(finding.reason or '')}]]"
        return {
            "Finding": f"{name}  \n{reason}",
            "Call": ":gray-badge[No model]",
            "Probability": "–",
            "Threshold": "–",
        }
    call = finding.call or "indeterminate"
    point = operating_point_name(finding.operating_point or "").lower()
    population = plain(finding.population or "")
    model = f"{plain(finding.model or '')} {plain(finding.version or '')}"
    percent = plain(format_percent(finding.probability))
    threshold = format_exact_threshold(finding.present_from)
    return {
        "Finding": f"{name}  \n:small[:gray[for {population}  \n{model}]]",
        "Call": f":{CALL_COLOURS[call]}-badge[{call_name(call).capitalize()}]",
        "Probability": f"**{percent}**{_probability_notes(finding)}",
        "Threshold": f"{threshold}  \n:small[:gray[{plain(point)}]]",
    }


def _probability_notes(finding: FindingReading) -> str:
    """The parts of a fused probability; and its side of the threshold, where whole per cent hide it."""
    assert finding.probability is not None
    assert finding.present_from is not None
    notes = []
    if finding.fusion_parts is not None:
        notes.append(plain(finding.fusion_parts.describe()))
    if format_percent(finding.probability) == format_percent(finding.present_from):
        notes.append(f"just {compare_to_threshold(finding.probability, finding.threshold)}")
    return "".join(f"  \n:small[:gray[{note}]]" for note in notes if note)
