"""The model's figures by sex, age, view and source, and how each group differs from the others."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.evaluation.charts.groups import draw_forest_plot, filter_of_subgroup
from cxr_core.evaluation.metrics.results import FindingFigures, Subgroup
from cxr_core.evaluation.report.figure_text import format_p_value
from cxr_core.presentation.wording import format_count
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import format_with_interval
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.markdown import plain

SUBGROUP_FIGURES = {
    "auroc": "AUROC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "calibration": "Predicted minus observed",
}
KIND_NAMES = {"sex": "Sex", "age": "Age", "view": "View", "source": "Source"}
HELP = (
    "Each group's figure with its 95 % interval; the dashed line is all films. Predicted minus observed: the mean "
    "probability minus the share of positive films, 0 is best. Click a group for its films."
)


def show_subgroups(state: EvaluatePageState, figures: FindingFigures) -> None:
    """A forest plot of one figure, and a table of all groups."""
    subgroups = figures.subgroups
    if subgroups is None or not subgroups.groups:
        st.info(
            "There are no groups to compare: these films do not record who they show, or all belong to one group. "
            "Groups are compared over all films, not for one view."
        )
        return
    large_enough = [group for group in subgroups.groups if group.enough]
    if large_enough:
        _show_forest_plot(state, figures, large_enough)
    st.table(
        [_subgroup_row(group) for group in subgroups.groups],
        border="horizontal",
        hide_index=True,
        hide_header=False,
    )
    unknown = [
        f"{format_count(count, 'films')} without {by}"
        for by, count in subgroups.unknown.items()
        if count
    ]
    ungrouped = f" In no group: {', '.join(unknown)}." if unknown else ""
    st.caption(
        f"Sensitivity and specificity are at the balanced threshold, {subgroups.threshold:.3g}. A group needs "
        f"{subgroups.least_patients} patients with and {subgroups.least_patients} without the finding. Difference: the "
        "AUROC of the group minus that of all other groups of its kind; interval and p are adjusted for "
        f"{subgroups.compared} comparisons (Bonferroni, Holm).{ungrouped}"
    )


def _show_forest_plot(
    state: EvaluatePageState, figures: FindingFigures, groups: Sequence[Subgroup]
) -> None:
    name = st.segmented_control(
        "Figure",
        list(SUBGROUP_FIGURES),
        default="auroc",
        required=True,
        format_func=SUBGROUP_FIGURES.__getitem__,
        key=state.widget_key("group-figure"),
        label_visibility="collapsed",
    )
    name = name or "auroc"
    overall = {
        "auroc": figures.auroc.value,
        "sensitivity": figures.recall.value,
        "specificity": figures.specificity.value,
        "calibration": 0.0,
    }
    chart = draw_forest_plot(
        [_name_subgroup(group) for group in groups],
        [group.figures[name] for group in groups],
        SUBGROUP_FIGURES[name],
        overall[name],
        [filter_of_subgroup(group) for group in groups],
        [group.by for group in groups],
    )
    show_chart(state, f"{SUBGROUP_FIGURES[name]} by group", chart, help=HELP)


def _subgroup_row(group: Subgroup) -> dict[str, str]:
    row = {
        "Group": plain(_name_subgroup(group)),
        "Positive": f"{group.positives:,} of {group.n:,}",
        "AUROC": "not enough cases",
        "Sensitivity": "",
        "Specificity": "",
        "Difference": "",
        "p": "",
    }
    if group.enough:
        for name in ("auroc", "sensitivity", "specificity"):
            row[SUBGROUP_FIGURES[name]] = format_with_interval(group.figures[name], 2)
        difference = group.differences.get("auroc")
        if difference is None:
            row["Difference"] = "no group to compare with"
        else:
            row["Difference"] = format_with_interval(difference, 2)
            row["p"] = format_p_value(difference.p_adjusted)
    return row


def _name_subgroup(group: Subgroup) -> str:
    name = group.name
    if group.by == "age":
        name = f"{name.replace('-', '–')} years"
    return f"{KIND_NAMES.get(group.by, group.by)}: {name}"
