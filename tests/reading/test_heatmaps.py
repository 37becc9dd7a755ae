"""The exact attribution is gradient times features; pytorch-grad-cam's maps leave the shared network untouched."""

import threading

import numpy as np
import pytest
import torch
from pytorch_grad_cam import HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cxr_core.errors import ReadingError
from cxr_core.models.networks.architectures import build_network
from cxr_core.reading.heatmaps import (
    LIBRARY_CLASSES,
    compute_library_heatmap,
    forward_with_attribution,
)
from tests.tiny import ARGUMENTS


def network(head: str, neck: int | None = 8) -> torch.nn.Module:
    torch.manual_seed(1)
    built = build_network(
        "film_classifier", {**ARGUMENTS, "backbone": "mobilenetv2_100", "head": head, "neck": neck}
    )
    return built.requires_grad_(False)


@pytest.fixture
def films() -> torch.Tensor:
    return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("head", ["averaged", "positional"])
@pytest.mark.parametrize("neck", [8, None])
def test_cells_of_a_linear_head_sum_to_the_logit_minus_its_bias(head, neck, films):
    model = network(head, neck)
    logits, attribution = forward_with_attribution(model, model.forward_features(films))
    assert torch.allclose(logits, model(films), atol=1e-6)
    assert torch.allclose(attribution.sum(dim=(2, 3)) + model.head.linear.bias, logits, atol=1e-5)


@pytest.mark.parametrize("head", ["averaged", "positional"])
def test_attribution_is_gradient_times_features(head, films):
    model = network(head)
    features = model.forward_features(films).detach().requires_grad_()
    _, attribution = forward_with_attribution(model, features)
    for finding in (0, 1):
        (gradient,) = torch.autograd.grad(model.forward_head(features)[:, finding].sum(), features)
        assert torch.allclose(attribution[:, finding], (gradient * features).sum(dim=1), atol=1e-6)


@pytest.mark.parametrize("head", ["averaged", "positional"])
def test_attribution_is_pytorch_grad_cams_hirescam_before_its_relu(head, films):
    """The reference hooks the module whose output is the features, after activation, on a network of its own."""
    model = network(head)
    _, attribution = forward_with_attribution(model, model.forward_features(films))

    for finding in (0, 1):
        other = network(head)
        with HiResCAM(model=other, target_layers=[other.neck]) as reference:
            reference(
                input_tensor=films.clone().requires_grad_(),
                targets=[ClassifierOutputTarget(finding)] * 3,
            )
            hooked = reference.activations_and_grads
            raw = reference.get_cam_image(
                films,
                other.neck,
                None,
                hooked.activations[0].numpy(),
                hooked.gradients[0].numpy(),
                False,
            )
        assert (
            np.abs(raw - attribution[:, finding].detach().numpy()).max() <= 1e-4 * np.abs(raw).max()
        )


@pytest.mark.parametrize("method", sorted(LIBRARY_CLASSES))
def test_library_methods_run_on_the_cached_features_and_are_relative(method, films):
    model = network("averaged")
    features = model.forward_features(films)[0].numpy()
    cells = compute_library_heatmap(model, features, 0, method)
    assert cells.shape == features.shape[1:]
    assert cells.dtype == np.float32
    assert cells.min() >= 0
    assert cells.max() <= 1


def test_library_methods_leave_no_hook_and_no_gradient_on_the_shared_network(films):
    model = network("averaged")
    features = model.forward_features(films)[0].numpy()
    threads = [
        threading.Thread(target=compute_library_heatmap, args=(model, features, 0, "gradcam"))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert all(
        parameter.grad is None and not parameter.requires_grad for parameter in model.parameters()
    )


def test_an_unknown_heatmap_method_is_a_reading_error_that_lists_the_known_ones(films):
    model = network("averaged")
    with pytest.raises(ReadingError, match="gradcam"):
        compute_library_heatmap(model, np.zeros((8, 2, 2), np.float32), 0, "guess")
