"""Compares two to five evaluations, paired on the films that they share."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.evaluation.charts.groups import draw_forest_plot
from cxr_core.evaluation.compare import (
    COMPARED_FIGURES,
    MAX_EVALUATIONS,
    Comparison,
    FindingComparison,
)
from cxr_core.evaluation.report.figure_text import format_p_value
from cxr_core.evaluation.store.catalogue import EvaluationRecord
from cxr_core.presentation.wording import format_count
from pages.components import cache
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import MEANINGS, NO_BREAK_SPACE, format_with_interval
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.evaluation.selection import title_evaluations
from pages.components.markdown import plain


def show_comparison_tab(
    state: EvaluatePageState,
    chosen: EvaluationRecord,
    finding: str,
    records: Sequence[EvaluationRecord],
) -> None:
    """Ask for the other evaluations, then show the figures of each and the differences of each pair."""
    others = {
        str(record.folder): record
        for record in records
        if record is not chosen and finding in record.findings
    }
    if not others:
        st.info(
            "There is no other evaluation of this finding to compare with. Evaluate a second model or run on the same "
            "films, at the bottom of this page."
        )
        return
    titles = dict(zip(others, title_evaluations(list(others.values())), strict=True))
    picked = st.multiselect(
        "Compare with",
        list(others),
        default=[folder for folder in state.compared_folders if folder in others],
        format_func=titles.__getitem__,
        max_selections=MAX_EVALUATIONS - 1,
        key=state.widget_key("compared"),
        placeholder="one to four other evaluations",
    )
    state.compared_folders = tuple(picked)
    if picked:
        compared = [chosen, *(others[folder] for folder in picked)]
        _show_comparison(state, cache.load_comparison(compared), finding)


def _show_comparison(state: EvaluatePageState, comparison: Comparison, finding: str) -> None:
    for warning in comparison.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    compared = comparison.findings.get(finding)
    if compared is None:
        st.info("These evaluations share no film with a label for this finding.")
        return
    st.markdown(
        f"**{format_count(compared.n, 'films')}** of {format_count(compared.patients, 'patients')} are in all of them, "
        f"{compared.positives:,} labelled present."
    )
    _show_figures(state, compared)
    st.markdown(
        "**Differences of each pair**", help="Paired: on the same films and the same resamples."
    )
    st.table(_difference_rows(compared), border="horizontal", hide_index=True, hide_header=False)
    pairs = len(compared.differences)
    adjusted = ""
    if pairs > 1:
        adjusted = f" Intervals and p values are adjusted for {pairs} pairs (Bonferroni, Holm)."
    st.caption(f"AUROC: {plain(compared.auroc_by)}.{adjusted}")


def _show_figures(state: EvaluatePageState, compared: FindingComparison) -> None:
    names = list(compared.figures)
    aurocs = [compared.figures[name]["auroc"] for name in names]
    show_chart(
        state,
        "AUROC of each",
        draw_forest_plot(names, aurocs, "AUROC"),
        help="With 95 % intervals. Figures whose intervals overlap may still differ.",
    )
    st.markdown(
        "**Figures of each**", help="With 95 % intervals, on the films that all of them share."
    )
    rows = []
    for evaluation, figures in compared.figures.items():
        row = {"Evaluation": plain(evaluation)}
        for name in COMPARED_FIGURES:
            row[MEANINGS[name][0]] = format_with_interval(figures[name])
        rows.append(row)
    st.table(rows, border="horizontal", hide_index=True, hide_header=False)


def _difference_rows(compared: FindingComparison) -> list[dict[str, str]]:
    """A row for each pair. Intervals may wrap: otherwise so many columns do not fit on a narrow screen."""
    rows = []
    for pair in compared.differences:
        row = {"Pair": f"{plain(pair.first)} minus {plain(pair.second)}"}
        for name in COMPARED_FIGURES:
            cell = format_with_interval(pair.figures[name])
            row[MEANINGS[name][0]] = cell.replace(NO_BREAK_SPACE, " ")
        row["p of AUROC"] = format_p_value(pair.figures["auroc"].p_adjusted) or "undefined"
        rows.append(row)
    return rows
