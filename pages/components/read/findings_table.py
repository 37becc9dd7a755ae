"""The findings of one film as a table, each a click away from what its model was trained on."""

import streamlit as st

from cxr_core.presentation.wording import (
    compare_to_threshold,
    finding_name,
    format_percent,
    operating_point_name,
)
from cxr_core.reading.cardiothoracic.ratio_wording import parts_words
from cxr_core.reading.results import FindingReading, Reading
from pages.components.markdown import plain, threshold_text
from pages.components.model_card import offer_card
from pages.components.session import Study

CALL_COLOURS = {"present": "red", "absent": "gray", "indeterminate": "orange"}


def show_findings(study: Study, reading: Reading) -> None:
    """One row per finding: call, calibrated probability, threshold, model and its population, or why there is none."""
    with st.container():
        for remark in reading.remarks:
            st.info(plain(remark), icon=":material/info:")
    st.table(
        [row(finding) for finding in reading.findings],
        border="horizontal",
        hide_header=False,
        hide_index=True,
    )
    cards = {id(f.card): (f.card, f.finding) for f in reading.findings if f.card is not None}
    with st.container(horizontal=True, gap="xsmall"):
        for card, finding in cards.values():
            offer_card(study, card, finding)


def row(finding: FindingReading) -> dict[str, str]:
    """A finding's row, in Markdown."""
    name = f"**{plain(finding_name(finding.finding))}**"
    if finding.probability is None or finding.threshold is None:
        why = f":small[:gray[{plain(finding.reason or '')}]]"
        return {
            "Finding": f"{name}  \n{why}",
            "Call": ":gray-badge[No model]",
            "Probability": "–",
            "Threshold": "–",
        }
    call = finding.call or "indeterminate"
    point = operating_point_name(finding.operating_point or "").lower()
    model = f"for {plain(finding.population or '')}  \n{plain(finding.model or '')} {plain(finding.version or '')}"
    return {
        "Finding": f"{name}  \n:small[:gray[{model}]]",
        "Call": f":{CALL_COLOURS[call]}-badge[{call.capitalize()}]",
        "Probability": f"**{plain(format_percent(finding.probability))}**{_beneath(finding)}",
        "Threshold": f"{threshold_text(finding.threshold)}  \n:small[:gray[{plain(point)}]]",
    }


def _beneath(finding: FindingReading) -> str:
    """Which side of the threshold it is on, where whole per cent do not tell; who said what of a combined one."""
    assert finding.probability is not None
    assert finding.threshold is not None
    notes = [plain(parts_words(finding.parts) or "")]
    if format_percent(finding.probability) == format_percent(finding.threshold):
        notes.append(f"just {compare_to_threshold(finding.probability, finding.threshold)}")
    return "".join(f"  \n:small[:gray[{note}]]" for note in notes if note)
