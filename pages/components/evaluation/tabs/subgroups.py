"""For whom the model is good: its figures by sex, age, view and source, and how far each group lies from the others."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cxr_core.evaluation.charts.groups import forest_chart, group_pick
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import cell_of
from pages.components.evaluation.page_state import Visit
from pages.components.markdown import plain

FIGURES = {
    "auroc": "AUROC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "calibration": "Said less seen",
}
KINDS = {"sex": "Sex", "age": "Age", "view": "View", "source": "Source"}
HELP = (
    "Each group's figure with its 95 % interval; the dashed line is all films. Said less seen: the mean probability "
    "less the share that is positive, 0 is right. Click a group for its films."
)


def show_whom(visit: Visit, figures: Mapping[str, Any]) -> None:
    """A forest plot of one figure, and the table of all groups."""
    found = figures.get("subgroups")
    if not found or not found["groups"]:
        st.info(
            "There are no groups to compare: these films do not say of whom they are, or are all of one group. "
            "Groups are told for all films together, not for one view."
        )
        return
    enough = [group for group in found["groups"] if group["enough"]]
    if enough:
        _show_forest(visit, figures, enough)
    st.table(
        [_row(group) for group in found["groups"]],
        border="horizontal",
        hide_index=True,
        hide_header=False,
    )
    least = found["least_patients_of_each_class"]
    unknown = [f"{count:,} films without {by}" for by, count in found["unknown"].items() if count]
    left_out = f" In no group: {', '.join(unknown)}." if unknown else ""
    st.caption(
        f"Sensitivity and specificity at the balanced threshold, {found['threshold']:.3g}. A group needs {least} "
        f"patients with and {least} without the finding. Difference: AUROC of the group less that of all others of its "
        f"kind; interval and p are corrected for {found['compared']} comparisons (Bonferroni, Holm).{left_out}"
    )


def _show_forest(visit: Visit, figures: Mapping[str, Any], groups: list[Mapping[str, Any]]) -> None:
    name = st.segmented_control(
        "Figure",
        list(FIGURES),
        default="auroc",
        required=True,
        format_func=lambda each: FIGURES[each],
        key=visit.widget("group-figure"),
        label_visibility="collapsed",
    )
    name = name or "auroc"
    overall = (
        0.0
        if name == "calibration"
        else figures["recall" if name == "sensitivity" else name]["value"]
    )
    chart = forest_chart(
        [_name(group) for group in groups],
        [group[name] for group in groups],
        FIGURES[name],
        overall,
        [group_pick(group) for group in groups],
        [group["by"] for group in groups],
    )
    show_chart(visit, f"{FIGURES[name]} by group", chart, help=HELP)


def _row(group: Mapping[str, Any]) -> dict[str, str]:
    row = {"Group": plain(_name(group)), "Positive": f"{group['positives']:,} of {group['n']:,}"}
    if not group["enough"]:
        return row | {
            "AUROC": "not enough cases",
            "Sensitivity": "",
            "Specificity": "",
            "Difference": "",
            "p": "",
        }
    apart = group["difference"].get("auroc")
    return row | {
        "AUROC": cell_of(group["auroc"], 2),
        "Sensitivity": cell_of(group["sensitivity"], 2),
        "Specificity": cell_of(group["specificity"], 2),
        "Difference": cell_of(apart, 2) if apart else "nobody to compare with",
        "p": p_words(apart["p_adjusted"] if apart else None),
    }


def p_words(p: float | None) -> str:
    """A p value as people write it."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _name(group: Mapping[str, Any]) -> str:
    name = group["name"].replace("-", "–") + " years" if group["by"] == "age" else group["name"]
    return f"{KINDS.get(group['by'], group['by'])}: {name}"
