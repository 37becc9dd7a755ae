"""Node: start and stop the receiving node, see what waits, and decide about films that got no result."""

from datetime import UTC, datetime

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.dicom_io.node.film_queue import QueuedFilm, State
from cxr_core.dicom_io.node.overview import (
    NodeOverview,
    describe_reason,
    discard_films,
    look_at_node,
    require_node_settings,
    retry_films,
)
from cxr_core.dicom_io.node.switch import start_node, stop_node
from cxr_core.presentation.wording import format_count, format_time
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.sign_in.door import may_open
from pages.components.streamlit_internals import require_app_frame

TITLE = "Receiving node"
INTRODUCTION = (
    "Other systems send films to the node by DICOM. It reads them and sends the results to the archive, also while "
    "this page is closed."
)
POLL_S = 2
STOPS_WITHIN_S = 60.0
# What is shown of the queue: a number's name, the states that it counts, and what they are.
FIGURES = (
    ("Waiting", (State.RECEIVED, State.READING), "Received, but not read yet."),
    ("To be sent", (State.READ, State.SENT), "Read, but not confirmed by the archive yet."),
    ("Confirmed", (State.CONFIRMED,), "The archive holds the results. In the last 30 days."),
    ("Passed over", (State.PASSED_OVER,), "No frontal chest film. In the last 30 days."),
    ("Dead", (State.DEAD,), "No result could be made or sent. They wait below for a decision."),
)


@show_errors()
def page() -> None:
    """The whole page, from top to bottom."""
    st.title(TITLE)
    st.markdown(INTRODUCTION)
    settings, node = require_node_settings()
    peers = ", ".join(f"{peer.ae_title} ({peer.address or 'any address'})" for peer in node.peers)
    st.caption(
        plain(
            f"Listens as {node.ae_title} on {node.address} port {node.port} for {peers}. Results go to "
            f"{settings.results}. These settings are in pacs.toml."
        )
    )
    show_node()


@st.fragment(run_every=POLL_S)
@show_errors()
def show_node() -> None:
    """The switch, the figures and the dead films; looked at again and again."""
    overview = look_at_node()
    _show_switch(overview)
    for place, (name, states, purpose) in zip(st.columns(len(FIGURES)), FIGURES, strict=True):
        count = sum(overview.counts.get(state, 0) for state in states)
        place.metric(name, count, help=purpose)
    if overview.problem:
        st.warning(
            plain(f"Results wait: {describe_reason(overview.problem)}."), icon=":material/schedule:"
        )
    if overview.dead:
        _show_dead(overview.dead)


def _show_switch(overview: NodeOverview) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if overview.process is None:
            st.markdown(":material/stop_circle: The node is not running.")
            st.button("Start", type="primary", icon=":material/play_arrow:", on_click=_start)
        else:
            st.markdown(
                f":material/check_circle: The node runs, as process {overview.process.pid}."
            )
            st.button("Stop", icon=":material/stop:", on_click=_stop)


@show_errors()
def _start() -> None:
    with st.spinner("Starting"):
        start_node()


@show_errors()
def _stop() -> None:
    with st.spinner("Finishing the film that is being read"):
        if not stop_node(STOPS_WITHIN_S):
            st.warning("The node has not stopped yet.")


def _show_dead(films: tuple[QueuedFilm, ...]) -> None:
    st.subheader("Films without a result")
    st.dataframe(
        [
            {
                "film": film.id,
                "received": format_time(datetime.fromtimestamp(film.received, UTC).isoformat()),
                "reason": describe_reason(film.reason),
                "size": f"{film.size / 2**20:.1f} MB",
            }
            for film in films
        ],
        hide_index=True,
    )
    numbers = [film.id for film in films]
    chosen = st.multiselect("Films", numbers, placeholder="All of them", key="node-dead") or numbers
    with st.container(horizontal=True):
        st.button("Try again", icon=":material/replay:", on_click=_retry, args=(chosen,))
        with st.popover("Discard", icon=":material/delete:"):
            st.markdown(
                f"{format_count(len(chosen), 'films')} will be deleted here. They will be read if they are sent again."
            )
            st.button("Delete", type="primary", on_click=_discard, args=(chosen,))


@show_errors()
def _retry(films: list[int]) -> None:
    retry_films(films)


@show_errors()
def _discard(films: list[int]) -> None:
    discard_films(films)


require_app_frame("node")
if may_open(Role.ADMIN, TITLE):
    page()
