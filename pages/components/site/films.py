"""Chooses whose films are tested, dropped ones or a dataset's, and runs the acceptance test on them."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from cxr_core.data.prepare import open_data
from cxr_core.data.registry import list_datasets
from cxr_core.data.subsets import list_subsets
from cxr_core.jobs.commands import SCORES
from cxr_core.jobs.status import list_scoring_jobs
from cxr_core.presentation.wording import format_count, split_name
from cxr_core.site.acceptance import MIN_PATIENTS, compare_with_validation
from cxr_core.site.acceptance_record import build_record, write_acceptance
from cxr_core.site.learnt_films import UNKNOWN, LearntFilms, read_learnt_films
from cxr_core.site.local_films import LocalFilms, select_films
from cxr_core.site.validation_scores import read_validation_scores
from cxr_core.workspace.log import log_task
from pages.components.background_tasks import BackgroundTask
from pages.components.markdown import plain
from pages.components.page_links import link_to_data_page
from pages.components.site.drop_zones import (
    READING,
    DroppedFilm,
    ask_dropped_films,
    read_dropped_films,
    take_dropped_films,
)
from pages.components.site.page_state import ComparedFilms, SitePageState
from pages.components.site.progress import TEST, start_step
from pages.components.site.selection import Question

DROPPED, DATASET = "Drop films here", "Take a registered dataset"
ALL_FILMS = "all"
SPLITS = (ALL_FILMS, "test", "val", "train")
COMPARING = "comparing with the validation films"


@dataclass(frozen=True, kw_only=True)
class DatasetFilms:
    """Films of a dataset to be tested. scoring: the folder of a scoring that gives the numbers; None reads them."""

    data: str
    split: str
    scoring: Path | None


def choose_films(state: SitePageState, question: Question) -> None:
    """Ask for films and test them."""
    source = st.radio(
        "Films of your site",
        [DROPPED, DATASET],
        horizontal=True,
        key=state.widget_key("source"),
    )
    if source == DROPPED:
        _offer_dropped(state, question)
    else:
        _offer_dataset(state, question)


def _offer_dropped(state: SitePageState, question: Question) -> None:
    uploads = ask_dropped_films(state, question)
    if any(uploads.values()):
        free, showing = (format_count(len(uploads[label]), "films") for label in (0, 1))
        name = plain(question.finding_name)
        st.markdown(f"Dropped: {free} free of {name}, {showing} with it.")
    if not _offer_test(state, disabled=not any(uploads.values())):
        return
    films = take_dropped_films(uploads)
    state.forget_films()
    start_step(state, TEST, lambda task: _test_dropped(films, question, task))


def _offer_dataset(state: SitePageState, question: Question) -> None:
    datasets = [dataset.name for dataset in list_datasets()]
    names = {name: name for name in datasets}
    names |= {
        each.reference: f"subset {each.name} of {each.record.dataset}"
        for each in list_subsets()
        if each.record.dataset in datasets
    }
    if not names:
        st.caption("No dataset is registered. Its labels say which films are free of the finding.")
        link_to_data_page()
        return
    with st.container(horizontal=True, gap="medium"):
        data = st.selectbox(
            "Dataset",
            list(names),
            format_func=lambda name: names.get(name, name),
            key=state.widget_key("data"),
            width=320,
            help="Datasets and subsets of the Data page, with labels that a reader made.",
        )
        split = st.selectbox(
            "Films",
            SPLITS,
            format_func=lambda key: "all films" if key == ALL_FILMS else split_name(key),
            key=state.widget_key("split"),
            width=200,
        )
        scoring = _choose_scoring(state)
    if _offer_test(state, disabled=False):
        films = DatasetFilms(data=data, split=split, scoring=scoring)
        state.forget_films()
        start_step(state, TEST, lambda task: _test_dataset(films, question, task))


def _choose_scoring(state: SitePageState) -> Path | None:
    """The folder of a finished scoring, if one is to give the numbers; nothing is asked without one."""
    finished = {job.folder.name: job for job in list_scoring_jobs() if job.state == "finished"}
    if not finished:
        return None
    name = st.selectbox(
        "Log-odds",
        [None, *finished],
        format_func=lambda name: "read the films now" if name is None else f"scoring {name}",
        key=state.widget_key("scoring"),
        width=260,
        help="A scoring of these films (tab Archive) holds the model's numbers, so the network need not run again.",
    )
    return finished[name].folder / SCORES if name else None


def _offer_test(state: SitePageState, *, disabled: bool) -> bool:
    """The button that starts the test; whether it was clicked."""
    return st.button(
        "Run the acceptance test",
        icon=":material/play_arrow:",
        type="primary",
        key=state.widget_key("start"),
        disabled=disabled,
        help=f"Runs in the background. The test needs films of at least {MIN_PATIENTS} patients free of the finding.",
    )


def _test_dropped(
    films: list[DroppedFilm], question: Question, task: BackgroundTask
) -> ComparedFilms:
    scored = read_dropped_films(films, question, task)
    learnt = read_learnt_films(question.folder)
    local = select_films(scored, question.card, question.finding, learnt=learnt)
    return _compare(local, learnt, question, task)


def _test_dataset(chosen: DatasetFilms, question: Question, task: BackgroundTask) -> ComparedFilms:
    from cxr_core.scale.scoring.scored_outputs import choose_predictions  # loads torch
    from cxr_core.site.dataset_films import take_dataset_films

    predict = choose_predictions(
        question.folder,
        question.card,
        chosen.scoring,
        lambda done, total: task.report_progress(READING, done, total),
    )
    films = open_data([chosen.data], task.report_progress)
    if chosen.split != ALL_FILMS:
        films = films.select_split(chosen.split)
    learnt = read_learnt_films(question.folder)
    local = take_dataset_films(question.card, films, question.finding, learnt, predict)
    return _compare(local, learnt, question, task)


@log_task("acceptance test")
def _compare(
    local: LocalFilms, learnt: LearntFilms, question: Question, task: BackgroundTask
) -> ComparedFilms:
    """The acceptance test, and the record of it."""
    task.report_progress(COMPARING, 0, 1)
    card = question.card
    scores = read_validation_scores(question.folder, card).of_finding(question.finding)
    acceptance = compare_with_validation(local, scores, card)
    record = write_acceptance(build_record(acceptance, local, card))
    return ComparedFilms(
        card=card,
        local=local,
        scores=scores,
        acceptance=acceptance,
        record=record.name,
        note="" if learnt.is_known else UNKNOWN,
    )
