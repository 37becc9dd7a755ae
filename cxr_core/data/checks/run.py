"""Runs the dataset checks: everything that speaks against training on a dataset, the most severe issues first.

`run_checks` looks at the table alone. What only pixels show (sha256, size, bits, quality flags) is in it once every
film has been decoded; before that, those checks find nothing.
"""

from collections.abc import Iterator

from cxr_core.data.checks.images import (
    find_identical_films,
    find_left_out_films,
    find_mixed_sizes,
    find_suspicious_films,
    find_unreadable_files,
)
from cxr_core.data.checks.issue import Issue, sort_by_severity
from cxr_core.data.checks.shortcuts import find_shortcuts
from cxr_core.data.checks.splits import find_missing_classes, find_patients_in_two_splits
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.masks import find_swapped_masks
from cxr_core.presentation.wording import format_count


def run_checks(manifest: Manifest) -> tuple[Issue, ...]:
    """Everything that the sources reported or the checks find, blocking issues first. Opens no file.

    Unreadable files and films left out are counted among all; every other check looks at the usable films alone. Where
    no file has arrived, it looks at the films that are listed, so that a table can be checked before its films arrive.
    """
    issues = [*manifest.source_issues, *find_unreadable_files(manifest)]
    issues += find_left_out_films(manifest)
    films = _films_to_check(manifest)
    if films is not None:
        issues += find_suspicious_films(films)
        issues += find_identical_films(films)
        issues += find_mixed_sizes(films)
        issues += find_patients_in_two_splits(films)
        issues += find_missing_classes(films)
        issues += find_shortcuts(films)
    return sort_by_severity(issues)


def check_masks(manifest: Manifest) -> Iterator[Issue]:
    """Films whose mask of the heart does not lie between those of the lungs. Opens every mask of the usable films."""
    present = manifest.table["status"] == "present"
    if not present.any():
        return
    films = manifest.with_table(manifest.table[present])
    swapped = find_swapped_masks(films)
    count = int(swapped.sum())
    if count:
        yield Issue(
            code="swapped_masks",
            message=f"In {format_count(count, 'films')} the mask of the heart does not lie between the lungs.",
            count=count,
            examples=tuple(films.names[swapped]),
            images=tuple(films.table["image"][swapped]),
        )


def _films_to_check(manifest: Manifest) -> Manifest | None:
    """The usable films; where no file has arrived, those that are listed; None where every file is unusable."""
    status = manifest.table["status"]
    for wanted in ("present", "missing"):
        if (status == wanted).any():
            return manifest.with_table(manifest.table[status == wanted])
    return None
