"""Shows the thresholds that were refitted to the site's films, and what they may be expected to cover."""

import streamlit as st

from cxr_core.models.figures import MeanFigure
from cxr_core.presentation.wording import decision_name, format_exact_threshold
from cxr_core.reading.site_profile import NOT_VERIFIED
from cxr_core.site.local_decisions import LocalDecision, LocalDecisions
from pages.components.markdown import plain
from pages.components.site.acceptance import format_share


def show_local_decisions(decisions: LocalDecisions, name: str) -> None:
    """The thresholds of each decision; where a class is too small the model's own stay. name: of the finding."""
    st.markdown(plain(decisions.sentence))
    if not decisions.decisions:
        return
    st.table(
        [_make_row(decision, name) for decision in decisions.decisions],
        border="horizontal",
        hide_index=True,
        hide_header=False,
    )
    st.caption(
        "Conformal thresholds: the share in the last two columns is expected of new films like these, with its 95 % "
        "interval over draws of the films that the threshold was chosen on."
    )


def _make_row(decision: LocalDecision, name: str) -> dict[str, str]:
    return {
        "Decision": decision_name(decision.name),
        "Not suspected below": format_exact_threshold(decision.absent_below),
        "Suspected from": format_exact_threshold(decision.present_from),
        f"Free of {plain(name)}, no false alarm": _describe_coverage(decision.coverage_absent),
        f"With {plain(name)}, not missed": _describe_coverage(decision.coverage_present),
    }


def _describe_coverage(coverage: MeanFigure | None) -> str:
    return NOT_VERIFIED if coverage is None else format_share(coverage)
