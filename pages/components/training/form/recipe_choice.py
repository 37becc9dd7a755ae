"""Asks for a recipe: those that can start on the chosen data come first, the others say why they cannot."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from cxr_core.presentation.wording import format_count
from pages.components import cache
from pages.components.markdown import plain
from pages.components.training.page_state import RunDraft

FIRST_RECIPE = "cardiomegaly-adults"  # where it can start


def ask_recipe(draft: RunDraft) -> None:
    """Ask for a recipe and describe it; a retry starts with the recipe of its run, or of a search's trial."""
    origin = draft.retry_of or draft.trial
    if origin and draft.recipe is not None:
        _show_recipe_of_run(draft, origin)
        return
    recipes, obstacles = cache.load_recipes(), cache.find_recipe_obstacles(draft.data or ())
    own = recipes.get(draft.recipe_name or "")
    if own is not None and draft.recipe is not None and draft.recipe.init != own.init:
        # Filled in with other weights to start from; what is wrong with the data is said below.
        obstacles = {name: why for name, why in obstacles.items() if name != own.name}
    names = sorted(recipes, key=lambda name: (name in obstacles, name != FIRST_RECIPE))
    if draft.recipe is None or (draft.recipe_name in obstacles and not draft.recipe_picked):
        draft.start_from_recipe(names[0], recipes[names[0]])
    picked = st.selectbox(
        "Recipe",
        names,
        index=names.index(draft.recipe_name) if draft.recipe_name in names else 0,
        format_func=lambda name: f"{name} (cannot start here)" if name in obstacles else name,
        key=draft.widget_key("recipe"),
        width=480,
        help="Recipes that can start on the chosen data come first.",
    )
    if picked != draft.recipe_name:
        draft.start_from_recipe(picked, recipes[picked])
        draft.recipe_picked = True
    assert draft.recipe is not None
    st.markdown(plain(draft.recipe.summary))
    st.caption(plain(draft.recipe.source))
    _show_obstacles(obstacles)


def _show_recipe_of_run(draft: RunDraft, origin: str) -> None:
    assert draft.recipe is not None
    st.markdown(
        f"The recipe of **{plain(origin)}**, to be changed below. :small[{plain(draft.recipe.summary)}]"
    )
    if st.button(
        "Start from another recipe",
        type="tertiary",
        icon=":material/undo:",
        key=draft.widget_key("other"),
    ):
        draft.retry_of, draft.trial, draft.recipe = "", "", None
        st.rerun()


def _show_obstacles(obstacles: Mapping[str, str]) -> None:
    """Why recipes cannot start, for each reason the recipes that have it."""
    if not obstacles:
        return
    by_reason: dict[str, list[str]] = {}
    for name, reason in obstacles.items():
        by_reason.setdefault(reason, []).append(name)
    count = format_count(len(obstacles), "recipes")
    with st.expander(f"{count} cannot start here", icon=":material/block:"):
        for reason, names in by_reason.items():
            st.markdown(f":gray[{plain(', '.join(names))}]")
            st.caption(plain(reason))
