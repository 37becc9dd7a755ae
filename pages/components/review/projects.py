"""Projects: choosing and beginning one, what it holds, its export, and its deletion with every trace."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.access.permission import require_role
from cxr_core.data.registry import find_dataset, list_datasets
from cxr_core.feedback.deletion import delete_project
from cxr_core.feedback.export import export_project, list_export_folders
from cxr_core.feedback.films import list_project_films
from cxr_core.feedback.projects import MAX_READS, Project, create_project
from cxr_core.feedback.review.dataset_review import create_review
from cxr_core.known_findings import known_findings
from cxr_core.presentation.wording import finding_name, format_count
from cxr_core.workspace.paths import printable
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.review.labels import name_findings
from pages.components.review.page_state import ReviewPageState
from pages.components.session import (
    field_text,
    field_texts,
    field_value,
    initialise_field,
    set_field_value,
)
from pages.components.sign_in.door import offer_only_to

OWN = "Films that are kept on the Read page"
DATASET = "dataset"  # of the address: a link leads to the review of one dataset
FIELDS = ("name", "films", "findings", "first", "reads", "note")


def choose_project(state: ReviewPageState, projects: Sequence[Project]) -> Project | None:
    """The project that is reviewed, chosen here; and the form that begins another one."""
    names = {project.id: project.name for project in projects}
    if state.project_id not in names:
        state.choose_project(_find_linked(projects) or next(iter(names), ""))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if names:
            key = "review-project"
            set_field_value(key, state.project_id)
            st.selectbox(
                "Project",
                list(names),
                key=key,
                format_func=lambda each: plain(names[each]),
                width=360,
                on_change=_store_project,
                args=(state, key),
            )
        with st.popover(
            "New project", icon=":material/add:", type="secondary" if names else "primary"
        ):
            _ask_new_project(state)
    return next((each for each in projects if each.id == state.project_id), None)


def describe_project(project: Project) -> str:
    """A project in a line: whose films, what is judged, by how many, and how."""
    what = f"labels of {project.dataset}" if project.dataset else "kept films"
    first = " · read first, then reveal" if project.read_first else ""
    readers = format_count(project.reads, "readers")
    return f"{what} · {name_findings(project)} · {readers} for each film{first}"


def show_project(state: ReviewPageState, project: Project) -> None:
    """What the project holds, and what can be done with it as a whole."""
    films = list_project_films(project)
    kept = sum(film.is_kept for film in films)
    parts = [f"**{format_count(len(films), 'films')}**"]
    if not project.dataset:
        parts.append(f"{kept:,} with their pictures, each kept with a reader's consent")
    if project.note:
        parts.append(plain(project.note))
    st.markdown(" · ".join(parts))
    with st.container(horizontal=True, gap="small"):
        if not project.dataset:
            st.button(
                "Export",
                icon=":material/folder_zip:",
                type="primary",
                disabled=not kept,
                help="Writes the pictures, a table of labels and boxes (COCO) into a folder of the workspace.",
                on_click=show_errors()(_export),
                args=(state, project),
            )
            st.page_link("pages/data.py", label="Data", icon=":material/arrow_forward:")
        if offer_only_to(Role.ADMIN, "Deleting a project"):
            with st.popover("Delete", icon=":material/delete:"):
                _ask_deletion(state, project, len(films), kept)


def _find_linked(projects: Sequence[Project]) -> str:
    """The project that reviews the dataset which the address names."""
    dataset = st.query_params.get(DATASET, "")
    return next((each.id for each in projects if dataset and each.dataset == dataset), "")


def _store_project(state: ReviewPageState, key: str) -> None:
    state.choose_project(field_text(key))


def _ask_new_project(state: ReviewPageState) -> None:
    keys = {name: f"review-new-{name}" for name in FIELDS}
    datasets = [dataset.name for dataset in list_datasets()]
    initialise_field(keys["films"], st.query_params.get(DATASET, OWN))
    initialise_field(keys["reads"], 1)
    st.text_input("Name", key=keys["name"], max_chars=60, placeholder="Chest clinic 2026")
    st.selectbox(
        "Films",
        [OWN, *datasets],
        key=keys["films"],
        format_func=lambda each: each if each == OWN else f"Labels of {plain(each)}",
    )
    st.multiselect(
        "Findings to judge", list(known_findings()), format_func=finding_name, key=keys["findings"]
    )
    st.toggle(
        "Read first, then reveal",
        key=keys["first"],
        help="Label, reason and the program's answer stay hidden until the reader has judged the film.",
    )
    st.number_input("Readers for each film", 1, MAX_READS, key=keys["reads"])
    st.text_input("Note", key=keys["note"])
    st.button("Begin", type="primary", on_click=show_errors()(_create), args=(state, keys))


def _create(state: ReviewPageState, keys: dict[str, str]) -> None:
    require_role(Role.RESEARCHER, "a new project")
    name, films = field_text(keys["name"]), field_text(keys["films"])
    findings = field_texts(keys["findings"])
    first, reads = bool(field_value(keys["first"])), int(field_value(keys["reads"]) or 1)
    note = field_text(keys["note"])
    if films == OWN:
        project = create_project(name, findings, read_first=first, reads=reads, note=note)
    else:
        project = create_review(
            name, find_dataset(films), findings, read_first=first, reads=reads, note=note
        )
    state.choose_project(project.id)
    state.message = f"{project.name} was created."


def _export(state: ReviewPageState, project: Project) -> None:
    out = next(folder for folder in list_export_folders(project) if not folder.exists())
    export_project(project, out)
    state.message = f"Exported to {printable(out)}; add this folder on the Data page."


def _ask_deletion(state: ReviewPageState, project: Project, films: int, kept: int) -> None:
    pictures = f", {format_count(kept, 'pictures')}" if kept else ""
    st.markdown(
        f"From **{plain(project.name)}** will be deleted for good: {format_count(films, 'films')}{pictures}, every "
        "verdict, the queue and what was settled. Label layers and exported folders stay, and so does the dataset."
    )
    st.button(
        "Delete it",
        key=f"sure-delete-{project.id}",
        on_click=show_errors()(_delete),
        args=(state, project),
    )


def _delete(state: ReviewPageState, project: Project) -> None:
    delete_project(project)
    state.choose_project("")
    state.message = f"{project.name} was deleted."
