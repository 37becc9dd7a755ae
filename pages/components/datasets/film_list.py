"""The films that are asked for: how many, of how many patients, and a page of them at a time."""

import numpy as np
import streamlit as st

from cxr_core.data.registry import Dataset
from cxr_core.data.selection import Selection
from pages.components.datasets.contents import Contents, Films
from pages.components.datasets.film_dialog import show_film
from pages.components.datasets.filters import ask_selection
from pages.components.datasets.thumbnails import pictures_of
from pages.components.gallery import show_pictures
from pages.components.markdown import plain
from pages.components.session import Exploration

FILMS = "films"  # the fragment's name, for charts to have it drawn anew
FILMS_ON_A_PAGE = 24
LARGEST_SEED = 2**31 - 1


@st.fragment(key=FILMS)
def show_films(
    exploration: Exploration, dataset: Dataset, contents: Contents, films: Films
) -> None:
    """The filter, its summary, and the films. A fragment: what is asked here draws no chart again."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.subheader("Films", anchor="films", width="content")
        _ask_order(exploration)
    with st.expander("Filter", icon=":material/filter_alt:"):
        selection = ask_selection(exploration, films.index, contents.issues)
    exploration.selection = selection
    rows = films.index.rows(selection)
    _say_how_many(exploration, contents, films, selection, rows)
    if not len(rows):
        st.markdown("No film fits. Ask for less, or clear the filter.")
        return
    if exploration.seed is not None:
        rows = np.random.default_rng(exploration.seed).permutation(rows)
    pages = -(-len(rows) // FILMS_ON_A_PAGE)
    key = f"data-page-{dataset.name}-{exploration.turns}-{hash((selection, exploration.seed, exploration.listed))}"
    page = _ask_page(pages, key)
    shown = rows[(page - 1) * FILMS_ON_A_PAGE : page * FILMS_ON_A_PAGE]
    images = [str(image) for image in films.manifest.table["image"].iloc[shown]]

    show_pictures(
        pictures_of(dataset, films, shown),
        key=f"gallery-{dataset.name}",
        on_open=lambda place: exploration.open_film(images[place]),
    )
    if exploration.opening:
        exploration.opening = False
        show_film(exploration, dataset, contents)


def look_at(
    exploration: Exploration, selection: Selection | None, clicked: str | None = None
) -> None:
    """Show these films, from a callback: they are drawn anew, and the chart that loses its mark, but nothing else."""
    marked = exploration.clicked
    exploration.look_at(selection, clicked)
    st.rerun([FILMS] if marked in (None, clicked) else [FILMS, marked])


def _ask_page(pages: int, key: str) -> int:
    return st.pagination(pages, key=key, max_visible_pages=5) if pages > 1 else 1


def _ask_order(exploration: Exploration) -> None:
    """In the table's order, or shuffled by a seed that is said."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        shuffled = st.toggle("Shuffled", value=exploration.seed is not None, key="data-shuffled")
        seed = exploration.seed or 0
        if shuffled:
            seed = st.number_input(
                "Seed",
                min_value=0,
                max_value=LARGEST_SEED,
                value=seed,
                key="data-seed",
                width=120,
                label_visibility="collapsed",
                help="The same seed shows the same films in the same order.",
            )
    exploration.seed = int(seed) if shuffled else None


def _say_how_many(
    exploration: Exploration,
    contents: Contents,
    films: Films,
    selection: Selection,
    rows: np.ndarray,
) -> None:
    patients = films.index.patients_among(rows)
    noun = "film" if len(rows) == 1 else "films"
    whose = "1 patient" if patients == 1 else f"{patients:,} patients"
    asked = " · ".join(plain(phrase) for phrase in selection.words(contents.issues)) or "no filter"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{len(rows):,} {noun}** of {whose} :gray[· {asked}]", width="stretch")
        if selection:
            st.button(
                "Clear",
                key="data-clear",
                icon=":material/close:",
                type="tertiary",
                on_click=look_at,
                args=(exploration, None),
            )
