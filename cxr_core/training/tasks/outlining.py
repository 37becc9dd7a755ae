"""The installed segmenter on the films of a run: what recipes learn from hearts and lungs comes from here."""

from collections.abc import Callable, Iterator

from cxr_core.data.manifest import Manifest
from cxr_core.errors import Cancelled, RecipeError
from cxr_core.evaluation.segmentation.evaluate_outlines import anatomies
from cxr_core.models.registry.registry import installed_segmenter
from cxr_core.reading.cardiothoracic.contours import Anatomy
from cxr_core.reading.segmenter import Outliner


def measuring_segmenter() -> Outliner:
    """What outlines and measures the films. Raises RecipeError when no segmenter is installed."""
    folder = installed_segmenter()
    if folder is None:
        raise RecipeError(
            "the recipe learns from hearts that are outlined on the training films, and no model that outlines them is "
            "installed; train and publish one (python -m train.fit anatomy ...), or set ratio_weight=0, region_weight=0"
        )
    return Outliner.load(folder)


def measured_by() -> str:
    """Model and version of what outlines the films. Raises RecipeError when no segmenter is installed."""
    card = measuring_segmenter().card
    return f"{card.model} {card.version}"


def trusted_anatomies(
    films: Manifest, progress: Callable[[int, int], None], stop: Callable[[], bool]
) -> Iterator[Anatomy | None]:
    """The anatomy of each film in order, None where it cannot be measured or something speaks against it.

    Raises Cancelled when asked to stop meanwhile, RecipeError when no segmenter is installed.
    """

    def told(done: int, total: int) -> None:
        if stop():
            raise Cancelled("stopped while the hearts of the training films were outlined")
        progress(done, total)

    for anatomy in anatomies(measuring_segmenter(), films, told):
        yield None if anatomy.ratio is None or anatomy.doubts else anatomy
