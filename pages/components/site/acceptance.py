"""Shows an acceptance test: its outcome, both distributions, what each decision does, the odd films."""

import streamlit as st

from cxr_core.models.figures import MeanFigure
from cxr_core.presentation.wording import decision_name, format_count, format_exact_threshold
from cxr_core.reading.site_profile import ModelProfile
from cxr_core.site.acceptance import (
    CLASS_NAMES,
    SHIFTED,
    Acceptance,
    ClassComparison,
    DecisionRates,
)
from cxr_core.site.distribution_chart import draw_class_distribution
from pages.components.evaluation.chart_panel import offer_csv
from pages.components.evaluation.figures import NO_BREAK_SPACE, format_with_interval
from pages.components.markdown import plain
from pages.components.site.page_state import ComparedFilms, SitePageState

DECISION = "standard"  # whose thresholds the charts show
CHART_CONFIG = {
    "displaylogo": False,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "png", "scale": 2},
    "scrollZoom": False,
    "doubleClick": False,
}


def show_verdict(acceptance: Acceptance, in_use: ModelProfile | None) -> None:
    """The outcome in a sentence. in_use: the profile that films are read with now, which the test does without."""
    sentence = plain(acceptance.verdict_sentence)
    if in_use is not None and in_use.calibration and acceptance.verdict == "shifted":
        rest = acceptance.verdict_sentence.removeprefix(SHIFTED).strip()
        st.info(
            f"Recalibrated on {plain(in_use.installed_on)}. This test is of the model without the profile that is "
            f"installed; by itself it is shifted: {plain(rest)}",
            icon=":material/tune:",
        )
    elif acceptance.verdict == "accepted":
        st.success(sentence, icon=":material/check_circle:")
    elif acceptance.verdict == "shifted":
        st.warning(sentence, icon=":material/tune:")
    else:
        st.info(sentence, icon=":material/hourglass_empty:")


def show_comparison(state: SitePageState, compared: ComparedFilms) -> None:
    """Each class of the site's films against the validation films, then the films to look at and those left out."""
    name = compared.card.finding_in_sentence(compared.local.finding)
    with st.container(horizontal=True, gap="large", key="site-classes"):
        for comparison in compared.acceptance.classes:
            with st.container(key=f"site-class-{comparison.label}"):
                _show_class(state, compared, comparison, name)
    st.caption(
        f"Dashed: thresholds of the {decision_name(DECISION).lower()} decision. Left of both a film is called not "
        "suspected, right of both suspected, between them undecided. Each patient counts once."
    )
    _show_odd_films(compared)
    _show_left_out(compared)
    if compared.note:
        st.caption(plain(compared.note))


def _show_class(
    state: SitePageState, compared: ComparedFilms, comparison: ClassComparison, name: str
) -> None:
    label = CLASS_NAMES.index(comparison.label)
    title = f"Free of {plain(name)}" if label == 0 else f"With {plain(name)}"
    chart = draw_class_distribution(
        compared.local,
        compared.scores,
        compared.card,
        label,
        decision=DECISION,
        standing_out=[film.sha256 for film in compared.acceptance.standing_out],
    )
    key = state.widget_key(f"chart-{comparison.label}")
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(
            f"**{title}** :gray[· {format_count(comparison.films, 'films')} of "
            f"{format_count(comparison.patients, 'patients')} here]",
            width="content",
        )
        offer_csv(chart.to_csv, f"site-{comparison.label}", key)
    st.plotly_chart(chart.figure, key=key, config=CHART_CONFIG, alt=chart.description)
    st.markdown(_describe_difference(comparison))
    st.table(
        [_make_row(rates, label) for rates in comparison.rates],
        border="horizontal",
        hide_index=True,
        hide_header=False,
    )


def _describe_difference(comparison: ClassComparison) -> str:
    """The shift and the distance in a sentence."""
    p_value = "below 0.001" if comparison.p_value < 0.001 else f"{comparison.p_value:.3f}"
    text = (
        f"Median log-odds here less validation: **{format_with_interval(comparison.shift, 2)}**. Kolmogorov-Smirnov "
        f"distance {comparison.distance:.2f} (p {p_value})."
    )
    if not comparison.tested:
        text += " Too few patients to decide by."
    return text


def _make_row(rates: DecisionRates, label: int) -> dict[str, str]:
    error = "Missed" if label else "False alarms"
    return {
        "Decision": decision_name(rates.decision),
        f"{error} here": format_share(rates.misjudged),
        f"{error} on validation": _format_percent(rates.expected),
        "Undecided here": format_share(rates.undecided),
    }


def format_share(figure: MeanFigure) -> str:
    """A share in per cent with its interval, which stays on one line."""
    if figure.value is None or figure.low is None or figure.high is None:
        return "undefined"
    interval = f"({100 * figure.low:.0f} to {100 * figure.high:.0f})".replace(" ", NO_BREAK_SPACE)
    return f"{_format_percent(figure.value)} {interval}"


def _format_percent(share: float) -> str:
    return format_exact_threshold(share) if 0 < share < 1 else f"{100 * share:.0f} %"


def _show_odd_films(compared: ComparedFilms) -> None:
    """The films whose labels are to be looked at first."""
    films = compared.acceptance.standing_out
    if films:
        st.markdown("**Look at these films first**")
        lines = [f"- {plain(film.sentence)}" for film in films]
        st.markdown("\n".join(lines))


def _show_left_out(compared: ComparedFilms) -> None:
    """The films that did not count, each with its reason."""
    films = compared.acceptance.left_out
    if not films:
        return
    count = format_count(len(films), "films")
    with st.expander(f"{count} left out", icon=":material/filter_alt_off:"):
        st.table(
            [
                {"File": plain(film.name.rsplit("/", 1)[-1]), "Why": plain(film.reason)}
                for film in films
            ],
            border="horizontal",
            hide_index=True,
            hide_header=False,
        )
