"""Counts who lies in each split, for a look at a split before it is saved."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from cxr_core.data.age_bands import AGE_BANDS, assign_age_bands
from cxr_core.data.manifest import SPLITS, Manifest
from cxr_core.data.selection import SEXES, UNKNOWN, VIEWS
from cxr_core.data.splits.saved_split import SavedSplit
from cxr_core.presentation.wording import finding_name, split_name

LEFT_OUT = "in no split"


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitPreview:
    """A split that was planned and not saved yet. counts: as `count_split` gives them.  remarks: on a user's list."""

    split: SavedSplit
    counts: pd.DataFrame
    remarks: tuple[str, ...] = ()


def count_split(manifest: Manifest, split: SavedSplit) -> pd.DataFrame:
    """A row for all films, for patients, and for each finding, age band, sex and view; a column for each split.

    manifest: the usable films of the dataset. The rows are indexed by (group, name); films that lie in no split have a
    column of their own, where there are any. An unknown label, age, sex or view has a row where it occurs.
    """
    table = manifest.table
    place = split.find_splits(manifest).fillna(LEFT_OUT)
    order = [*split.fold_names, *SPLITS, LEFT_OUT]
    columns = [name for name in order if (place == name).any()]
    rows = {
        ("All", "Films"): place.value_counts(),
        ("All", "Patients"): table["patient"].groupby(place).nunique(),
    }
    for group, name, member in _list_strata(manifest):
        if member.any():
            rows[group, name] = place[member].value_counts()
    counts = pd.DataFrame(rows).T.reindex(columns=columns).fillna(0).astype(int)
    return counts.rename(columns=_column_name)


def _list_strata(manifest: Manifest) -> Iterator[tuple[str, str, pd.Series]]:
    """(group, name, which films) of every stratum."""
    table = manifest.table
    for key in manifest.findings:
        name = finding_name(key)
        yield name, "present", table[key] == 1
        yield name, "absent", table[key] == 0
        yield name, UNKNOWN, table[key].isna()
    bands = assign_age_bands(table["age"])
    for band in AGE_BANDS:
        yield "Age in years", band.in_words, bands == band.name
    yield "Age in years", UNKNOWN, bands.isna()
    for group, column, levels in (("Sex", "sex", SEXES), ("View", "view", VIEWS)):
        for level in levels:
            yield group, level, table[column] == level
        yield group, UNKNOWN, ~table[column].isin(levels)


def _column_name(place: str) -> str:
    if place.isdigit():
        return f"Fold {place}"
    return split_name(place).removesuffix(" split").capitalize()
