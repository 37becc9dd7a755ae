"""Train: start runs, watch them, stop them, go on, compare them, and publish what came of them."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.jobs import jobs
from cxr_core.jobs.job import Job
from pages.components import session
from pages.components.markdown import plain
from pages.components.streamlit_internals import require_frame
from pages.components.training.live_runs import listed_again, show_live
from pages.components.training.page_state import RUNS, START, Desk
from pages.components.training.run_comparison import show_comparison
from pages.components.training.run_details import show_run
from pages.components.training.runs_table import choose_runs
from pages.components.training.start import show_start

ONE, SEVERAL = "run", "runs"  # of the address: a link leads to a run, or to a comparison


def page() -> None:
    """The whole page, top to bottom."""
    desk = session.desk()
    st.title("Training")
    _take_address(desk)
    _tell(desk)
    tabs = st.tabs((RUNS, START), default=desk.view, key=desk.widget("view"), on_change="rerun")
    for name, tab in zip((RUNS, START), tabs, strict=True):
        if tab.open:
            desk.view = name
            with tab:
                show_runs(desk) if name == RUNS else show_start(desk)


def show_runs(desk: Desk) -> None:
    """What lives and waits, the table of all, and what is marked in it."""
    found = jobs.jobs()
    if not found:
        st.info("There is no run yet.")
        st.button(
            "Start a run",
            type="primary",
            icon=":material/play_arrow:",
            on_click=desk.turn_to,
            args=(START,),
        )
        return
    show_live(desk, found)
    show_all(desk, found)


def show_all(desk: Desk, found: Sequence[Job]) -> None:
    """The table and what is marked in it, which are drawn again without the page when another run is marked."""
    listed = listed_again(found)

    @st.fragment(key="all-runs")
    def draw() -> None:
        try:
            _show_table_and_marked(desk, listed())
        except SilhouetteError as error:  # what a fragment raises, the page does not see
            st.error(plain(str(error)))

    draw()


def _show_table_and_marked(desk: Desk, found: Sequence[Job]) -> None:
    st.markdown("**All runs** :gray[:small[mark one to see it closely, several to compare them]]")
    choose_runs(desk, found)
    chosen = _chosen(desk, found)
    _write_address(desk, chosen)
    if len(chosen) == 1:
        show_run(desk, chosen[0])
    elif chosen:
        show_comparison(desk, chosen)


def _chosen(desk: Desk, found: Sequence[Job]) -> list[Job]:
    """The runs looked at, in the table's order; one that is gone is said."""
    gone = [run for run in desk.runs if run not in {job.id for job in found}]
    if gone:
        st.warning(
            f"There is no run named {plain(', '.join(gone))} here; it was deleted, or the address is mistyped."
        )
    return [job for job in found if job.id in desk.runs]


def _tell(desk: Desk) -> None:
    """What came of the last thing asked for, once."""
    if desk.said:
        st.toast(plain(desk.said))
    if desk.refused:
        st.error(plain(desk.refused))
    desk.said = desk.refused = ""


def _take_address(desk: Desk) -> None:
    """The runs that a link names, when it is not what the page itself wrote."""
    asked = [*st.query_params.get(SEVERAL, "").split(","), st.query_params.get(ONE, "")]
    named = ",".join(filter(None, asked))
    if named and named != desk.address:
        desk.address = named
        desk.look_at(tuple(named.split(",")))


def _write_address(desk: Desk, chosen: list[Job]) -> None:
    desk.address = ",".join(job.id for job in chosen)
    wanted = {ONE if len(chosen) == 1 else SEVERAL: desk.address} if chosen else {}
    if {key: st.query_params[key] for key in (ONE, SEVERAL) if key in st.query_params} != wanted:
        st.query_params.from_dict(wanted)


require_frame("train")
try:
    page()
except SilhouetteError as error:
    st.error(plain(str(error)))
