"""Asks how a run's data is split: as the data has it, by a saved split, or by shares that somebody writes."""

from __future__ import annotations

import streamlit as st

from cxr_core.data.splits.saved_split import SplitRecord, list_splits_of
from cxr_core.errors import DataError
from pages.components.training.page_state import RunDraft

SAVED = "saved:"
GIVEN = "given"
HELP = (
    "Splits are saved on the Data page. You can also type one: 80:10:10 divides the patients into training, validation "
    "and test; fold:2/5 tests on the second of five folds."
)


def ask_split(draft: RunDraft) -> None:
    """Ask for the split; the answer becomes the recipe's `split`."""
    assert draft.recipe is not None
    saved = saved_splits(draft)
    names = [GIVEN, *_list_choices(saved)]
    current = str(draft.values.get("split", draft.recipe.split))
    if current not in names:
        names.append(current)
    key = draft.widget_key(f"split-{'+'.join(draft.data or ())}")
    picked = st.selectbox(
        "Split",
        names,
        index=names.index(current),
        format_func=lambda name: _describe(name, saved),
        accept_new_options=True,
        key=key,
        width=480,
        help=HELP,
    )
    draft.values["split"] = (picked or GIVEN).strip()


def saved_splits(draft: RunDraft) -> dict[str, SplitRecord]:
    """The splits that are saved with the chosen data, by name; with the data of a subset that stands alone."""
    from cxr_core.data.prepare import resolve_folders

    try:
        return list_splits_of(resolve_folders(draft.data or ()))
    except DataError:  # it was removed meanwhile, which the choice of the data says
        return {}


def _list_choices(saved: dict[str, SplitRecord]) -> list[str]:
    """A choice for each saved split; for each fold of one that has folds."""
    choices = []
    for name, record in saved.items():
        if record.folds:
            choices += [f"{SAVED}{name}/{fold}" for fold in range(1, record.folds + 1)]
        else:
            choices.append(f"{SAVED}{name}")
    return choices


def _describe(choice: str, saved: dict[str, SplitRecord]) -> str:
    if choice == GIVEN:
        return "As the data has it"
    name, _, fold = choice.removeprefix(SAVED).partition("/")
    if not choice.startswith(SAVED):
        return choice
    words = f"{name}, tested on fold {fold}" if fold else name
    record = saved.get(name)
    return f"{words} · {record.description}" if record else f"{words} · not saved with this data"
