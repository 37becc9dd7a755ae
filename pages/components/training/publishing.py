"""Publishes a finished run's model: the evaluation on test films, the gate's verdict, then the publication."""

from pathlib import Path

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.errors import SilhouetteError
from cxr_core.jobs import actions, status
from cxr_core.jobs.activity import GATE_ACTIVITY, read_activity, track_activity
from cxr_core.jobs.job import Job
from cxr_core.models.card_file import read_card
from cxr_core.models.registry.model_status import ACTIVE, describe_status
from cxr_core.models.registry.overlap import describe_refusal, describe_replaced
from cxr_core.models.registry.registry import find_models_from_run
from cxr_core.promotion.gate.verdict import Verdict, describe_damage, read_verdict
from cxr_core.training.runs.compare import is_segmentation_run, read_data_folders
from cxr_core.training.runs.figures import collect_figures
from pages.components import cache
from pages.components.background_tasks import BackgroundTask
from pages.components.error_boundary import keep_error, show_errors
from pages.components.evaluation.start import describe_evaluation_progress
from pages.components.markdown import plain
from pages.components.models.gate_verdict import show_verdict
from pages.components.sign_in.door import offer_only_to
from pages.components.training.page_state import TrainPageState

POLL_S = 1.0


def show_publishing(state: TrainPageState, run: Job) -> None:
    """Run the gate, show every check of its verdict, then publish; against the gate only with a written reason."""
    st.markdown(
        "**Publish its model** :gray[:small[only through the gate does it become the active version]]"
    )
    is_active = False
    for model in find_models_from_run(run.id):
        status = describe_status(*model.rsplit(" ", 1))
        sentence = f"Installed as {plain(model)}: {plain(status)}."
        if status == ACTIVE:
            is_active = True
            st.success(sentence, icon=":material/check_circle:")
        else:
            st.info(sentence, icon=":material/inventory_2:")
    task = cache.background_tasks().find(gate_task_key(run))
    if task is not None and task.is_running:
        watch_gate(state, run, task)
    elif not _show_other_work(state, run):
        if task is not None and task.error:
            st.error(plain(task.error))
        if is_active:
            show_last_verdict(run)
        else:
            _show_gate(state, run)


def _show_other_work(state: TrainPageState, run: Job) -> bool:
    """The progress of an evaluation, or of a gate that another server runs. Returns whether there is any."""
    evaluation = _find_evaluation(run)
    if evaluation is not None and evaluation.active:
        watch_evaluation(state, evaluation.folder)
        return True
    activity = read_activity(run.folder)
    if activity is None:
        return False
    if activity.is_running:
        watch_other_server(run)
        return True
    if activity.what == GATE_ACTIVITY:
        st.warning(plain(activity.sentence))
    return False


def _show_gate(state: TrainPageState, run: Job) -> None:
    """The verdict and the buttons; before that, the evaluation on test films, which a classifier needs."""
    if not is_evaluated(run) and not is_segmentation_run(run.folder):
        evaluation = _find_evaluation(run)
        if evaluation is not None and evaluation.state != "finished":
            st.warning(plain(evaluation.sentence))
        _offer_evaluation(state, run)
        return
    verdict = show_last_verdict(run)
    st.button(
        "Run the gate again" if verdict else "Run the gate",
        icon=":material/gavel:",
        key=f"gate-{run.id}",
        type="secondary" if verdict else "primary",
        on_click=start_gate,
        args=(run,),
        help="Reads films that no model was trained on, with this model and with each that it would replace. Nothing "
        "is installed.",
    )
    if verdict is not None and offer_only_to(Role.ADMIN, "Publishing"):
        _offer_publication(run, verdict)


def show_last_verdict(run: Job) -> Verdict | None:
    """The gate's last verdict on a run, which is all there is to show once its model is active."""
    verdict = read_verdict(run.folder)
    if verdict is not None:
        show_verdict(verdict)
    elif damage := describe_damage(run.folder):
        st.warning(plain(damage))
    return verdict


def is_evaluated(run: Job) -> bool:
    """Whether there are figures of this very model on test films."""
    return any(figure.split == "test" for figure in collect_figures(run.folder))


def _find_evaluation(run: Job) -> Job | None:
    return status.find_evaluation(run.folder / "evaluation")


def _offer_evaluation(state: TrainPageState, run: Job) -> None:
    st.markdown(
        "It has not been evaluated on test films yet; a model without test figures cannot be published."
    )
    st.button(
        "Evaluate on test films",
        icon=":material/straighten:",
        key=f"measure-{run.id}",
        type="primary",
        on_click=start_evaluation,
        args=(state, run),
        help="On the test split of its own data, in the background. Each evaluation on a test split is counted.",
    )


def start_evaluation(state: TrainPageState, run: Job) -> None:
    """Queue the evaluation of a run on its test films, unless it is queued or running already."""
    with keep_error(state):
        actions.submit_test_evaluation(run.folder, run.data or read_data_folders(run.folder))


