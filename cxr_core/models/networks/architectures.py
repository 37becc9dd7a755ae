"""Networks by the name that a card gives them: what tells findings, a mean of several, and what outlines."""

from typing import Any

from cxr_core.errors import ModelError
from cxr_core.models.networks.backbones import timm
from cxr_core.models.networks.ensemble import AveragedClassifier
from cxr_core.models.networks.film_classifier import FilmClassifier, Head
from cxr_core.models.networks.segmenter import Segmenter

__all__ = ["ARCHITECTURES", "FilmClassifier", "Head", "Network", "build", "timm"]

Network = FilmClassifier | Segmenter
ARCHITECTURES: dict[str, type[Network]] = {
    "film_classifier": FilmClassifier,
    "averaged_classifier": AveragedClassifier,
    "segmenter": Segmenter,
}


def build(architecture: str, arguments: dict[str, Any]) -> Any:
    """The network of a card or recipe, randomly initialised (or pretrained when its arguments say so), in eval mode.

    A FilmClassifier or a Segmenter, as the architecture says. Raises ModelError for a name or argument that nothing
    here knows.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(
            f"unknown architecture {architecture!r}; choose from {', '.join(sorted(ARCHITECTURES))}"
        )
    try:
        return ARCHITECTURES[architecture](**arguments).eval()
    except TypeError as error:
        raise ModelError(f"the arguments of {architecture} do not fit it: {error}") from error
