"""The check of masks that lie beside films: does each show the structure that its folder names?"""

from collections.abc import Iterator

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.masks import films_with_swapped_masks


def swapped_masks(manifest: Manifest) -> Iterator[Issue]:
    """Films whose mask of the heart does not lie between those of the lungs. Opens every mask of the usable films."""
    there = manifest.table["status"] == "present"
    if not there.any():
        return
    films = manifest.with_table(manifest.table[there])
    wrong = films_with_swapped_masks(films)
    if wrong.any():
        yield Issue(
            code="swapped_masks",
            message=f"Of {counted(int(wrong.sum()), 'films')} the mask of the heart does not lie between the lungs.",
            count=int(wrong.sum()),
            examples=tuple(films.names[wrong]),
            images=tuple(films.table["image"][wrong]),
        )
