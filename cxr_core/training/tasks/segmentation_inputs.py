"""Segments the films of a run with the installed segmenter, for recipes that train with hearts and lungs."""

from collections.abc import Callable, Iterator

from cxr_core.data.manifest import Manifest
from cxr_core.errors import Cancelled, RecipeError
from cxr_core.inference import segment_films
from cxr_core.models.registry.registry import find_segmenter
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.segmenter import Segmenter


def load_measuring_segmenter() -> Segmenter:
    """The installed segmenter. Raises RecipeError when there is none."""
    folder = find_segmenter()
    if folder is None:
        raise RecipeError(
            "the recipe needs heart and lungs segmented on the training films, and no segmenter "
            "is installed; train and publish one (python -m train.fit anatomy ...), or set region_weight=0"
        )
    return Segmenter.load(folder)


def name_of_segmenter() -> str:
    """Model and version of the installed segmenter. Raises RecipeError when there is none."""
    card = load_measuring_segmenter().card
    return f"{card.model} {card.version}"


def trusted_segmentations(
    films: Manifest, progress: Callable[[int, int], None], stop: Callable[[], bool]
) -> Iterator[SegmentationResult | None]:
    """The segmentation of each film in order; None where it has no ratio or carries a warning.

    Raises Cancelled when asked to stop meanwhile, RecipeError when no segmenter is installed.
    """

    def show(done: int, total: int) -> None:
        if stop():
            raise Cancelled("stopped while the training films were segmented")
        progress(done, total)

    for result in segment_films(load_measuring_segmenter(), films, show):
        yield None if result.ratio is None or result.warnings else result
