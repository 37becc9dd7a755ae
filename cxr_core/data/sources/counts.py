"""Counts the image files of folders that became no row of a manifest, by the reason why not."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from cxr_core.data.account import MISSING, SourceCounts
from cxr_core.data.sources.files import FileListing


def find_unused_files(
    listings: Sequence[FileListing], films: pd.DataFrame, same_name: Collection[str]
) -> dict[str, str]:
    """The reason of each image file that is no film of a manifest: masks, same_name or not_listed.

    films: the manifest's rows, with image and status.  same_name: files that have the name of a film.
    """
    used = _list_used(films)
    reasons = {}
    for listing in listings:
        for path in listing.films:
            if path in used:
                continue
            if path in listing.masks:
                reasons[path] = "masks"
            elif path in same_name:
                reasons[path] = "same_name"
            else:
                reasons[path] = "not_listed"
    return reasons


def count_sources(
    films: pd.DataFrame, unused_files: Mapping[str, str], rows: int, unused_rows: Mapping[str, int]
) -> SourceCounts:
    """What tables left of the files and rows that there are.

    films: the manifest's rows.  unused_files: from `find_unused_files`.  rows: of all tables.  unused_rows: those that
    gave no row of their own, by reason.
    """
    return SourceCounts(
        files=len(_list_used(films)) + len(unused_files),
        unused_files=Counter(unused_files.values()),
        rows=rows,
        unused_rows=unused_rows,
    )


def list_surplus(unused_files: Mapping[str, str]) -> list[str]:
    """The files that no table lists."""
    return [path for path, reason in unused_files.items() if reason == "not_listed"]


def _list_used(films: pd.DataFrame) -> set[str]:
    return set(films.loc[films["status"] != MISSING, "image"].tolist())
