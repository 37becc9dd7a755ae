"""The films behind a point of a chart: the worst first, a page at a time, each one click away from its heatmap.

A fragment of its own: turning a page redraws no chart, and only the page's thumbnails are made.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from cxr_core.data.film_lookup import FoundFilms
from cxr_core.evaluation.charts.film_filter import OUTCOME_NAMES, OUTCOMES, FilmFilter, Outcome
from cxr_core.evaluation.store.loaded import FindingView, LoadedEvaluation
from cxr_core.presentation.wording import format_count, format_percent
from pages.components import cache
from pages.components.datasets.contents import FilmCollection, number_or_none, text_or_none
from pages.components.datasets.thumbnails import describe_patient, make_thumbnails
from pages.components.error_boundary import show_errors
from pages.components.evaluation.chart_panel import offer_csv
from pages.components.evaluation.film_dialog import show_evaluated_film
from pages.components.evaluation.page_state import FIRST_TAB, EvaluatePageState
from pages.components.evaluation.tabs.threshold import current_threshold
from pages.components.gallery import Picture, show_gallery
from pages.components.markdown import plain

FILMS_ON_A_PAGE = 24
FIRST_FILTER = FilmFilter(outcome="false_positive")  # before anything was clicked
TABLE_COLUMNS = ("image", "patient", "label", "probability", "view", "age", "sex")


@st.fragment
@show_errors()
def show_films_tab(
    state: EvaluatePageState, evaluation: LoadedEvaluation, finding: str, view: FindingView
) -> None:
    """The number of films, and a page of them, sorted by the gap between probability and label."""
    if state.rerun_needed:
        st.rerun()
    threshold = current_threshold(state, view)
    film_filter = _ask_outcome(state, view, state.film_filter or FIRST_FILTER, threshold)
    rows = film_filter.select_rows(view.films, threshold)
    _show_summary(state, view, film_filter, rows)
    if not len(rows):
        st.markdown("There is no such film.")
        return
    found = cache.find_evaluation_films(view, evaluation.record, finding)
    page = st.pagination(
        -(-len(rows) // FILMS_ON_A_PAGE),
        key=state.widget_key(f"page-{hash(film_filter)}"),
        max_visible_pages=5,
    )
    shown = rows[(page - 1) * FILMS_ON_A_PAGE : page * FILMS_ON_A_PAGE]
    if found is None:
        st.info(
            "No registered dataset has the films of this evaluation. Register their folder on the Data page to see "
            "them. Below is what the evaluation recorded about each.",
            icon=":material/image_not_supported:",
        )
        st.dataframe(view.films.iloc[shown][list(TABLE_COLUMNS)], hide_index=True)
        return
    _show_film_gallery(state, view, found, shown)
    if state.opening_film:
        state.opening_film = False
        show_evaluated_film(state, evaluation, finding, view, found)


def _ask_outcome(
    state: EvaluatePageState, view: FindingView, film_filter: FilmFilter, threshold: float
) -> FilmFilter:
    counts = film_filter.count_outcomes(view.films, threshold)
    labels = [f"{OUTCOME_NAMES[outcome]} {counts[outcome]:,}" for outcome in OUTCOMES]
    labels.append(f"All {sum(counts.values()):,}")
    options: tuple[Outcome | None, ...] = (*OUTCOMES, None)
    position = st.segmented_control(
        "Outcome",
        range(len(options)),  # None itself would mean that nothing is selected
        default=options.index(film_filter.outcome),
        required=True,
        format_func=labels.__getitem__,
        key=state.widget_key("outcome"),
        help="At the threshold. Called present but labelled absent is a false positive; called absent but labelled "
        "present, a false negative. Labels are often extracted from reports by a program, so some are wrong.",
    )
    state.film_filter = replace(film_filter, outcome=options[-1 if position is None else position])
    return state.film_filter


def _show_summary(
    state: EvaluatePageState, view: FindingView, film_filter: FilmFilter, rows: np.ndarray
) -> None:
    chosen = view.films.iloc[rows]
    phrases = [plain(phrase) for phrase in film_filter.describe()] or ["all evaluated films"]
    if film_filter.threshold is None and film_filter.outcome is not None:
        phrases.append(f"threshold {current_threshold(state, view):.4g}")
    phrases.append("largest gap between probability and label first")
    films, patients = (
        format_count(len(rows), "films"),
        format_count(chosen["patient"].nunique(), "patients"),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{films}** of {patients} :gray[· {' · '.join(phrases)}]", width="stretch")
        if state.previous_tab is not None:
            st.button(
                f"Back to {state.previous_tab}",
                key=state.widget_key("back"),
                icon=":material/arrow_back:",
                type="tertiary",
                on_click=_go_back,
                args=(state,),
            )
        offer_csv(lambda: chosen.to_csv(index=False), "films", state.widget_key("films"))


def _go_back(state: EvaluatePageState) -> None:
    state.switch_tab(state.previous_tab or FIRST_TAB)
    state.previous_tab, state.rerun_needed = None, True


def _show_film_gallery(
    state: EvaluatePageState, view: FindingView, found: FoundFilms, shown: np.ndarray
) -> None:
    listed = cache.load_dataset_contents(found.dataset).listed
    dataset_rows = found.rows[shown]

    def open_film(position: int) -> None:
        row = dataset_rows[position]
        if row >= 0:
            (image,) = listed.images_of([row])
            state.open_film(image)

    pictures = _make_pictures(view, found, listed, shown)
    show_gallery(pictures, key="gallery-evaluated", on_open=open_film)
    missing = len(view.films) - found.count
    if missing:
        st.caption(f"{missing:,} of the evaluated films are not in {plain(found.dataset.name)}.")


def _make_pictures(
    view: FindingView, found: FoundFilms, listed: FilmCollection, shown: np.ndarray
) -> list[Picture]:
    """Thumbnails in the order of the rows; a film that is not in the dataset gets a note instead."""
    predictions = view.films.iloc[shown]
    lines = [_describe_prediction(prediction) for _, prediction in predictions.iterrows()]
    dataset_rows = found.rows[shown]
    is_found = dataset_rows >= 0
    found_lines = [line for line, known in zip(lines, is_found, strict=True) if known]
    thumbnails = iter(make_thumbnails(found.dataset, listed, dataset_rows[is_found], found_lines))
    pictures = []
    for known, name, line in zip(is_found, predictions["image"], lines, strict=True):
        if known:
            pictures.append(next(thumbnails))
        else:
            note = "not in the dataset"
            pictures.append(Picture(name=str(name), jpeg="", lines=line, note=note))
    return pictures


def _describe_prediction(prediction: pd.Series) -> tuple[str, ...]:
    label = "present" if prediction["label"] == 1 else "absent"
    first = f"{format_percent(prediction['probability'])} · labelled {label}"
    patient = describe_patient(
        None,
        text_or_none(prediction["view"]),
        number_or_none(prediction["age"]),
        text_or_none(prediction["sex"]),
    )
    return (first, patient) if patient else (first,)
