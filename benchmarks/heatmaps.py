"""What heatmaps cost beside the forward pass, and beside pytorch-grad-cam. Each shipped model, one film of 1024 px."""

from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.table import Row, paired
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.film.preprocess import Placement, to_model_input
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.models.registry.registry import list_classifiers
from cxr_core.models.store import load_network
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.heatmaps import forward_with_attribution, load_library_class

ROUNDS = 120
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"ROUNDS": 4}


class Hooked(torch.nn.Module):
    """A network whose features pass through a layer that the library may hook; an ensemble has no such layer."""

    def __init__(self, network: FilmClassifier):
        super().__init__()
        self.network = network
        self.features = torch.nn.Identity()

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        return self.network.forward_head(self.features(self.network.forward_features(films)))


def rows() -> list[Row]:
    return [
        row
        for folder in list_classifiers()
        for row in _of_one_model(Classifier.load(folder), folder)
    ]


def _of_one_model(classifier: Classifier, folder: Path) -> list[Row]:
    card, network = classifier.card, classifier.network
    film = draw_phantom(PhantomSpec())
    inputs = torch.from_numpy(to_model_input(film.pixels, card.input_spec))
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    placement = Placement.fit(film.shape, card.input_spec)

    def bare() -> None:
        with torch.inference_mode():
            network(inputs)

    def with_heatmaps() -> None:
        with torch.inference_mode():
            _, evidence = forward_with_attribution(network, network.forward_features(inputs))
        for cells in evidence[0].numpy():
            placement.map_to_film(cells)

    def whole_output() -> None:
        for evidence in classifier.read_inputs(inputs, [film.shape])[0].attributions.values():
            evidence.on_film()

    hooked = Hooked(load_network(folder, card)).to(memory_format=torch.channels_last)
    library_class = load_library_class("hirescam")
    # Only now: loading the class declares the operators that this import needs.
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = library_class(model=hooked, target_layers=[hooked.features])

    def predict_then_library() -> None:
        bare()
        for index in range(len(card.findings)):
            small = cam(
                input_tensor=inputs.clone().requires_grad_(),
                targets=[ClassifierOutputTarget(index)],
            )[0]
            cv2.resize(np.asarray(small), placement.film_shape[::-1])

    for action in (bare, with_heatmaps, whole_output, predict_then_library):
        action()
    cost, plain = paired(with_heatmaps, bare, ROUNDS)
    gain, ours = paired(predict_then_library, with_heatmaps, ROUNDS // 2)
    whole, _ = paired(whole_output, bare, ROUNDS)
    cam.activations_and_grads.release()
    name = card.model
    return [
        Row(
            f"{name}: input to heatmaps on the film / bare forward ({plain:.1f} ms)",
            cost,
            "x",
            "<= 1.10",
        ),
        Row(f"{name}: the same with familiarity and probabilities / bare forward", whole, "x", ""),
        Row(
            f"{name}: predict + pytorch-grad-cam / input to heatmaps ({ours:.1f} ms)",
            gain,
            "x",
            ">= 3",
        ),
    ]
