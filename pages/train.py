"""Train: start training runs, watch, stop, resume and compare them, and publish their models."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.data.registry import list_datasets
from cxr_core.jobs.job import Job
from cxr_core.jobs.scheduler import ensure_scheduler
from cxr_core.jobs.status import list_runs
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.page_links import link_to_data_page
from pages.components.session import set_field_value, train_page_state
from pages.components.sign_in.door import may_open
from pages.components.streamlit_internals import require_app_frame
from pages.components.training.averaging import offer_average
from pages.components.training.cross_validations import show_cross_validations
from pages.components.training.live_runs import make_relister, show_live_runs
from pages.components.training.page_state import RUNS, START, TrainPageState
from pages.components.training.run_annotation import list_tags
from pages.components.training.run_comparison import show_run_comparison
from pages.components.training.run_details import show_run_details
from pages.components.training.runs_table import SEARCH, STATE, choose_runs
from pages.components.training.searches import show_searches
from pages.components.training.start import show_start_form

TAB = "tab"
ONE_RUN, SEVERAL_RUNS = "run", "runs"  # of the address: a link leads to a run, or to a comparison


@show_errors()
def page() -> None:
    """The whole page, from top to bottom."""
    state = train_page_state()
    st.title("Training")
    take_address(state)
    show_messages(state)
    views = {RUNS: show_runs, START: show_start_form}
    apply_requests(state)
    tabs = st.tabs(list(views), key=TAB, on_change="rerun", bind="query-params")
    for show, tab in zip(views.values(), tabs, strict=True):
        if tab.open:
            with tab, show_errors():
                show(state)


def apply_requests(state: TrainPageState) -> None:
    """Show the part of the page, and the runs, that a callback or another part asked for."""
    if state.requested_view:
        set_field_value(TAB, state.requested_view)
    if state.requests_all_runs:
        set_field_value(SEARCH, "")
        set_field_value(STATE, None)
    state.requested_view, state.requests_all_runs = "", False


def show_runs(state: TrainPageState) -> None:
    """Running and queued runs, the table of all runs, and the runs selected in it."""
    ensure_scheduler()  # it starts queued runs, also those that were queued before a restart
    runs = list_runs()
    if not runs:
        with show_errors():
            show_searches(state)
        introduce_training(state)
        return
    with show_errors():
        show_live_runs(state, runs)
    with show_errors():
        show_cross_validations(state, runs)
    with show_errors():
        show_searches(state)
    show_all_runs(state, runs)


def introduce_training(state: TrainPageState) -> None:
    """What the page is for and what to do first, before there is any run."""
    purpose = "**There are no runs yet.** Here models are trained on your own films, compared and published"
    if not list_datasets():
        st.markdown(f"{purpose}: first add a dataset.")
        link_to_data_page()
        return
    st.markdown(f"{purpose}: first start a run on one of your datasets.")
    st.button(
        "Start a run",
        type="primary",
        icon=":material/play_arrow:",
        on_click=state.switch_view,
        args=(START,),
    )


def show_all_runs(state: TrainPageState, runs: Sequence[Job]) -> None:
    """The table and the runs selected in it; selecting another run reruns these, not the page."""
    list_again = make_relister(runs)

    @st.fragment(key="all-runs")
    @show_errors()
    def draw_runs() -> None:
        if state.needs_page:
            st.rerun()
        show_table_and_selected(state, list_again())

    draw_runs()


def show_table_and_selected(state: TrainPageState, runs: Sequence[Job]) -> None:
    """The table, then one selected run in detail, or several compared."""
    st.markdown(
        "**All runs** :gray[:small[select one to see its details, several to compare them]]"
    )
    choose_runs(state, runs)
    selected = find_selected(state, runs)
    write_address(state, selected)
    if len(selected) == 1:
        show_run_details(state, selected[0], list_tags(runs))
    elif selected:
        offer_average(state, selected)
        show_run_comparison(state, selected)


def find_selected(state: TrainPageState, runs: Sequence[Job]) -> list[Job]:
    """The selected runs, in the table's order; warns about those that are gone."""
    ids = {run.id for run in runs}
    gone = [run for run in state.selected_runs if run not in ids]
    if gone:
        st.warning(
            f"There is no run named {plain(', '.join(gone))}; it was deleted, or the address is mistyped."
        )
    return [run for run in runs if run.id in state.selected_runs]


def show_messages(state: TrainPageState) -> None:
    """The outcome of the last action, once."""
    if state.message:
        st.toast(plain(state.message))
    if state.error:
        st.error(plain(state.error))
    state.message = state.error = ""


def take_address(state: TrainPageState) -> None:
    """Select the runs that a link names by their ids, unless the page wrote that address itself."""
    named = [*st.query_params.get(SEVERAL_RUNS, "").split(","), st.query_params.get(ONE_RUN, "")]
    linked = ",".join(filter(None, named))
    if linked and linked != state.linked_runs:
        state.linked_runs = linked
        state.select_runs(tuple(linked.split(",")))
        if TAB not in st.query_params:
            state.switch_view(RUNS)


def write_address(state: TrainPageState, selected: Sequence[Job]) -> None:
    """Put the selected runs into the address."""
    state.linked_runs = ",".join(run.id for run in selected)
    wanted: dict[str, str] = {}
    if selected:
        wanted = {ONE_RUN if len(selected) == 1 else SEVERAL_RUNS: state.linked_runs}
    for name in (ONE_RUN, SEVERAL_RUNS):
        if name not in wanted:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]


require_app_frame("train")
if may_open(Role.RESEARCHER, "Training"):
    page()
