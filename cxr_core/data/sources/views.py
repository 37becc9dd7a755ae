"""Reads the view of each film from a table's columns and from its path, and leaves out what is no frontal film."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from cxr_core.data.account import LEFT_OUT, MISSING, USED
from cxr_core.data.checks.issue import Issue
from cxr_core.data.sources.files import film_issue
from cxr_core.data.sources.film_paths import is_lateral_path
from cxr_core.data.sources.labels import report_unknown_values
from cxr_core.film.vocabulary import parse_view
from cxr_core.presentation.wording import format_count

# PadChest's word for films that its radiologists took out.
EXCLUDED_WORD = "exclude"
Stated = Literal["PA", "AP", "lateral", "frontal", "other", "unknown"]


@dataclass(frozen=True, eq=False)
class FilmViews:
    """view: (N,) PA, AP or missing.  left_out: (N,) a reason of the account, missing for a film that is used."""

    view: pd.Series
    left_out: pd.Series


def read_views(
    columns: Sequence[pd.Series],
    paths: Sequence[str],
    films: pd.Series,
    issues: list[Issue],
) -> FilmViews:
    """The view of each row's film. columns: the cells of each column about views.  paths: of the films below the
    folder given; empty where they say nothing about views.

    Where one column or the path says lateral and no other says PA or AP, the film is lateral. Where two places
    contradict each other, nothing is guessed: the film is left out. films: the `image` of each row.
    """
    stated: list[list[Stated | None]] = []
    for cells in columns:
        values = {text: parse_stated_view(text) for text in cells.unique()}
        unknown = [text for text, view in values.items() if view == "unknown"]
        report_unknown_values(unknown, "view", cells, films, issues)
        stated.append([values[text] for text in cells.tolist()])
    if paths:
        stated.append(["lateral" if is_lateral_path(path) else None for path in paths])
    together = list(zip(*stated, strict=True))
    decisions = {views: _join_views(views) for views in set(together)}
    view = [decisions[views][0] for views in together]
    left_out = [decisions[views][1] for views in together]
    both = films[[{"PA", "AP"} <= set(views) for views in together]]
    if len(both):
        count = format_count(both.nunique(), "films")
        message = f"Two columns say PA and AP of {count}; their view counts as unknown."
        issues.append(film_issue("unknown_value", message, both))
    return FilmViews(
        pd.Series(view, films.index, dtype="str"), pd.Series(left_out, films.index, dtype="str")
    )


def decide_status(present: np.ndarray, left_out: pd.Series) -> np.ndarray:
    """(N,) the status of each film: a reason to leave it out counts for films that are present."""
    stated = np.where(left_out.isna(), USED, LEFT_OUT)
    return np.where(present, stated, MISSING)


def parse_stated_view(text: str) -> Stated | None:
    """What a cell says about the view, if anything; "unknown" where it is not understood or names several views."""
    if text.strip().lower() == EXCLUDED_WORD:
        return "other"
    named = parse_view(text)
    if named.kind == "unstated":
        return None
    if named.kind == "lateral":
        return "lateral"
    if named.kind == "special":
        return "other"
    if named.kind == "frontal":
        return "frontal" if named.view not in ("PA", "AP") else named.view
    return "unknown"


def _join_views(stated: Sequence[Stated | None]) -> tuple[str | None, str | None]:
    """The view, and the reason to leave the film out, from what each place says."""
    views = {view for view in stated if isinstance(view, str)}
    frontal = views & {"PA", "AP", "frontal"}
    if "other" in views:
        return None, "other_views"
    if "lateral" in views:
        return None, "contradictory_views" if frontal else "lateral_views"
    if len(frontal - {"frontal"}) == 1:
        (view,) = frontal - {"frontal"}
        return view, None
    return None, None  # nothing is stated, or PA and AP are
