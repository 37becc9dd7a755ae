"""Shows a chart with its title, its help, its numbers as CSV, and the films behind its points one click away."""

import re
from collections.abc import Callable

import streamlit as st

from cxr_core.evaluation.charts.base import Chart
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.session import clicked_point

TEXT_COLOURS = {"light": "#1d2730", "dark": "#e3e8ec"}  # as in .streamlit/config.toml


def show_chart(
    state: EvaluatePageState, name: str, chart: Chart, help: str = "", note: str = ""
) -> None:
    """One chart. A click on a point that has films behind it switches to them.

    The films behind the points are part of the key, so that a click that was on its way while they changed never means
    other films than those of the chart that the browser showed.
    """
    slug = re.sub(r"\W+", "-", name.lower()).strip("-")
    key = state.widget_key(f"chart-{slug}-{chart.filters_digest}")
    with st.container(gap="xsmall", key=state.widget_key(f"panel-{slug}")):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.markdown(f"**{name}**", help=help or None, width="content")
            offer_csv(chart.to_csv, slug, key)
        config = _chart_config(state, slug)
        if chart.filters:
            st.plotly_chart(
                chart.figure,
                key=key,
                on_select=lambda: _show_clicked_films(state, chart, key),
                selection_mode="points",
                config=config,
                alt=chart.description,
            )
        else:
            st.plotly_chart(chart.figure, key=key, config=config, alt=chart.description)
        if note:
            st.caption(note)


def text_colour() -> str | None:
    """The theme's text colour, for text inside a chart, which Plotly would write in grey; None when it is unknown."""
    return TEXT_COLOURS.get(st.context.theme.type or "")


def offer_csv(write_csv: Callable[[], str], name: str, key: str) -> None:
    """A small button that saves numbers; they are written at the click."""
    st.download_button(
        "CSV",
        write_csv,
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"{key}-csv",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        help="The numbers in this chart.",
    )


def _show_clicked_films(state: EvaluatePageState, chart: Chart, key: str) -> None:
    point = clicked_point(key)
    film_filter = chart.filter_at(*point) if point else None
    if film_filter is not None:
        state.show_films_behind(film_filter)


def _chart_config(state: EvaluatePageState, name: str) -> dict[str, object]:
    return {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": state.image_format, "filename": name, "scale": 2},
        "scrollZoom": False,
        "doubleClick": False,
    }
