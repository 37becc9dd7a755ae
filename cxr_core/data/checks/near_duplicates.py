"""Reports near-duplicates: films that show the same exposure in another size, container, cut or brightness."""

from collections.abc import Iterator

import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.manifest import NO_SPLIT, SPLITS, Manifest
from cxr_core.data.near_duplicates.search import NearDuplicates
from cxr_core.presentation.wording import format_count

NAMED_FILMS = 4


def check_near_duplicates(manifest: Manifest, found: NearDuplicates) -> Iterator[Issue]:
    """An issue for groups that reach two splits, one for other groups of two patients, and one for the rest.

    Films with the very same pixels are the concern of another check: a group has at least two pictures.
    """
    films = number_groups(manifest, found)
    if films.empty:
        return
    groups = films.groupby("group")
    in_two_splits = groups["split"].transform("nunique") > 1
    of_two_patients = groups["patient"].transform("nunique") > 1
    yield from _report_two_splits(films[in_two_splits])
    yield from _report_copies(
        "near_duplicates_two_patients",
        "of different patients",
        films[~in_two_splits & of_two_patients],
    )
    yield from _report_copies(
        "near_duplicates", "of one patient", films[~in_two_splits & ~of_two_patients]
    )


def number_groups(manifest: Manifest, found: NearDuplicates) -> pd.DataFrame:
    """The usable films that are near-duplicates, with their `group` from 0 and their `name`, group by group."""
    group_of = {digest: number for number, group in enumerate(found.groups) for digest in group}
    table = manifest.table.assign(name=manifest.names, group=manifest.table["sha256"].map(group_of))
    films = table[(table["status"] == "present") & table["group"].notna()]
    pictures = films.groupby("group")["sha256"].transform("nunique")
    films = films[pictures > 1].sort_values("group", kind="stable")
    return films.assign(group=films["group"].astype(int))


def _report_two_splits(films: pd.DataFrame) -> Iterator[Issue]:
    """Of each group the films in the last split that it reaches are kept: those of test always."""
    if films.empty:
        return
    order = films["split"].map({split: number for number, split in enumerate(SPLITS)})
    earlier = films[order < order.groupby(films["group"]).transform("max")]
    groups = format_count(films["group"].nunique(), "groups")
    yield Issue(
        code="near_duplicates_two_splits",
        message=f"{groups} of nearly identical films lie in more than one split. Excluding the films in the earlier "
        f"split leaves out {format_count(len(earlier), 'films')}.",
        count=len(films),
        examples=tuple(_name_groups(films)),
        images=tuple(earlier["image"]),
    )


def _report_copies(code: str, whose: str, films: pd.DataFrame) -> Iterator[Issue]:
    """Of each group the first film is kept, and all of test."""
    if films.empty:
        return
    surplus = films[films["group"].duplicated() & (films["split"] != "test")]
    groups = format_count(films["group"].nunique(), "groups")
    yield Issue(
        code=code,
        message=f"{groups} of nearly identical films {whose}, {format_count(len(films), 'films')} in all.",
        count=len(films),
        examples=tuple(_name_groups(films)),
        images=tuple(surplus["image"]),
    )


def _name_groups(films: pd.DataFrame) -> Iterator[str]:
    """The first groups: "a.png (train) ≈ b.png (test)"."""
    for _, group in list(films.groupby("group"))[:EXAMPLES]:
        names = group["name"] + " (" + group["split"].fillna(NO_SPLIT) + ")"
        more = f" and {len(names) - NAMED_FILMS} more" if len(names) > NAMED_FILMS else ""
        yield " ≈ ".join(names[:NAMED_FILMS]) + more
