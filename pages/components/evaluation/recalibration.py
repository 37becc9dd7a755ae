"""Shows what recalibration on these films would change; never as the model's own figures."""

import streamlit as st

from cxr_core.evaluation.metrics.recalibrate import NotRecalibrated, RecalibratedFinding
from cxr_core.evaluation.report.recalibration import (
    FIGURE_NAMES,
    describe_recalibration,
    describe_thresholds,
)
from cxr_core.evaluation.store.loaded import LoadedEvaluation
from pages.components.evaluation.figures import format_with_interval
from pages.components.evaluation.methods import METHOD_HELP, METHODS
from pages.components.markdown import plain

OWN_THRESHOLD = (
    "Sensitivity and specificity are at the model's balanced threshold, which was chosen for its own probabilities. "
    "Recalibrated probabilities need another threshold."
)


def show_recalibration(evaluation: LoadedEvaluation, finding: str) -> None:
    """The figures before and after recalibration, where they were measured; else how to measure them."""
    st.markdown(
        "**Recalibrated for these films**",
        help="Fitted on the labels of some of these patients and measured on the others. The model stays as it is, and "
        "so does everything else on this page.",
    )
    recalibration = evaluation.recalibration
    outcome = recalibration.findings.get(finding) if recalibration else None
    if outcome is None:
        _explain_methods()
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


def _explain_methods() -> None:
    """What could be measured, and where to start it."""
    lines = [f"- **{name}:** {METHOD_HELP[method]}" for method, name in METHODS.items()]
    st.markdown(
        "Not measured in this evaluation. To measure it, choose a recalibration under **Make another evaluation** at "
        "the bottom of this page.\n\n" + "\n".join(lines)
    )
