import threading

import numpy as np
import pytest
import torch
from torch.nn import functional

from cxr_core.models.networks.heads import AttentionHead, AveragedHead, DenseHead, PositionalHead
from cxr_core.reading.heatmaps import LIBRARY_CLASSES, compute_library_heatmap
from tests.tiny import ARGUMENTS, tiny_card, tiny_network

F, L, H = 6, 3, 5


def head_of(kind: str, cells: tuple[int, int] = (4, 4), two_class: bool = False) -> torch.nn.Module:
    torch.manual_seed(4)
    made = {
        "averaged": lambda: AveragedHead(F, L, dropout=0.5, two_class=two_class),
        "positional": lambda: PositionalHead(F, L, cells, dropout=0.5, two_class=two_class),
        "dense": lambda: DenseHead(F, L, cells, hidden=H, dropout=0.5, two_class=two_class),
        "attention": lambda: AttentionHead(F, L, hidden=H, dropout=0.5, two_class=two_class),
    }[kind]()
    return made.double().eval().requires_grad_(False)


def features_of(cells: tuple[int, int] = (4, 4), seed: int = 0) -> torch.Tensor:
    return torch.randn(
        5, F, *cells, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def gradient_times_features(logits: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    parts = []
    for finding in range(logits.shape[1]):
        (gradient,) = torch.autograd.grad(logits[:, finding].sum(), features, retain_graph=True)
        parts.append((gradient * features).sum(dim=1))
    return torch.stack(parts, 1).detach()


heads = pytest.mark.parametrize("kind", ["averaged", "positional", "dense", "attention"])


@pytest.mark.parametrize("kind", ["averaged", "positional", "dense"])
@pytest.mark.parametrize("cells", [(4, 4), (7, 7), (14, 14), (12, 9)])
@pytest.mark.parametrize("two_class", [False, True])
def test_the_evidence_is_autograds_gradient_times_features(kind, cells, two_class):
    head = head_of(kind, cells, two_class)
    features = features_of(cells).requires_grad_()
    expected = gradient_times_features(head(features), features)
    assert torch.allclose(head.attribute_to_cells(features.detach()), expected, atol=1e-10)


def test_the_evidence_of_attention_holds_the_attention_where_it_is():
    head = head_of("attention")
    features = features_of().requires_grad_()
    shares = head.attention_shares(features.detach())
    pooled = (features * shares).sum(dim=(2, 3))
    logits = head.compute_logits(torch.relu(head.hidden(pooled)))
    assert torch.allclose(logits, head(features), atol=1e-12)
    assert torch.allclose(
        head.attribute_to_cells(features.detach()),
        gradient_times_features(logits, features),
        atol=1e-10,
    )


@pytest.mark.parametrize("kind", ["dense", "attention"])
@pytest.mark.parametrize("two_class", [False, True])
def test_the_cells_of_a_hidden_layer_sum_to_the_logit_less_the_bias_of_its_active_units(
    kind, two_class
):
    head, features = head_of(kind, two_class=two_class), features_of()
    if kind == "dense":
        units = features.flatten(1)
    else:
        attention = head.attention(features)
        units = (features * attention).mean(dim=(2, 3)) / attention.mean(dim=(2, 3))
    for film in range(len(features)):
        before = head.hidden.weight @ units[film] + head.hidden.bias
        outputs = head.linear.weight @ (head.hidden.bias * (before > 0)) + head.linear.bias
        bias = outputs[1::2] - outputs[::2] if two_class else outputs
        logits = head(features[film : film + 1])[0]
        cells = head.attribute_to_cells(features[film : film + 1])[0]
        assert torch.allclose(cells.sum(dim=(1, 2)) + bias, logits, atol=1e-10)
        assert not torch.allclose(cells.sum(dim=(1, 2)), logits)


def test_attention_averages_where_it_looks_by_gap_over_gap():
    head, features = head_of("attention"), features_of()
    attention = head.attention(features)
    by_hand = functional.adaptive_avg_pool2d(
        features * attention, 1
    ) / functional.adaptive_avg_pool2d(attention, 1)
    expected = head.linear(torch.relu(head.hidden(by_hand[:, :, 0, 0])))
    assert torch.allclose(head(features), expected, atol=1e-12)
    assert torch.allclose(
        head.attention_shares(features).sum(dim=(2, 3)), torch.ones(5, 1, dtype=torch.float64)
    )
    assert 0 < float(attention.min()) < float(attention.max()) < 1


def test_attention_that_sees_nothing_stays_finite():
    head = head_of("attention").float()
    head.attention[-2].bias.fill_(-200.0)
    assert torch.isfinite(head(features_of().float())).all()
    assert torch.isfinite(head.attribute_to_cells(features_of().float())).all()


def test_a_dense_head_averages_large_maps_down_to_seven_cells():
    assert head_of("dense", (14, 14)).hidden.in_features == F * 49
    assert head_of("dense", (4, 4)).hidden.in_features == F * 16


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_two_outputs_and_their_difference_are_categorical_cross_entropy(smoothing):
    torch.manual_seed(0)
    head = AveragedHead(8, 1, two_class=True)
    units, labels = torch.randn(16, 8), torch.randint(0, 2, (16,))
    outputs = functional.linear(units, head.linear.weight, head.linear.bias)
    categorical = functional.cross_entropy(outputs, labels, label_smoothing=smoothing)
    target = labels.float() * (1 - smoothing) + smoothing / 2
    binary = functional.binary_cross_entropy_with_logits(
        head(units[:, :, None, None])[:, 0], target
    )
    assert torch.allclose(binary, categorical, atol=1e-6)
    for_both = [
        torch.autograd.grad(loss, head.linear.weight, retain_graph=True)[0]
        for loss in (binary, categorical)
    ]
    assert torch.allclose(*for_both, atol=1e-6)


def test_two_outputs_for_several_findings_are_paired_finding_by_finding():
    head = AveragedHead(4, 3, two_class=True)
    units = torch.randn(2, 4)
    pairs = functional.linear(units, head.linear.weight, head.linear.bias).view(2, 3, 2)
    assert torch.allclose(head.compute_logits(units), pairs[..., 1] - pairs[..., 0], atol=1e-6)
    assert torch.allclose(
        head.keep_findings(2).compute_logits(units), head.compute_logits(units)[:, :2], atol=1e-6
    )
    assert torch.equal(head.linear.weight[head.output_rows(1)], head.linear.weight[2:4])


@heads
def test_the_evidence_can_be_asked_for_by_many_threads_in_inference_mode(kind):
    head = head_of(kind)
    films = [features_of(seed=seed) for seed in range(8)]
    expected = [head.attribute_to_cells(features) for features in films]
    found: dict[int, torch.Tensor] = {}

    def ask(index: int) -> None:
        with torch.inference_mode():
            found[index] = head.attribute_to_cells(films[index].clone())

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.allclose(found[index], expected[index], atol=1e-12) for index in range(8))
    assert not any(module._forward_hooks or module._backward_hooks for module in head.modules())


@pytest.mark.parametrize("kind", ["dense", "attention"])
@pytest.mark.parametrize("method", sorted(LIBRARY_CLASSES))
def test_library_methods_work_on_heads_with_a_hidden_layer(kind, method):
    network = tiny_network(tiny_card(arguments={**ARGUMENTS, "head": kind})).requires_grad_(False)
    features = network.forward_features(torch.rand(1, 1, 64, 64))[0].numpy()
    cells = compute_library_heatmap(network, features, 0, method)
    assert cells.shape == features.shape[1:]
    assert np.isfinite(cells).all()


def test_the_dense_evidence_is_hirescam_before_its_relu():
    network = tiny_network(tiny_card(arguments={**ARGUMENTS, "head": "dense"})).requires_grad_(
        False
    )
    features = network.forward_features(torch.rand(1, 1, 64, 64))
    ours = network.head.attribute_to_cells(features)[0, 0].clamp_min(0).numpy()
    theirs = compute_library_heatmap(network, features[0].numpy(), 0, "hirescam")
    assert np.allclose(ours / max(ours.max(), 1e-9), theirs, atol=1e-3)
