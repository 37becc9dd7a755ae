"""From a finished run to an installed model: the gate's verdict, the words it asks for, and the button."""

import signal
from pathlib import Path

import streamlit as st

from cxr_core.jobs import jobs
from cxr_core.jobs.activity import MEASURED, asked
from cxr_core.jobs.job import Job
from cxr_core.jobs.measuring import measure_on_test
from cxr_core.jobs.process_id import Name, signal_to
from cxr_core.promotion.gate.verdict import Verdict, read_verdict
from cxr_core.training.runs.compare import collect_figures, is_segmentation_run, read_data_folders
from pages.components import cache
from pages.components.background_tasks import Errand
from pages.components.markdown import plain
from pages.components.models.gate_verdict import show_verdict
from pages.components.training.page_state import Desk

POLL_S = 1.0


def show_publishing(desk: Desk, job: Job) -> None:
    """Ask the gate, see every figure of its verdict, then publish; against it only with a written reason."""
    st.markdown(
        "**Publish its model** :gray[:small[it becomes the installed one only through the gate]]"
    )
    for model in jobs.models_from(job.id):
        st.success(f"Installed as {plain(model)}.", icon=":material/check_circle:")
    errand = cache.errands().find(_key(job))
    if errand is not None and errand.running:
        watch(desk, job, errand)
        return
    if errand is not None and errand.error:
        st.error(plain(errand.error))
    elsewhere = asked(job.folder)
    if elsewhere is not None and elsewhere.running:
        watch_elsewhere(job)
        return
    if elsewhere is not None and not (elsewhere.what == MEASURED and is_measured(job)):
        st.warning(plain(elsewhere.sentence))
    if not is_measured(job) and not is_segmentation_run(job.folder):
        _offer_measurement(job)
        return
    verdict = read_verdict(job.folder)
    if verdict is not None:
        show_verdict(verdict)
    st.button(
        "Ask the gate again" if verdict else "Ask the gate",
        icon=":material/gavel:",
        key=f"gate-{job.id}",
        type="secondary" if verdict else "primary",
        on_click=ask_gate,
        args=(job,),
        help="Reads the films kept aside with this model and the installed one. Nothing is installed.",
    )
    if verdict is not None:
        _offer_publication(job, verdict)


def is_measured(job: Job) -> bool:
    """Whether there are figures of this very model on test films."""
    return any(figure.part == "test" for figure in collect_figures(job.folder))


def _offer_measurement(job: Job) -> None:
    st.markdown(
        "It has not been measured on test films yet; without their figures no model is installed."
    )
    st.button(
        "Measure on test films",
        icon=":material/straighten:",
        key=f"measure-{job.id}",
        type="primary",
        on_click=measure,
        args=(job,),
        help="On the test part of its own data, in the background. How often a test part is looked at is counted.",
    )


def measure(job: Job) -> None:
    """Have a run measured in the background, unless it is already."""
    cache.errands().start(_key(job), lambda errand: _measure(job, errand))


def ask_gate(job: Job) -> None:
    """Have the gate judge a run in the background, unless it does already."""
    cache.errands().start(_key(job), lambda errand: _judge(job.folder, errand))


@st.fragment(run_every=POLL_S)
def watch(desk: Desk, job: Job, errand: Errand) -> None:
    """How far it is; the page runs once when it has ended."""
    if not errand.running:
        desk.said = (
            f"Installed: {errand.result.parent.name} {errand.result.name}."
            if _installed(errand)
            else ""
        )
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(
            errand.share, text=plain(errand.stage[:1].upper() + errand.stage[1:]) or "Begins …"
        )
        st.button(
            "Cancel", key=f"cancel-gate-{job.id}", on_click=errand.cancel, disabled=errand.cancelled
        )


@st.fragment(run_every=POLL_S)
def watch_elsewhere(job: Job) -> None:
    """Work on a run that this server did not begin, or an earlier one did; the page runs once when it has ended."""
    found = asked(job.folder)
    if found is None or not found.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/hourglass_top: {plain(found.sentence)} It was not begun by this server."
        )
        if found.what == MEASURED:
            st.button("Cancel", key=f"end-{job.id}", on_click=end, args=(found.name,))


def end(name: Name) -> None:
    """Ask a process to stop, if it still lives."""
    signal_to(name, signal.SIGTERM)


def _offer_publication(job: Job, verdict: Verdict) -> None:
    note = st.text_input(
        f"Why it replaces {plain(verdict.rival)}" if verdict.rival else "A note for its card",
        key=f"note-{job.id}",
        max_chars=500,
        placeholder="Kept in the model's card",
    ).strip()
    reason = ""
    if not verdict.opens:
        reason = st.text_area(
            "Why it is published against the gate",
            key=f"override-{job.id}",
            max_chars=1000,
            height=80,
            placeholder="Kept with the model and in the log of promotions, beside what the gate found",
        ).strip()
    missing = _missing(verdict, note, reason)
    clicked = st.button(
        "Publish" if verdict.opens else "Publish against the gate",
        icon=":material/publish:",
        key=f"publish-{job.id}",
        type="primary" if verdict.opens else "secondary",
        disabled=bool(missing),
    )
    if missing:
        st.caption(f"Not yet: {missing}")
    if clicked:
        cache.errands().start(_key(job), lambda errand: _publish(job.folder, note, reason, errand))
        st.rerun()


def _missing(verdict: Verdict, note: str, reason: str) -> str:
    """What has to be written before it can be published; empty when nothing is missing."""
    if not verdict.opens and not reason:
        return "the gate is shut. Write why it is published all the same."
    if verdict.rival and not note:
        return "say why it replaces the installed model."
    return ""


def _measure(job: Job, errand: Errand) -> None:
    errand.progress("measured on test films; the figures are there when all are read", 0, 0)
    measure_on_test(job.folder, job.data or read_data_folders(job.folder), errand.stopped)


def _judge(run: Path, errand: Errand) -> object:
    from cxr_core.promotion.publish import judge

    return judge(run, progress=errand.progress)


def _publish(run: Path, note: str, reason: str, errand: Errand) -> object:
    from cxr_core.promotion.publish import publish

    return publish(run, note, override=reason, progress=errand.progress)


def _installed(errand: Errand) -> bool:
    return isinstance(errand.result, Path)


def _key(job: Job) -> str:
    return f"gate {job.id}"
