"""Shows groups of near-duplicates side by side, with what tells their films apart."""

import numpy as np
import streamlit as st

from cxr_core.data.checks.issue import Issue
from cxr_core.data.checks.near_duplicates import number_groups
from cxr_core.data.manifest import NO_SPLIT
from cxr_core.data.near_duplicates.search import load_near_duplicates
from cxr_core.data.registry import Dataset
from cxr_core.presentation.wording import format_count
from pages.components.datasets.contents import DatasetContents
from pages.components.datasets.page_state import DataPageState
from pages.components.datasets.thumbnails import describe_labels, make_thumbnails
from pages.components.gallery import show_gallery

GROUPS_ON_A_PAGE = 8
FILMS_SHOWN = 12  # of a group


def show_groups(
    state: DataPageState, dataset: Dataset, contents: DatasetContents, issue: Issue
) -> None:
    """The groups that an issue is about, a row of films for each. Films that were excluded since are there too."""
    found = load_near_duplicates(dataset.folder)
    if found is None:
        st.caption("The groups are not known any more; check the dataset again.")
        return
    films = number_groups(contents.listed.manifest, found, issue.code)
    groups = list(films.groupby("group"))
    if not groups:
        return
    key = f"{dataset.name}-{issue.code}"
    pages = -(-len(groups) // GROUPS_ON_A_PAGE)
    page = st.pagination(pages, key=f"groups-{key}") if pages > 1 else 1
    for number, group in groups[(page - 1) * GROUPS_ON_A_PAGE : page * GROUPS_ON_A_PAGE]:
        st.caption(f"Group {number + 1}: {format_count(len(group), 'films')}")
        _show_group(
            state, dataset, contents, group.index.to_numpy()[:FILMS_SHOWN], f"group-{key}-{number}"
        )


def _show_group(
    state: DataPageState, dataset: Dataset, contents: DatasetContents, rows: np.ndarray, key: str
) -> None:
    """The films in some rows, with split, patient and labels of each."""
    images = contents.listed.images_of(rows)
    lines = []
    for row in rows.tolist():
        film = contents.listed.facts_of(row)
        status = film.status if film.status != "present" else ""
        place = f"{film.split or NO_SPLIT} · patient {film.patient}"
        lines.append((place, describe_labels(contents.listed, row), status))
    show_gallery(
        make_thumbnails(dataset, contents.listed, rows, lines),
        key=key,
        on_open=lambda position: state.open_film(images[position]),
    )
