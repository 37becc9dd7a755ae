"""Shows running and waiting runs, polled without rerunning the page."""

from collections.abc import Callable, Sequence

import streamlit as st

from cxr_core.jobs import actions
from cxr_core.jobs.job import Job
from cxr_core.jobs.status import list_runs
from cxr_core.presentation.wording import format_duration
from cxr_core.training.runs.charts import progress_charts
from cxr_core.training.runs.progress import RunProgress, read_progress
from pages.components.error_boundary import keep_error, show_errors
from pages.components.markdown import plain
from pages.components.training.job_state import state_badge
from pages.components.training.page_state import TrainPageState

POLL_S = 2.0
CHART_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
CHART_PX = 310  # three beside each other on a wide screen, two on a narrow one


def show_live_runs(state: TrainPageState, runs: Sequence[Job]) -> None:
    """A card for each running run, and the queue; the page reruns once when a run's state has changed."""
    list_again = make_relister(runs)
    needs_polling = any(run.live or run.state == "queued" for run in runs)

    @st.fragment(run_every=POLL_S if needs_polling else None, key="live-runs")
    @show_errors()
    def draw_runs() -> None:
        if state.needs_page:
            st.rerun()
        current = list_again()
        with st.container(key="live-and-waiting"):
            for run in current:
                if run.live:
                    _show_run(state, run)
            _show_queue(state, [run for run in current if run.state == "queued"])

    draw_runs()


def make_relister(runs: Sequence[Job]) -> Callable[[], Sequence[Job]]:
    """For a fragment: a function that returns the page's list of runs at first, and a fresh one at each later run.

    The page reruns once when a run's state has changed by then.
    """
    states, first = _states_of(runs), [runs]

    def list_again() -> Sequence[Job]:
        if first:
            return first.pop()
        current = list_runs()
        if _states_of(current) != states:
            st.rerun()
        return current

    return list_again


def read_run_progress(state: TrainPageState, run: Job) -> RunProgress:
    """The progress of a run; only what is new since the last call is read."""
    progress = read_progress(run.folder, state.progress.get(run.id))
    return state.remember_progress(run.id, progress)


def show_progress_charts(key: str, progress: RunProgress) -> None:
    """A run's curves side by side, as many as there is room for."""
    with st.container(horizontal=True, gap="small"):
        for title, figure in progress_charts(progress.curves).items():
            with st.container(width=CHART_PX, gap=None):
                st.markdown(f":small[**{title}**]")
                st.plotly_chart(
                    figure, key=f"{key}-{title}", config=CHART_CONFIG, alt=f"{title} over the steps"
                )


def show_log(progress: RunProgress) -> None:
    """The last lines of a run's log, in an expander."""
    if progress.log:
        with st.expander("Last lines of the log", icon=":material/notes:"):
            st.code("\n".join(progress.log), language=None, wrap_lines=True, height=220)


def apply_action(state: TrainPageState, action: Callable[..., object], *arguments: object) -> None:
    """Callback of a button: do something with a run, or say at the page's next run why it cannot be done.

    As a callback it is carried out also when the run has changed its state since the button was drawn.
    """
    with keep_error(state):
        action(*arguments)


def _show_run(state: TrainPageState, run: Job) -> None:
    progress = read_run_progress(state, run)
    with st.container(border=True, key=f"live-{run.id}"):
        with st.container(
            horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
        ):
            st.markdown(
                f"**{plain(run.name)}** {state_badge(run)} :gray[:small[{plain(run.sentence)}]]",
                width="content",
            )
            with st.container(horizontal=True, width="content", gap="small"):
                _offer_stop(state, run)
        text = plain(describe_progress(progress)) or "Starting …"
        st.progress(share_done(progress), text=text)
        rates = describe_rates(progress)
        if rates:
            st.markdown(f":small[{plain(rates)}]")
        show_progress_charts(f"live-{run.id}", progress)
        show_log(progress)


def _offer_stop(state: TrainPageState, run: Job) -> None:
    if "stop" in run.actions:
        st.button(
            "Stop",
            icon=":material/stop:",
            key=f"stop-{run.id}",
            on_click=apply_action,
            args=(state, actions.stop_job, run.id),
            help="Ends the run after its current step, with a checkpoint from which it can resume.",
        )
    if "force_stop" in run.actions:
        st.button(
            "Force stop",
            icon=":material/dangerous:",
            key=f"force-{run.id}",
            on_click=apply_action,
            args=(state, actions.force_stop_job, run.id),
            help="Kills its processes at once. The last checkpoint stays; everything after it is lost.",
        )


def _show_queue(state: TrainPageState, waiting: Sequence[Job]) -> None:
    if not waiting:
        return
    st.markdown("**Queue** :gray[:small[one run at a time on each device, in this order]]")
    for run in waiting:
        with st.container(
            horizontal=True, vertical_alignment="center", key=f"waiting-{run.id}", gap="small"
        ):
            st.markdown(
                f"{run.place}\\. **{plain(run.name)}** :gray[:small[{plain(run.sentence)}]]",
                width="stretch",
            )
            same_queue = [other for other in waiting if other.device == run.device]
            _offer_move(state, run, -1, "up", disabled=run == same_queue[0])
            _offer_move(state, run, 1, "down", disabled=run == same_queue[-1])
            st.button(
                "Remove from queue",
                key=f"stop-{run.id}",
                type="tertiary",
                icon=":material/close:",
                on_click=apply_action,
                args=(state, actions.stop_job, run.id),
            )


def _offer_move(
    state: TrainPageState, run: Job, places: int, direction: str, disabled: bool
) -> None:
    st.button(
        "",
        icon=f":material/arrow_{direction}ward:",
        key=f"{direction}-{run.id}",
        disabled=disabled,
        type="tertiary",
        on_click=apply_action,
        args=(state, actions.move_job, run.id, places),
        help=f"Moves it {direction} in the queue.",
    )


def share_done(progress: RunProgress) -> float:
    """How much of the training, or of the stage before or after it, is done; in [0, 1]."""
    return min(1.0, (progress.done or 0) / progress.total) if progress.total else 0.0


def describe_progress(progress: RunProgress) -> str:
    """A run's stage and how far it is, in a line."""
    phrases = [progress.stage[:1].upper() + progress.stage[1:].removesuffix(".")]
    if progress.epoch and progress.epochs and progress.unit == "step":
        phrases.append(f"epoch {progress.epoch} of {progress.epochs}")
    if progress.done is not None and progress.total:
        phrases.append(f"{progress.unit} {progress.done:,} of {progress.total:,}")
    if progress.eta_s is not None:
        phrases.append(f"about {format_duration(progress.eta_s)} left")
    return " · ".join(filter(None, phrases))


def describe_rates(progress: RunProgress) -> str:
    """A run's speed, learning rate, memory and best epoch, as far as they are known."""
    phrases = []
    if progress.images_per_second is not None:
        phrases.append(f"{progress.images_per_second:,.0f} films/s")
    if progress.learning_rate is not None:
        phrases.append(f"learning rate {progress.learning_rate:.2g}")
    if progress.device_memory_mb is not None:
        phrases.append(f"{progress.device_memory_mb / 1024:.1f} GiB on the device")
    if progress.best_epoch is not None:
        phrases.append(f"best epoch so far {progress.best_epoch}")
    return " · ".join(phrases)


def _states_of(runs: Sequence[Job]) -> set[tuple[str, str, frozenset[str]]]:
    return {(run.id, run.state, frozenset(run.actions)) for run in runs}
