"""Shows what the site's readings say since the acceptance test: drift, and the shares undecided and refused by week."""

import streamlit as st

from cxr_core.errors import SiteError
from cxr_core.presentation.wording import format_percent, format_time
from cxr_core.site.drift import Drift
from cxr_core.site.validation_scores import read_validation_scores
from cxr_core.site.watch_report import SHIFT_UNCORRECTED, find_last_test, report_watching
from cxr_core.site.watching import (
    VARIABLE,
    FindingCounts,
    Week,
    is_forbidden,
    is_watching,
    switch_watching,
)
from cxr_core.site.weekly_chart import draw_weeks, tabulate_weeks
from pages.components.evaluation.chart_panel import offer_csv
from pages.components.markdown import plain
from pages.components.session import field_value, set_field_value
from pages.components.site.acceptance import CHART_CONFIG
from pages.components.site.page_state import SitePageState
from pages.components.site.selection import Question

SWITCH = "site-watch"
WEEKS_LISTED = 12


def show_watching(state: SitePageState, question: Question) -> None:
    """The switch, the drift since the last acceptance test, and the weeks."""
    card = question.card
    test = find_last_test(card, question.finding)
    if test is None:
        st.markdown(
            "Here the readings of your site are compared with its acceptance test, week by week: first make that "
            f"test with {plain(card.model)} {plain(card.version)} under **Acceptance**."
        )
        return
    _offer_switch(state)
    scores = read_validation_scores(question.folder, card).of_finding(question.finding)
    report = report_watching(card, question.finding, scores)
    for problem in report.problems:
        st.warning(plain(problem), icon=":material/broken_image:")
    st.caption(f"Since the acceptance test of {format_time(test.made)}, by whole weeks.")
    if report.shift_uncorrected:
        st.warning(plain(SHIFT_UNCORRECTED), icon=":material/tune:")
    else:
        _show_drift(report.drift)
    if report.weeks:
        counts = [week.find(card.model, card.version, question.finding) for week in report.weeks]
        _show_weeks(state, report.weeks, counts)


def _offer_switch(state: SitePageState) -> None:
    set_field_value(SWITCH, is_watching())
    st.toggle(
        "Watch the readings of this site",
        key=SWITCH,
        disabled=is_forbidden(),
        on_change=_switch,
        args=(state,),
        help="Each reading adds its log-odds, verdict and quality flags to the counts of its week. No film, no name, "
        "no hash and no time of day is kept.",
    )
    if is_forbidden():
        st.caption(f"`{VARIABLE}` is off on this machine, so nothing is counted.")


def _switch(state: SitePageState) -> None:
    try:
        switch_watching(bool(field_value(SWITCH)))
    except SiteError as error:
        state.error = str(error)


def _show_drift(drift: Drift) -> None:
    sentence = plain(drift.sentence)
    if drift.verdict == "drifted":
        st.warning(sentence, icon=":material/trending_up:")
    elif drift.verdict == "steady":
        st.success(sentence, icon=":material/check_circle:")
    else:
        st.info(sentence, icon=":material/hourglass_empty:")
    if drift.distance is not None and drift.critical is not None:
        st.caption(
            f"Kolmogorov-Smirnov distance {drift.distance:.3f}; drift is above {drift.critical:.3f}."
        )


def _show_weeks(state: SitePageState, weeks: tuple[Week, ...], counts: list[FindingCounts]) -> None:
    table = tabulate_weeks(weeks, counts)
    chart = draw_weeks(table)
    key = state.widget_key("weeks")
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown("**Undecided and refused by week**", width="content")
        offer_csv(chart.to_csv, "site-weeks", key)
    st.plotly_chart(chart.figure, key=key, config=CHART_CONFIG, alt=chart.description)
    st.table(
        [
            {
                "Week": row.week,
                "Undecided": _format_share(row.undecided),
                "Refused": _format_share(row.refused),
                "Readings": f"{row.films:,}",
                "Films that arrived": f"{row.arrived:,}",
            }
            for row in list(table.itertuples())[: -WEEKS_LISTED - 1 : -1]
        ],
        border="horizontal",
        hide_index=True,
        hide_header=False,
    )
    if len(weeks) > WEEKS_LISTED:
        st.caption(f"The last {WEEKS_LISTED} of {len(weeks)} weeks; the CSV file has all.")


def _format_share(share: float) -> str:
    if share != share:  # without a film
        return "–"
    return format_percent(share) if 0 < share < 1 else f"{100 * share:.0f} %"
