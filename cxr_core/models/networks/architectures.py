"""Builds networks by the name that a card gives them: a classifier, an ensemble of classifiers, or a segmenter."""

from collections.abc import Callable

from cxr_core.errors import ModelError
from cxr_core.models.card import ArchitectureArguments
from cxr_core.models.networks.backbones import timm
from cxr_core.models.networks.ensemble import EnsembleClassifier
from cxr_core.models.networks.film_classifier import FilmClassifier, Head
from cxr_core.models.networks.segmenter import FilmSegmenter

__all__ = ["ARCHITECTURES", "FilmClassifier", "Head", "Network", "build_network", "timm"]

Network = FilmClassifier | FilmSegmenter
ARCHITECTURES: dict[str, Callable[..., Network]] = {
    "film_classifier": FilmClassifier,
    "averaged_classifier": EnsembleClassifier,
    "segmenter": FilmSegmenter,
}


def build_network(architecture: str, arguments: ArchitectureArguments) -> Network:
    """The network of a card or recipe in eval mode, with random weights unless its arguments ask for pretrained ones.

    Raises ModelError for an unknown architecture or argument, and RecipeError for a value that the network cannot take.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(
            f"unknown architecture {architecture!r}; choose from {', '.join(sorted(ARCHITECTURES))}"
        )
    try:
        network = ARCHITECTURES[architecture](**arguments)
    except TypeError as error:
        raise ModelError(f"the arguments of {architecture} do not fit it: {error}") from error
    network.eval()
    return network
