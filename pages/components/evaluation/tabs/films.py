"""The films behind a point: the worst first, a page of them at a time, each one click away from its heatmap.

A fragment of its own: turning a page draws no chart again, and only the page's thumbnails are made.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from cxr_core.data.film_lookup import FoundFilms
from cxr_core.evaluation.charts.film_filter import OUTCOME_NAMES, OUTCOMES, Outcome, Pick
from cxr_core.evaluation.store.loaded import FindingView, Opened
from cxr_core.presentation.wording import format_percent
from pages.components import cache
from pages.components.datasets.contents import Films
from pages.components.datasets.thumbnails import NOTHING, facts_of, pictures_of
from pages.components.evaluation.chart_panel import offer_csv
from pages.components.evaluation.film_dialog import show_film
from pages.components.evaluation.page_state import Visit
from pages.components.evaluation.tabs.threshold import starting_threshold
from pages.components.gallery import Picture, show_pictures
from pages.components.markdown import plain

FILMS_ON_A_PAGE = 24
FIRST = Pick(outcome="false_positive")  # what the tab shows before anything was clicked
TABLE = ("image", "patient", "label", "probability", "view", "age", "sex")


@st.fragment
def show_films(visit: Visit, opened: Opened, finding: str, view: FindingView) -> None:
    """The films asked for: how many, sorted by how far the probability lies from the label, and a page of them."""
    if visit.turning:
        st.rerun()
    threshold = starting_threshold(visit, view)
    pick = _ask_outcome(visit, view, visit.pick or FIRST, threshold)
    rows = pick.rows(view.films, threshold)
    _say_how_many(visit, view, pick, rows)
    if not len(rows):
        st.markdown("No film came out so.")
        return
    found = cache.films_of(view, opened.shelved, finding)
    page = st.pagination(
        -(-len(rows) // FILMS_ON_A_PAGE), key=_page_key(visit, pick), max_visible_pages=5
    )
    shown = rows[(page - 1) * FILMS_ON_A_PAGE : page * FILMS_ON_A_PAGE]
    if found is None:
        st.info(
            "The films of this evaluation are not here: no registered dataset holds them. Register their folder on "
            "the Data page to see them. This is what was written down of each.",
            icon=":material/image_not_supported:",
        )
        st.dataframe(view.films.iloc[shown][list(TABLE)], hide_index=True)
        return
    _show_gallery(visit, view, found, shown)
    if visit.opening:
        visit.opening = False
        show_film(visit, opened, finding, view, found)


def _ask_outcome(visit: Visit, view: FindingView, pick: Pick, threshold: float) -> Pick:
    counts = pick.counts(view.films, threshold)
    names = {each: f"{OUTCOME_NAMES[each]} {counts[each]:,}" for each in OUTCOMES}
    options: tuple[Outcome | None, ...] = (*OUTCOMES, None)
    place = st.segmented_control(
        "Films that came out as",
        range(len(options)),  # None itself would be nothing chosen
        default=options.index(pick.outcome),
        required=True,
        format_func=lambda each: [*names.values(), f"All {sum(counts.values()):,}"][each],
        key=visit.widget("outcome"),
        help="At the threshold. Called but labelled absent is a false positive; not called but labelled present, a "
        "false negative. Labels were often drawn from reports by a program: some of these films are labelled wrongly.",
    )
    visit.pick = replace(pick, outcome=options[-1 if place is None else place])
    return visit.pick


def _say_how_many(visit: Visit, view: FindingView, pick: Pick, rows: np.ndarray) -> None:
    chosen = view.films.iloc[rows]
    noun = "film" if len(rows) == 1 else "films"
    asked = [plain(phrase) for phrase in pick.words()] or ["all films measured"]
    if pick.threshold is None and pick.outcome is not None:
        asked.append(f"threshold {starting_threshold(visit, view):.4g}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{len(rows):,} {noun}** of {chosen['patient'].nunique():,} patients :gray[· {' · '.join(asked)} · "
            "the furthest from their label first]",
            width="stretch",
        )
        if visit.came_from is not None:
            st.button(
                f"Back to {visit.came_from}",
                key=visit.widget("back"),
                icon=":material/arrow_back:",
                type="tertiary",
                on_click=_go_back,
                args=(visit,),
            )
        offer_csv(lambda: chosen.to_csv(index=False), "films", visit.widget("films"))


def _go_back(visit: Visit) -> None:
    visit.turn_to(visit.came_from or "Curves")
    visit.came_from, visit.turning = None, True


def _page_key(visit: Visit, pick: Pick) -> str:
    return visit.widget(f"page-{hash(pick)}")


def _show_gallery(visit: Visit, view: FindingView, found: FoundFilms, shown: np.ndarray) -> None:
    listed = cache.contents(found.dataset).listed
    places = found.rows[shown]
    images = [
        str(listed.manifest.table["image"].iloc[place]) if place >= 0 else None for place in places
    ]

    def opened(place: int) -> None:
        image = images[place]
        if image is not None:
            visit.open_film(image)

    show_pictures(_pictures(view, found, listed, shown), key="gallery-evaluated", on_open=opened)
    if found.count < len(view.films):
        st.caption(
            f"{len(view.films) - found.count:,} of the films measured are not in {plain(found.dataset.name)}."
        )


def _pictures(
    view: FindingView, found: FoundFilms, listed: Films, shown: np.ndarray
) -> list[Picture]:
    """Small pictures in the order of the rows; one that is not there says so."""
    places = found.rows[shown]
    there = places >= 0
    lines = [_lines(facts) for _, facts in view.films.iloc[shown].iterrows()]
    drawn = iter(
        pictures_of(
            found.dataset,
            listed,
            places[there],
            [each for each, is_there in zip(lines, there, strict=True) if is_there],
        )
    )
    return [
        next(drawn)
        if is_there
        else Picture(name=str(name), jpeg="", lines=words, note="not in the dataset")
        for is_there, name, words in zip(there, view.films["image"].iloc[shown], lines, strict=True)
    ]


def _lines(facts: pd.Series) -> tuple[str, ...]:
    label = "present" if facts["label"] == 1 else "absent"
    known = facts_of({"split": None, **facts.to_dict()})
    return f"{format_percent(facts['probability'])} · labelled {label}", *(
        [known] if known != NOTHING else []
    )
