"""What leaving films undecided buys: the error among the decided against their share, by three rules."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.evaluation.bootstrap.confidence_bands import ConfidenceBand
from cxr_core.evaluation.charts.coverage import draw_coverage
from cxr_core.evaluation.metrics.coverage import RULE_NAMES, RULES, TABLE, Rule
from cxr_core.evaluation.metrics.results import GroupCoverage
from cxr_core.evaluation.store.coverage_view import CoverageView
from cxr_core.evaluation.store.loaded import LoadedEvaluation
from cxr_core.models.figures import Figure
from cxr_core.presentation.wording import format_count
from cxr_core.reading.decision import UNCERTAINTIES
from pages.components import cache
from pages.components.evaluation.chart_panel import show_chart
from pages.components.evaluation.figures import format_with_interval
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.evaluation.tabs.subgroups import KIND_NAMES
from pages.components.markdown import plain

DEFAULT_SHARE = 0.9
HELP = (
    "A rule decides the surest films first and leaves the others undecided. The lower the curve lies left of 100 %, "
    "the better the rule knows where the model errs. On the dotted line, films would be left undecided at random."
)


def show_coverage(
    state: EvaluatePageState, evaluation: LoadedEvaluation, finding: str, films: str | None
) -> None:
    """The curves, the figures at some shares decided, the subgroups, and why films are undecided."""
    view = cache.load_coverage_view(evaluation, finding, films)
    with st.container(horizontal=True, gap="large"):
        with st.container(key="evaluate-left"):
            _show_curves(state, view)
        with st.container(key="evaluate-right"):
            share = _ask_share(state)
            _show_rules(view, share)
            _show_reasons(view)
    for reason in view.missing.values():
        st.info(reason, icon=":material/info:")
    _show_groups(state, view, share)


def _show_curves(state: EvaluatePageState, view: CoverageView) -> None:
    bands: dict[str, ConfidenceBand] = {}
    for rule in RULES:
        if rule in view.measured:
            bands[rule] = view.measured[rule].error
    points = [(point.name.capitalize(), point.decided, point.error) for point in view.points]
    show_chart(
        state,
        "Error among the decided",
        draw_coverage(bands, points),
        help=HELP,
        note="Shaded: the central 95 % of 1,000 bootstrap resamples of the patients, at each share. Diamonds: the "
        "decisions Standard and Strict as the model makes them.",
    )


def _ask_share(state: EvaluatePageState) -> float:
    share = st.segmented_control(
        "Share of films decided",
        TABLE,
        default=DEFAULT_SHARE,
        required=True,
        format_func=_percent,
        key=state.widget_key("coverage-share"),
    )
    return share or DEFAULT_SHARE


def _show_rules(view: CoverageView, share: float) -> None:
    rows, means = [], []
    for rule in RULES:
        if rule not in view.measured:
            continue
        figures = view.measured[rule].figures
        means.append(f"{RULE_NAMES[rule]} {_format(figures.mean_error)}")
        at = next(one for one in figures.at if one.decided == share)
        rows.append(
            {
                "Rule": RULE_NAMES[rule].capitalize(),
                "Error": _format(at.error),
                "Missed": _format(at.missed),
                "False alarms": _format(at.false_alarms),
                "Films decided": f"{at.error.n:,}, {at.error.positives:,} positive",
            }
        )
    st.markdown(f"**At {_percent(share)} decided**")
    st.table(rows, border="horizontal", hide_index=True, hide_header=False)
    thresholds = f"the middle of the thresholds of the decision {view.decision.capitalize()}"
    if view.decision == "balanced":
        thresholds = "the balanced threshold"
    st.caption(
        f"Distance counts in log-odds from {thresholds}; the out-of-distribution score orders the films and leaves "
        "their calls as they are. The conformal rule rejects the class whose p-value on validation films is smaller, "
        "and is the surer the smaller it is. Missed: of the decided films with the finding. False alarms: of those "
        "without. Where no decided film is wrong, no resample has a wrong one either: its interval says nothing."
    )
    st.caption(f"Mean error over all shares from 1 % to 100 %: {'; '.join(means)}.")


def _show_reasons(view: CoverageView) -> None:
    counts = [
        f"{UNCERTAINTIES[reason]}: {count:,}" for reason, count in view.reasons.items() if count
    ]
    listed = "; ".join(counts) if counts else "none"
    films = format_count(len(view.labels), "films")
    st.caption(
        f"Of {films}, a reading would leave undecided or read with caution: {listed}. A film may count under several "
        "reasons."
    )


def _show_groups(state: EvaluatePageState, view: CoverageView, share: float) -> None:
    if not view.levels:
        st.caption("These films do not record who they show, or all belong to one group.")
        return
    rules = [rule for rule in RULES if rule in view.ranked]
    rule: Rule = (
        st.segmented_control(
            "Rule of the groups",
            rules,
            default=rules[0],
            required=True,
            format_func=lambda rule: RULE_NAMES[rule].capitalize(),
            key=state.widget_key("coverage-rule"),
        )
        or rules[0]
    )
    st.markdown(f"**Groups, when this rule decides {_percent(share)} of all films**")
    st.table(
        _tabulate_groups(view.measure_groups(rule, share)),
        border="horizontal",
        hide_index=True,
        hide_header=False,
    )
    st.caption(
        "One cut for all groups: a group of which fewer films are decided is one that the rule is less sure of. A "
        "group needs 10 patients with and 10 without the finding."
    )


def _tabulate_groups(groups: Sequence[GroupCoverage]) -> list[dict[str, str]]:
    rows = []
    for group in groups:
        name = f"{group.name.replace('-', '–')} years" if group.by == "age" else group.name
        row = {
            "Group": plain(f"{KIND_NAMES.get(group.by, group.by)}: {name}"),
            "Positive": f"{group.positives:,} of {group.films:,}",
            "Decided": "not enough cases",
            "Error among the decided": "",
            "Films decided": "",
        }
        if group.decided is not None and group.error is not None:
            row["Decided"] = _format(group.decided)
            row["Error among the decided"] = _format(group.error)
            row["Films decided"] = f"{group.error.n:,}, {group.error.positives:,} positive"
        rows.append(row)
    return rows


def _format(figure: Figure) -> str:
    return format_with_interval(figure, 3)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
