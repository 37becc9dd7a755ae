"""What speaks against training on a dataset: every check of its table, the worst first.

The checks see the table alone. What only pixels can tell (sha256, size, bits, concerns) is in it once every film has
been decoded; before that, those checks find nothing.
"""

from cxr_core.data.checks.issue import Issue, by_severity
from cxr_core.data.checks.parts import patients_in_two_parts, without_one_class
from cxr_core.data.checks.pictures import of_several_sizes, same_pictures, suspicious, unreadable
from cxr_core.data.checks.shortcuts import shortcuts
from cxr_core.data.manifest import Manifest


def diagnose(manifest: Manifest) -> tuple[Issue, ...]:
    """Everything that was noticed or found about a dataset, blocking issues first. Opens no file.

    Unreadable files are counted among all; everything else is told of the usable films alone. Where not one file is
    there, it is told of the films that are listed, so that a table can be examined before its films arrive.
    """
    found = [*manifest.noticed, *unreadable(manifest)]
    films = _judged(manifest)
    if films is not None:
        found += [*suspicious(films), *same_pictures(films), *of_several_sizes(films)]
        found += [*patients_in_two_parts(films), *without_one_class(films)]
        found += shortcuts(films)
    return by_severity(found)


def _judged(manifest: Manifest) -> Manifest | None:
    """The usable films; where not one file is there, those that are listed; None where every file is unusable."""
    status = manifest.table["status"]
    for judged in ("present", "missing"):
        if (status == judged).any():
            return manifest.with_table(manifest.table[status == judged])
    return None
