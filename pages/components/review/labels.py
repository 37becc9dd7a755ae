"""What a review came to: labels decided, the label layer that keeps them, and the next model that learns from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.access.permission import require_role
from cxr_core.data.label_layers import LabelLayer, describe_damaged_layers, list_layers, load_layer
from cxr_core.data.registry import find_dataset
from cxr_core.errors import DataError
from cxr_core.feedback.consensus import list_judgements
from cxr_core.feedback.layer import make_layer
from cxr_core.feedback.projects import Project
from cxr_core.presentation.wording import finding_in_sentence, format_count
from pages.components import cache
from pages.components.background_tasks import BackgroundTask
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.review.page_state import ReviewPageState
from pages.components.review.queue_list import POLL_S, watch_task
from pages.components.session import field_text, train_page_state
from pages.components.wording import format_minute

if TYPE_CHECKING:  # recipes bring torch along
    from cxr_core.promotion.next_model import NextModel


def show_decided_labels(state: ReviewPageState, project: Project) -> None:
    """What was decided; then the layers of the dataset, each with the way to the next model."""
    judgements = list_judgements(project)
    decided = sum(one.answer is not None for one in judgements)
    disputed = len(judgements) - decided
    differ = f", readers differ on {format_count(disputed, 'cases')}" if disputed else ""
    st.markdown(f"**{format_count(decided, 'labels')} decided**{differ}.")
    if not project.dataset:
        _offer_learning_from_films(state, project)
        return
    if decided:
        _offer_layer(state, project)
    layers = list_layers(project.dataset)
    for layer in sorted(layers, key=lambda each: each.record.created, reverse=True):
        _show_layer(state, project, layer)
    for problem in describe_damaged_layers():
        st.warning(plain(problem))
    if not layers and not decided:
        st.caption("Labels that readers decide are kept beside the dataset, never in it.")


def _offer_layer(state: ReviewPageState, project: Project) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name, note = state.widget_key("layer-name"), state.widget_key("layer-note")
        st.text_input("Name", key=name, placeholder="nih-round-1", width=240)
        st.text_input("Note", key=note, placeholder="what was reviewed, by whom", width=320)
        st.button(
            "Make a label layer",
            type="secondary" if state.layer else "primary",
            icon=":material/layers:",
            help="Keeps the decisions under a name that runs and evaluations use. The dataset stays as it is.",
            on_click=show_errors()(_make_layer),
            args=(state, project, name, note),
        )


def _make_layer(state: ReviewPageState, project: Project, name: str, note: str) -> None:
    require_role(Role.RESEARCHER, "label repair")
    layer = make_layer(project, field_text(name), field_text(note))
    state.keep_layer(layer.name)
    state.message = f"Kept as {layer.reference}."


def _show_layer(state: ReviewPageState, project: Project, layer: LabelLayer) -> None:
    with st.container(border=True, gap="xsmall"):
        note = f" · {plain(layer.record.note)}" if layer.record.note else ""
        st.markdown(
            f"**{plain(layer.name)}** :gray[· {format_minute(layer.record.created)}{note}]  \n"
            f":small[{plain(layer.sentence)}.]"
        )
        if layer.name == state.layer:
            with show_errors():
                _show_changed_issues(project, layer)
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            findings = sorted({one.finding for one in layer.record.decisions})
            model = _choose_model(findings, state.widget_key(f"model-{layer.name}"))
            if st.button(
                "Train the next model",
                type="primary" if layer.name == state.layer else "secondary",
                icon=":material/model_training:",
                key=state.widget_key(f"train-{layer.name}"),
                help="Fills in the form of the Train page: the recipe of the model in use, its weights to start from, "
                "and these labels.",
            ):
                prepare_next_model(project, layer, findings, model)


def _show_changed_issues(project: Project, layer: LabelLayer) -> None:
    """What the dataset checks say with the layer and not without it."""
    from cxr_core.data.checks.label_layers import list_changed_issues

    manifest = find_dataset(project.dataset).load_manifest()
    for word, issues in zip(("New", "Gone"), list_changed_issues(manifest, layer), strict=True):
        for issue in issues:
            st.caption(f"Dataset checks, {word.lower()}: {plain(issue.message)}")


def prepare_next_model(
    project: Project, layer: LabelLayer, findings: list[str], model: str
) -> None:
    """Fill in the Train form for the model that learns from a layer, and go there."""
    with show_errors():
        load_layer(layer.name)  # it may have been deleted in another tab
        if not layer.record.decisions:
            raise DataError(f"the label layer {layer.name} decides nothing")
        # Imported once it is asked for: recipes bring torch along.
        from cxr_core.promotion.next_model import plan_next_model

        _fill_in_form(plan_next_model([project.dataset, layer.reference], findings, model=model))


def _fill_in_form(planned: NextModel) -> None:
    train_page_state().prefill_next_model(planned.recipe, planned.data, planned.sentence)
    st.switch_page("pages/train.py")


def _choose_model(findings: Sequence[str], key: str) -> str:
    """Which model in use is trained further, asked for where several answer these findings; else empty."""
    from cxr_core.promotion.next_model import list_models_to_train

    models = list_models_to_train(findings)
    if len(models) < 2:
        return ""
    return st.selectbox("Model to train further", models, key=key, width=280)


def _offer_learning_from_films(state: ReviewPageState, project: Project) -> None:
    """Kept films with a label become a dataset, from which the next model learns."""
    task = cache.background_tasks().find(_task_key(project))
    if task is not None and task.is_running:
        watch_task(task, "preparing the films")
        return
    if task is not None and state.planning == project.id:
        state.planning = ""
        cache.background_tasks().dismiss(task)
        if task.result is not None:
            _fill_in_form(cast("NextModel", task.result))
        elif task.error:
            st.error(plain(task.error))
    st.markdown(
        "The kept films with a label become a dataset: pictures and labels are copied into the workspace, checked and "
        "registered. Each film counts as a patient of its own, and nothing in the dataset names anybody. The copies "
        "stay when a film or the project is deleted here."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        model = _choose_model(project.findings, state.widget_key("model-of-films"))
        st.button(
            "Train the next model",
            type="primary",
            icon=":material/model_training:",
            key=state.widget_key("train-on-films"),
            help="Makes the dataset, then fills in the form of the Train page: the recipe of the model in use, its "
            "weights to start from, and this dataset.",
            on_click=show_errors()(_start_planning),
            args=(state, project, model),
        )


def _start_planning(state: ReviewPageState, project: Project, model: str) -> None:
    require_role(Role.RESEARCHER, "the next model")

    def plan(task: BackgroundTask) -> NextModel:
        from cxr_core.promotion.next_model import plan_from_kept_films

        return plan_from_kept_films(project, model=model, progress=task.report_progress)

    task = cache.background_tasks().start(_task_key(project), plan, project.name)
    state.planning = project.id
    task.wait(POLL_S)


def _task_key(project: Project) -> str:
    return f"next model {project.id}"


def name_findings(project: Project) -> str:
    """The findings of a project, for people."""
    return ", ".join(finding_in_sentence(key) for key in project.findings)
