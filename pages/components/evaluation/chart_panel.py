"""A chart with its title, what it means, its numbers as CSV, and the films behind its points one click away."""

import re
from collections.abc import Callable

import streamlit as st

from cxr_core.evaluation.charts.base import Chart
from pages.components.evaluation.page_state import Visit
from pages.components.session import clicked_point

INKS = {"light": "#1d2730", "dark": "#e3e8ec"}  # as .streamlit/config.toml has them


def show_chart(visit: Visit, name: str, chart: Chart, help: str = "", note: str = "") -> None:
    """One chart. A click on a point that has films behind it turns to them."""
    slug = re.sub(r"\W+", "-", name.lower()).strip("-")
    key = visit.widget(f"chart-{slug}")
    with st.container(gap="xsmall", key=visit.widget(f"panel-{slug}")):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.markdown(f"**{name}**", help=help or None, width="content")
            offer_csv(chart.csv, slug, key)
        config = _config(visit, slug)
        if chart.behind:
            st.plotly_chart(
                chart.figure,
                key=key,
                on_select=lambda: _clicked(visit, chart, key),
                selection_mode="points",
                config=config,
                alt=chart.says,
            )
        else:
            st.plotly_chart(chart.figure, key=key, config=config, alt=chart.says)
        if note:
            st.caption(note)


def ink() -> str | None:
    """The colour of words, for those inside a chart that Plotly would write in grey; None when it is not known."""
    return INKS.get(st.context.theme.type or "")


def offer_csv(csv: Callable[[], str], name: str, key: str) -> None:
    """A small button that saves numbers; they are written out at the click."""
    st.download_button(
        "CSV",
        csv,
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"{key}-csv",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
        help="The numbers of this chart.",
    )


def _clicked(visit: Visit, chart: Chart, key: str) -> None:
    point = clicked_point(key)
    pick = chart.pick_at(*point) if point else None
    if pick is not None:
        visit.open_films(pick)


def _config(visit: Visit, name: str) -> dict[str, object]:
    return {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": visit.picture_format, "filename": name, "scale": 2},
        "scrollZoom": False,
        "doubleClick": False,
    }
