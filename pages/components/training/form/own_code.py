"""Asks whether a user's own Python file, which a recipe names, may run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.errors import AccessRefused, AuditError, CodeRefused
from cxr_core.models.networks.user_code import (
    allow_code,
    forbid_code,
    hash_code,
    is_allowed,
    is_code_reference,
)
from pages.components.markdown import plain
from pages.components.training.page_state import RunDraft

if TYPE_CHECKING:
    from cxr_core.training.recipe.recipe import Recipe


def ask_code_permission(draft: RunDraft, recipe: Recipe) -> dict[str, str]:
    """A tick box for each file that backbone and head name. Returns, by field, why the run cannot start yet."""
    faults: dict[str, str] = {}
    for field in ("backbone", "head"):
        name = getattr(recipe, field)
        if not is_code_reference(name):
            continue
        try:
            sentence = _ask_file(draft, hash_code([name]))
        except (CodeRefused, AccessRefused, AuditError) as error:
            sentence = str(error)
        if sentence:
            faults[field] = sentence
    return faults


def _ask_file(draft: RunDraft, code: dict[str, str]) -> str:
    """Ask about one file, given by name and hash, and record the answer at once."""
    ((file, sha256),) = code.items()
    was_allowed = is_allowed(sha256)
    ticked = st.checkbox(
        f"Let {plain(file)} run, with all rights of the account that runs this server",
        value=was_allowed,
        key=draft.widget_key(f"allow-{sha256}"),
        help=f"Read the file first. This holds for the file as it is now (sha256 {sha256}); once it changes, it has to "
        "be allowed again.",
    )
    if ticked and not was_allowed:
        allow_code(code)
    elif was_allowed and not ticked:
        forbid_code(code)
    return "" if ticked else f"{file} may not run yet; tick the box below if you trust it."
