"""Runs that live and runs that wait, asked for again and again without running the page."""

from collections.abc import Callable, Sequence

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.jobs import jobs
from cxr_core.jobs.job import Job
from cxr_core.training.runs.charts import progress_charts
from cxr_core.training.runs.progress import RunProgress, read_progress
from pages.components.markdown import plain
from pages.components.training.page_state import Desk
from pages.components.training.wording import badge, duration

POLL_S = 2.0
CHART_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
CHART_WIDTH = 310  # three beside each other on a wide screen, two on a narrow one


def show_live(desk: Desk, found: Sequence[Job]) -> None:
    """A card for each run that lives, and the queue; the page runs once when any run's state has changed."""
    listed = listed_again(found)
    poll_s = POLL_S if any(job.live or job.state == "queued" for job in found) else None

    @st.fragment(run_every=poll_s, key="live-runs")
    def draw() -> None:
        now = listed()
        with st.container(key="live-and-waiting"):
            for job in now:
                if job.live:
                    _show_run(desk, job)
            _show_queue([job for job in now if job.state == "queued"])

    draw()


def listed_again(found: Sequence[Job]) -> Callable[[], Sequence[Job]]:
    """For a fragment: the runs as the page has found them, and as they stand whenever it is drawn again.

    The page runs once when any run's state has changed by then.
    """
    began, once = _standing(found), [found]

    def listed() -> Sequence[Job]:
        if once:
            return once.pop()
        now = jobs.jobs()
        if _standing(now) != began:
            st.rerun()
        return now

    return listed


def show_charts(key: str, watched: RunProgress) -> None:
    """Curves of a run side by side, as many as there is room for."""
    with st.container(horizontal=True, gap="small"):
        for title, figure in progress_charts(watched.curves).items():
            with st.container(width=CHART_WIDTH, gap=None):
                st.markdown(f":small[**{title}**]")
                st.plotly_chart(
                    figure, key=f"{key}-{title}", config=CHART_CONFIG, alt=f"{title} over the steps"
                )


def show_log(watched: RunProgress) -> None:
    """The last lines of a run's log, one click away."""
    if watched.log:
        with st.expander("Last lines of the log", icon=":material/notes:"):
            st.code("\n".join(watched.log), language=None, wrap_lines=True, height=220)


def act(change: Callable[[], object]) -> None:
    """Do something with a run and show the page anew; why not, if it cannot be done."""
    try:
        change()
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return
    st.rerun()


def _show_run(desk: Desk, job: Job) -> None:
    watched = desk.keep(job.id, read_progress(job.folder, desk.watched.get(job.id)))
    with st.container(border=True, key=f"live-{job.id}"):
        with st.container(
            horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
        ):
            st.markdown(
                f"**{plain(job.id)}** {badge(job)} :gray[:small[{plain(job.sentence)}]]",
                width="content",
            )
            with st.container(horizontal=True, width="content", gap="small"):
                _offer_stops(job)
        st.progress(share(watched), text=plain(progress_words(watched)) or "Begins …")
        numbers = numbers_words(watched)
        if numbers:
            st.markdown(f":small[{plain(numbers)}]")
        show_charts(f"live-{job.id}", watched)
        show_log(watched)


def _offer_stops(job: Job) -> None:
    if "stop" in job.actions and st.button(
        "Stop",
        icon=":material/stop:",
        key=f"stop-{job.id}",
        help="Ends after its current step, with a checkpoint from which it can go on.",
    ):
        act(lambda: jobs.stop(job.id))
    if "force_stop" in job.actions and st.button(
        "End by force",
        icon=":material/dangerous:",
        key=f"force-{job.id}",
        help="Ends its processes at once. Its last checkpoint stays, what came after is lost.",
    ):
        act(lambda: jobs.force_stop(job.id))


def _show_queue(waiting: Sequence[Job]) -> None:
    if not waiting:
        return
    st.markdown("**Waiting** :gray[:small[one run at a time on each device, in this order]]")
    for job in waiting:
        with st.container(
            horizontal=True, vertical_alignment="center", key=f"waiting-{job.id}", gap="small"
        ):
            st.markdown(
                f"{job.place}\\. **{plain(job.id)}** :gray[:small[{plain(job.sentence)}]]",
                width="stretch",
            )
            same = [each for each in waiting if each.device == job.device]
            _move(job, -1, "up", disabled=job == same[0])
            _move(job, 1, "down", disabled=job == same[-1])
            if st.button(
                "Take out", key=f"stop-{job.id}", type="tertiary", icon=":material/close:"
            ):
                act(lambda job=job: jobs.stop(job.id))  # type: ignore[misc]


def _move(job: Job, places: int, way: str, disabled: bool) -> None:
    clicked = st.button(
        "",
        icon=f":material/arrow_{way}ward:",
        key=f"{way}-{job.id}",
        disabled=disabled,
        type="tertiary",
        help=f"Move it {way} in the queue.",
    )
    if clicked:
        act(lambda: jobs.move(job.id, places))


def share(watched: RunProgress) -> float:
    """How much of the run, or of what it does before it trains, is done; in [0, 1]."""
    done, of = (watched.step, watched.steps) if watched.steps else (watched.done, watched.of)
    return min(1.0, (done or 0) / of) if of else 0.0


def progress_words(watched: RunProgress) -> str:
    """What a run does now and how far it is, in a line."""
    parts = [watched.stage[:1].upper() + watched.stage[1:].removesuffix(".")]
    if watched.epoch and watched.epochs:
        parts.append(f"epoch {watched.epoch} of {watched.epochs}")
    if watched.step is not None and watched.steps:
        parts.append(f"step {watched.step:,} of {watched.steps:,}")
    elif watched.done is not None and watched.of:
        parts.append(f"{watched.done:,} of {watched.of:,}")
    if watched.eta_s is not None:
        parts.append(f"about {duration(watched.eta_s)} left")
    return " · ".join(filter(None, parts))


def numbers_words(watched: RunProgress) -> str:
    """How fast a run is, its learning rate, memory and best epoch, as far as it has told."""
    parts = []
    if watched.images_per_second is not None:
        parts.append(f"{watched.images_per_second:,.0f} films/s")
    if watched.learning_rate is not None:
        parts.append(f"learning rate {watched.learning_rate:.2g}")
    if watched.device_memory_mb is not None:
        parts.append(f"{watched.device_memory_mb / 1024:.1f} GiB on the device")
    if watched.best_epoch is not None:
        parts.append(f"best epoch so far {watched.best_epoch}")
    return " · ".join(parts)


def _standing(found: Sequence[Job]) -> set[tuple[str, str, frozenset[str]]]:
    return {(job.id, job.state, job.actions) for job in found}
