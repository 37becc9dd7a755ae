"""Two to five evaluations on the films that they share, paired."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.evaluation.charts.groups import forest_chart
from cxr_core.evaluation.compare import MEASURED, MOST, Comparison, FindingComparison
from cxr_core.evaluation.store.catalogue import Shelved
from pages.components import cache
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import MEANINGS, UNBROKEN, cell_of
from pages.components.evaluation.page_state import Visit
from pages.components.evaluation.selection import title_of
from pages.components.evaluation.tabs.subgroups import p_words
from pages.components.markdown import plain


def show_compare(visit: Visit, chosen: Shelved, finding: str, readable: Sequence[Shelved]) -> None:
    """Ask for the others, then figures of each and differences of each pair."""
    others = {
        str(each.folder): each
        for each in readable
        if _measures(each, finding) and each is not chosen
    }
    if not others:
        st.info(
            "There is no other evaluation of this finding to compare with. Evaluate a second model or run on the same "
            "films: `python -m train.evaluate MODEL_OR_RUN --data FOLDER`."
        )
        return
    picked = st.multiselect(
        "Compare with",
        list(others),
        default=[folder for folder in visit.beside if folder in others],
        format_func=lambda folder: title_of(others[folder]),
        max_selections=MOST - 1,
        key=visit.widget("beside"),
        placeholder="one to four other evaluations",
    )
    visit.beside = tuple(picked)
    if picked:
        found = cache.comparison([chosen, *(others[folder] for folder in picked)])
        _show(visit, found, finding)


def _measures(shelved: Shelved, finding: str) -> bool:
    return shelved.of_findings and finding in shelved.metrics["findings"]


def _show(visit: Visit, found: Comparison, finding: str) -> None:
    for warning in found.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    compared = found.findings.get(finding)
    if compared is None:
        st.info("These evaluations share no film with a label of this finding.")
        return
    st.markdown(
        f"**{compared.n:,} films** of {compared.patients:,} patients are in all of them, {compared.positives:,} "
        "labelled present."
    )
    _show_figures(visit, compared)
    st.markdown(
        "**Differences of each pair**", help="Paired: on the same films and the same resamples."
    )
    st.table(_difference_rows(compared), border="horizontal", hide_index=True, hide_header=False)
    pairs = len(compared.differences)
    corrected = (
        f" Intervals and p of differences are corrected for {pairs} pairs (Bonferroni, Holm)."
    )
    st.caption(f"AUROC: {plain(compared.auroc_by)}.{corrected if pairs > 1 else ''}")


def _show_figures(visit: Visit, compared: FindingComparison) -> None:
    names = list(compared.figures)
    chart = forest_chart(
        names, [compared.figures[name]["auroc"].to_json() for name in names], "AUROC"
    )
    show_chart(
        visit,
        "AUROC of each",
        chart,
        help="With 95 % intervals. Overlapping intervals may still differ.",
    )
    st.markdown(
        "**Figures of each**",
        help="With their 95 % intervals, on the films that all of them share.",
    )
    rows = [
        {"Evaluation": plain(who)}
        | {MEANINGS[name][0]: cell_of(of[name].to_json()) for name in MEASURED}
        for who, of in compared.figures.items()
    ]
    st.table(rows, border="horizontal", hide_index=True, hide_header=False)


def _difference_rows(compared: FindingComparison) -> list[dict[str, str]]:
    """A row for each pair, its intervals free to break: so many columns find room on a narrow screen only so."""
    return [
        {"Pair": f"{plain(one)} less {plain(other)}"}
        | {
            MEANINGS[name][0]: cell_of(apart[name].to_json()).replace(UNBROKEN, " ")
            for name in MEASURED
        }
        | {"p of AUROC": p_words(apart["auroc"].p_adjusted) or "undefined"}
        for (one, other), apart in compared.differences.items()
    ]
