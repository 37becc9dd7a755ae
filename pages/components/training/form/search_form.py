"""Asks for a search: how many trials, and the fields to try with their ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.training.page_state import RunDraft

if TYPE_CHECKING:
    from cxr_core.training.recipe.recipe import Recipe

NAME_PX, TRIALS_PX, SPLITS_PX = 300, 150, 170
EXAMPLE = "[learning_rate]\nlow = 1e-5\nhigh = 1e-2\nlog = true\n"
HELP = (
    "TOML: a table for each field with low and high (and log or step), or with choices. Fields are named as after "
    "--set."
)
SPLITS_HELP = (
    "Trains each trial on this many divisions of the training and validation films by patient and compares the means, "
    "so that no trial wins by one lucky division."
)


def ask_search(draft: RunDraft, recipe: Recipe) -> tuple[str, int, int, str]:
    """Name, number of trials, validation splits and space of a search.

    Raises RecipeError for a recipe that cannot be searched here, and for a space that does not fit the recipe.
    """
    from cxr_core.scale.search.search import require_searchable
    from cxr_core.scale.search.search_folder import find_free_search_name
    from cxr_core.scale.search.space import find_space_text, parse_space_text

    require_searchable(recipe)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        name = st.text_input(
            "Name",
            find_free_search_name(f"{recipe.name}-search"),
            key=draft.widget_key("search-name"),
            width=NAME_PX,
            help="A name that a search has already goes on with it.",
        )
        trials = st.number_input(
            "Trials", 2, 10_000, 30, key=draft.persistent_key("search-trials"), width=TRIALS_PX
        )
        splits = st.number_input(
            "Validation splits",
            1,
            10,
            1,
            key=draft.persistent_key("search-splits"),
            width=SPLITS_PX,
            help=SPLITS_HELP,
        )
    space = st.text_area(
        "Fields to try",
        find_space_text(recipe) or EXAMPLE,
        height=260,
        key=draft.widget_key(f"search-space-{recipe.name}"),
        help=HELP,
    )
    parse_space_text(space, recipe)
    return name.strip(), int(trials), int(splits), space
