import threading

import numpy as np
import pytest
import torch
from pytorch_grad_cam import HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cxr_core.errors import ReadingError
from cxr_core.models.networks.architectures import build
from cxr_core.reading.grad_cam import LIBRARY_METHODS, library_map
from cxr_core.reading.heatmaps import logits_and_evidence
from tests.tiny import ARGUMENTS


def network(head: str, neck: int | None = 8) -> torch.nn.Module:
    torch.manual_seed(1)
    built = build(
        "film_classifier", {**ARGUMENTS, "backbone": "mobilenetv2_100", "head": head, "neck": neck}
    )
    return built.requires_grad_(False)


@pytest.fixture
def films() -> torch.Tensor:
    return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("head", ["averaged", "positional"])
@pytest.mark.parametrize("neck", [8, None])
def test_the_cells_of_a_linear_head_sum_to_the_logit_less_its_bias(head, neck, films):
    model = network(head, neck)
    logits, evidence = logits_and_evidence(model, model.forward_features(films))
    assert torch.allclose(logits, model(films), atol=1e-6)
    assert torch.allclose(evidence.sum(dim=(2, 3)) + model.head.linear.bias, logits, atol=1e-5)


@pytest.mark.parametrize("head", ["averaged", "positional"])
def test_the_evidence_is_gradient_times_features(head, films):
    model = network(head)
    features = model.forward_features(films).detach().requires_grad_()
    _, evidence = logits_and_evidence(model, features)
    for finding in (0, 1):
        (gradient,) = torch.autograd.grad(model.forward_head(features)[:, finding].sum(), features)
        assert torch.allclose(evidence[:, finding], (gradient * features).sum(dim=1), atol=1e-6)


@pytest.mark.parametrize("head", ["averaged", "positional"])
def test_the_fast_map_is_pytorch_grad_cams_hirescam_before_its_relu(head, films):
    """The reference hooks the module whose output is the features, after activation, on a network of its own."""
    model = network(head)
    _, evidence = logits_and_evidence(model, model.forward_features(films))

    for finding in (0, 1):
        whole = network(head)
        with HiResCAM(model=whole, target_layers=[whole.neck]) as reference:
            reference(
                input_tensor=films.clone().requires_grad_(),
                targets=[ClassifierOutputTarget(finding)] * 3,
            )
            hooked = reference.activations_and_grads
            raw = reference.get_cam_image(
                films,
                whole.neck,
                None,
                hooked.activations[0].numpy(),
                hooked.gradients[0].numpy(),
                False,
            )
        assert np.abs(raw - evidence[:, finding].detach().numpy()).max() <= 1e-4 * np.abs(raw).max()


@pytest.mark.parametrize("method", sorted(LIBRARY_METHODS))
def test_library_methods_run_on_the_cached_features_and_are_relative(method, films):
    model = network("averaged")
    features = model.forward_features(films)[0].numpy()
    cells = library_map(model, features, 0, method)
    assert cells.shape == features.shape[1:]
    assert cells.dtype == np.float32
    assert cells.min() >= 0
    assert cells.max() <= 1


def test_library_methods_leave_no_hook_and_no_gradient_on_the_shared_network(films):
    model = network("averaged")
    features = model.forward_features(films)[0].numpy()
    threads = [
        threading.Thread(target=library_map, args=(model, features, 0, "gradcam")) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert all(
        parameter.grad is None and not parameter.requires_grad for parameter in model.parameters()
    )


def test_an_unknown_method_is_answered_with_the_known_ones(films):
    model = network("averaged")
    with pytest.raises(ReadingError, match="gradcam"):
        library_map(model, np.zeros((8, 2, 2), np.float32), 0, "guess")
