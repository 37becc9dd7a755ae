"""Reports near-duplicates: films that show the same exposure in another size, container, cut or brightness."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.manifest import NO_SPLIT, SPLITS, Manifest
from cxr_core.data.near_duplicates.search import NearDuplicates
from cxr_core.presentation.wording import format_count

NAMED_FILMS = 4
ONE_PATIENT = "near_duplicates"
TWO_PATIENTS, TWO_SPLITS = "near_duplicates_two_patients", "near_duplicates_two_splits"
CODES = (ONE_PATIENT, TWO_PATIENTS, TWO_SPLITS)


def check_near_duplicates(manifest: Manifest, found: NearDuplicates) -> Iterator[Issue]:
    """An issue for groups that reach two splits, one for other groups of two patients, and one for the rest.

    Films with the very same pixels are the concern of another check: a group has at least two pictures.
    """
    films = _group_films(manifest, found, ("present",))
    yield from _report_two_splits(films[films["code"] == TWO_SPLITS])
    yield from _report_copies(
        TWO_PATIENTS, "of different patients", films[films["code"] == TWO_PATIENTS]
    )
    yield from _report_copies(ONE_PATIENT, "of one patient", films[films["code"] == ONE_PATIENT])


def number_groups(manifest: Manifest, found: NearDuplicates, code: str) -> pd.DataFrame:
    """The films that an issue of this code is about, used or excluded, with their `group` from 0, group by group.

    The index has their rows in the manifest.
    """
    films = _group_films(manifest, found, ("present", "excluded"))
    films = films[films["code"] == code]
    return films.assign(group=pd.factorize(films["group"])[0])


def _group_films(
    manifest: Manifest, found: NearDuplicates, statuses: tuple[str, ...]
) -> pd.DataFrame:
    """Films of these statuses that are near-duplicates, with `group`, `name`, and the `code` of their group's issue."""
    group_of = {digest: number for number, group in enumerate(found.groups) for digest in group}
    table = manifest.table.assign(name=manifest.names, group=manifest.table["sha256"].map(group_of))
    films = table[table["status"].isin(statuses) & table["group"].notna()]
    pictures = films.groupby("group")["sha256"].transform("nunique")
    films = films[pictures > 1].sort_values("group", kind="stable")
    groups = films.groupby("group")
    two_patients = groups["patient"].transform("nunique") > 1
    two_splits = groups["split"].transform("nunique") > 1
    codes = np.where(two_splits, TWO_SPLITS, np.where(two_patients, TWO_PATIENTS, ONE_PATIENT))
    return films.assign(code=codes)


def _report_two_splits(films: pd.DataFrame) -> Iterator[Issue]:
    """Of each group the films in the last split that it reaches are kept: those of test always."""
    if films.empty:
        return
    order = films["split"].map({split: number for number, split in enumerate(SPLITS)})
    earlier = films[order < order.groupby(films["group"]).transform("max")]
    groups = format_count(films["group"].nunique(), "groups")
    yield Issue(
        code=TWO_SPLITS,
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
