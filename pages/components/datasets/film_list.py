"""The list of films that pass the filter: how many, of how many patients, and a page of thumbnails."""

from dataclasses import replace

import numpy as np
import streamlit as st

from cxr_core.data.registry import Dataset
from cxr_core.data.selection import EVERY_FILM
from cxr_core.presentation.wording import format_count
from pages.components.datasets.contents import DatasetContents, FilmCollection
from pages.components.datasets.film_dialog import show_dataset_film
from pages.components.datasets.page_state import DataPageState
from pages.components.datasets.subsets import SUBSETS_FRAGMENT
from pages.components.datasets.thumbnails import make_thumbnails
from pages.components.error_boundary import show_errors
from pages.components.gallery import show_gallery

FILMS_ON_A_PAGE = 24
LARGEST_SEED = 2**31 - 1


@st.fragment
@show_errors()
def show_film_list(
    state: DataPageState, dataset: Dataset, contents: DatasetContents, films: FilmCollection
) -> None:
    """How many films the filters leave, and a page of them. A fragment: turning a page redraws no chart."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.subheader("Films", anchor="films", width="content")
        _ask_order(state)
    selection = state.selection or EVERY_FILM
    rows = films.index.find_rows(selection)
    patients = format_count(films.index.count_patients(rows), "patients")
    st.markdown(f"**{format_count(len(rows), 'films')}** of {patients}")
    if not len(rows):
        st.markdown("No film passes the filters. Remove one of them.")
        return
    if state.shuffle_seed is not None:
        rows = np.random.default_rng(state.shuffle_seed).permutation(rows)
    pages = -(-len(rows) // FILMS_ON_A_PAGE)
    order = hash((selection, state.shuffle_seed, state.all_listed))
    page = _ask_page(pages, f"data-page-{dataset.name}-{state.widget_generation}-{order}")
    shown = rows[(page - 1) * FILMS_ON_A_PAGE : page * FILMS_ON_A_PAGE]
    images = films.images_of(shown)
    pictures = [
        replace(picture, picked=image in state.picked)
        for image, picture in zip(images, make_thumbnails(dataset, films, shown), strict=True)
    ]

    def pick(position: int) -> None:
        state.picked ^= {images[position]}
        st.rerun([SUBSETS_FRAGMENT])

    show_gallery(
        pictures,
        key=f"gallery-{dataset.name}",
        on_open=lambda position: state.open_film(images[position]),
        on_pick=pick,
    )
    if state.opening_film:
        state.opening_film = False
        show_dataset_film(state, dataset, contents)


def _ask_page(pages: int, key: str) -> int:
    return st.pagination(pages, key=key, max_visible_pages=5) if pages > 1 else 1


def _ask_order(state: DataPageState) -> None:
    """The table's order, or an order shuffled with a seed."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        shuffled = st.toggle("Shuffled", value=state.shuffle_seed is not None, key="data-shuffled")
        seed = state.shuffle_seed or 0
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
    state.shuffle_seed = int(seed) if shuffled else None