def start_gate(run: Job) -> None:
    """Run the gate in the background, unless it is running already."""
    cache.background_tasks().start(gate_task_key(run), lambda task: _run_gate(run.folder, task))


@st.fragment(run_every=POLL_S)
@show_errors()
def watch_gate(state: TrainPageState, run: Job, task: BackgroundTask) -> None:
    """The progress of the gate or of a publication; the page reruns once when it has ended."""
    if not task.is_running:
        if isinstance(task.result, Path):
            folder = task.result
            state.message = f"Installed: {folder.parent.name} {folder.name}."
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        stage = plain(task.stage[:1].upper() + task.stage[1:])
        st.progress(task.share_done, text=stage or "Starting …")
        st.button(
            "Cancel",
            key=f"cancel-gate-{run.id}",
            on_click=task.cancel,
            disabled=task.is_cancelled,
        )


@st.fragment(run_every=POLL_S)
@show_errors()
def watch_evaluation(state: TrainPageState, folder: Path) -> None:
    """The progress of the evaluation on test films; the page reruns once when it has ended."""
    evaluation = status.find_evaluation(folder)
    if evaluation is None or not evaluation.active:
        st.rerun()
    progress = evaluation.progress
    share = min(1.0, progress.done / progress.total) if progress.total else 0.0
    with st.container(horizontal=True, vertical_alignment="center"):
        text = f"Evaluating on test films: {describe_evaluation_progress(evaluation)}"
        st.progress(share, text=plain(text))
        st.button(
            "Cancel",
            key=f"end-{evaluation.id}",
            on_click=_cancel_evaluation,
            args=(state, evaluation),
        )


def _cancel_evaluation(state: TrainPageState, evaluation: Job) -> None:
    with keep_error(state):
        if "force_stop" in evaluation.actions:
            actions.force_stop_job(evaluation.id)
        elif "stop" in evaluation.actions:
            actions.stop_job(evaluation.id)


@st.fragment(run_every=POLL_S)
@show_errors()
def watch_other_server(run: Job) -> None:
    """Work on a run that another process does; the page reruns once when it has ended."""
    activity = read_activity(run.folder)
    if activity is None or not activity.is_running:
        st.rerun()
    st.markdown(
        f":material/hourglass_top: {plain(activity.sentence)} Another process does this, not this server."
    )


def _offer_publication(run: Job, verdict: Verdict) -> None:
    refusal, replaced = _describe_others(run)
    if refusal:
        st.warning(plain(f"{refusal}."))
        return
    note = st.text_input(
        f"Why it replaces {plain(verdict.incumbent)}"
        if verdict.incumbent
        else "A note for its card",
        key=f"note-{run.id}",
        max_chars=500,
        placeholder="Kept in the model's card",
    ).strip()
    reason = ""
    if not verdict.is_open:
        reason = st.text_area(
            "Why it is published although the gate is closed",
            key=f"override-{run.id}",
            max_chars=1000,
            height=80,
            placeholder="Kept with the model and in its history, with the gate's verdict",
        ).strip()
    if replaced:
        st.caption(plain(replaced))
    missing = _describe_missing(verdict, note, reason)
    clicked = st.button(
        "Publish" if verdict.is_open else "Publish although the gate is closed",
        icon=":material/publish:",
        key=f"publish-{run.id}",
        type="primary" if verdict.is_open else "secondary",
        disabled=bool(missing),
    )
    if missing:
        st.caption(missing)
    if clicked:
        cache.background_tasks().start(
            gate_task_key(run), lambda task: _publish(run.folder, note, reason, task)
        )
        st.rerun()


def _describe_others(run: Job) -> tuple[str, str]:
    """Why the publication is refused for what a model in use does, and which ones it takes out of use.

    Both are empty where the card cannot be read.
    """
    try:
        card = read_card(run.folder / "model")
        return describe_refusal(card.model, card), describe_replaced(card.model, card)
    except SilhouetteError:  # publishing says what is wrong with it
        return "", ""


def _describe_missing(verdict: Verdict, note: str, reason: str) -> str:
    """What has to be written before it can be published; empty when nothing is missing."""
    if not verdict.is_open and not reason:
        return "The gate is closed. Write why the model is published anyway."
    if verdict.incumbent and not note:
        return f"Write why it replaces {plain(verdict.incumbent)}."
    return ""


def _run_gate(folder: Path, task: BackgroundTask) -> object:
    from cxr_core.promotion.publish import compare_run

    with track_activity(folder, GATE_ACTIVITY):
        return compare_run(folder, progress=task.report_progress)


def _publish(folder: Path, note: str, reason: str, task: BackgroundTask) -> object:
    from cxr_core.promotion.publish import publish

    with track_activity(folder, GATE_ACTIVITY):
        return publish(folder, note, override=reason, progress=task.report_progress)


def gate_task_key(run: Job) -> str:
    """The key of the background task that runs the gate for a run, or publishes it."""
    return f"gate {run.id}"
