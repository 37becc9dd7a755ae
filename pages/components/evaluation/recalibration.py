"""Shows what recalibration on these films would change; never as the model's own figures."""

import streamlit as st

from cxr_core.evaluation.metrics.recalibrate import NotRecalibrated, RecalibratedFinding
from cxr_core.evaluation.report.recalibration import (
    FIGURE_NAMES,
    describe_recalibration,
    describe_thresholds,
)
from cxr_core.evaluation.store.loaded import LoadedEvaluation
from pages.components.evaluation.command import METHOD_HELP, METHODS, build_repeat_command
from pages.components.evaluation.figures import format_with_interval
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.markdown import plain

OWN_THRESHOLD = (
    "Sensitivity and specificity are at the model's balanced threshold, which was chosen for its own probabilities. "
    "Recalibrated probabilities need another threshold."
)


def show_recalibration(
    state: EvaluatePageState, evaluation: LoadedEvaluation, finding: str
) -> None:
    """The figures before and after recalibration, where they were measured; else the command that measures them."""
    st.markdown(
        "**Recalibrated for these films**",
        help="Fitted on the labels of some of these patients and measured on the others. The model stays as it is, and "
        "so does everything else on this page.",
    )
    recalibration = evaluation.recalibration
    outcome = recalibration.findings.get(finding) if recalibration else None
    if outcome is None:
        _offer_command(state, evaluation)
    elif isinstance(outcome, NotRecalibrated):
        st.info(f"Not recalibrated: {plain(outcome.reason)}.")
    else:
        _show_before_and_after(outcome)


def _show_before_and_after(outcome: RecalibratedFinding) -> None:
    st.markdown(
        "These are **not the model's own figures**. Its probabilities were recalibrated with the labels of some of "
        "these patients and measured on the other patients, all views together."
    )
    before, after = outcome.before.by_name(), outcome.after.by_name()
    difference = outcome.difference.by_name()
    rows = [
        {
            "Figure": label,
            "The model's own": format_with_interval(before[name]),
            "Recalibrated": format_with_interval(after[name]),
            "Difference": format_with_interval(difference[name]),
        }
        for name, label in FIGURE_NAMES.items()
    ]
    st.table(rows, border="horizontal", hide_index=True, hide_header=False)
    thresholds = describe_thresholds(outcome) if outcome.thresholds else OWN_THRESHOLD
    st.caption(f"{plain(describe_recalibration(outcome))} {plain(thresholds)}")


def _offer_command(state: EvaluatePageState, evaluation: LoadedEvaluation) -> None:
    method = st.segmented_control(
        "Method",
        list(METHODS),
        default="line",
        required=True,
        format_func=METHODS.__getitem__,
        key=state.widget_key("recalibration"),
        label_visibility="collapsed",
    )
    method = method or "line"
    st.markdown(f"{METHOD_HELP[method]} This command evaluates again and also measures it:")
    command = build_repeat_command(evaluation.record, "--recalibrate", method)
    st.code(command, language="bash", wrap_lines=True)
