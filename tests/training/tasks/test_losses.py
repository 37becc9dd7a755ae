"""The losses of findings against the libraries' and the papers' own; unknown labels are not learnt from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.loss import AsymmetricLossMultiLabel
from torchvision.ops import sigmoid_focal_loss

from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Batch
from cxr_core.evaluation.metrics.metrics import expected_calibration_error
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.reading.calibration import apply_calibration
from cxr_core.reading.fitting.calibration import fit_platt
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.learner import Learner, create_task
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.tasks.findings import FindingsTask
from cxr_core.training.tasks.losses import prior_log_odds
from tests.tiny import TINY_RECIPE

RECIPE = replace(
    TINY_RECIPE,
    findings=("cardiomegaly", "effusion"),
    backbone="plain_cnn",
    neck=None,
    input_side=32,
)
LOSSES = {
    "cross_entropy": RECIPE,
    "focal": replace(RECIPE, loss="focal", focal_gamma=1.5, focal_alpha=0.3),
    "focal without weights": replace(RECIPE, loss="focal", focal_alpha=None),
    "asymmetric": replace(RECIPE, loss="asymmetric", asymmetric_margin=0.1),
    "adjusted": replace(RECIPE, logit_adjustment=1.0),
}
each_recipe = pytest.mark.parametrize("recipe", LOSSES.values(), ids=LOSSES)
NAN = float("nan")


def loss_of(recipe: Recipe, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return FindingsTask(recipe, TRAIN_LABELS).summed_loss(logits, labels)


TRAIN_LABELS = np.array([[1, 0], [0, 0], [0, NAN], [0, 1], [1, 0]], np.float32)


def reference_loss(recipe: Recipe, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """By the libraries' sums and the papers' formulas, over the known labels alone."""
    if recipe.logit_adjustment:  # eq. 10 of Menon et al. for two classes: priors 2/5 and 1/4
        logits = logits + torch.tensor([2 / 3, 1 / 3]).log()
    known = ~torch.isnan(labels)
    logits, labels = logits[known], labels[known]
    if recipe.loss == "focal":
        alpha = -1 if recipe.focal_alpha is None else recipe.focal_alpha
        return sigmoid_focal_loss(logits, labels, alpha, recipe.focal_gamma, "sum")
    if recipe.loss == "asymmetric":
        return AsymmetricLossMultiLabel(4, 1, 0.1, reduction="sum")(logits, labels)
    probability = torch.sigmoid(logits)
    return -(labels * probability.log() + (1 - labels) * (1 - probability).log()).sum()


@each_recipe
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_loss_is_its_reference_over_the_known_labels(recipe: Recipe, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, 3, (6, 2)), dtype=torch.float32)
    labels = torch.tensor(rng.choice([0, 1, NAN], (6, 2)), dtype=torch.float32)
    found, expected = loss_of(recipe, logits, labels), reference_loss(recipe, logits, labels)
    assert float(found) == pytest.approx(float(expected), rel=1e-4, abs=1e-5)


def test_the_asymmetric_loss_is_the_papers() -> None:
    """Ridnik et al. 2021, eq. 4 to 7, in numpy."""
    logits = np.array([[-4.0, 2.0], [0.5, -0.5]])
    labels = np.array([[0.0, 0.0], [1.0, 0.0]])
    probability = 1 / (1 + np.exp(-logits))
    shifted = np.maximum(probability - 0.1, 0)
    positive = -((1 - probability) ** 1.0) * np.log(probability)
    negative = -(shifted**4.0) * np.log(1 - shifted)
    expected = np.where(labels == 1, positive, negative).sum()
    found = loss_of(LOSSES["asymmetric"], torch.tensor(logits), torch.tensor(labels))
    assert float(found) == pytest.approx(expected, rel=1e-4)
    assert negative[0, 0] == 0, "a negative film below the margin does not count"


@each_recipe
def test_unknown_labels_are_not_learnt_from(recipe: Recipe) -> None:
    logits = torch.tensor([[0.3, -1.0], [2.0, 1.0]], requires_grad=True)
    loss_of(recipe, logits, torch.tensor([[1.0, NAN], [NAN, 0.0]])).backward()
    assert logits.grad is not None
    assert (logits.grad[0, 1], logits.grad[1, 0]) == (0, 0)
    assert logits.grad[0, 0] < 0 < logits.grad[1, 1]


def test_the_prior_is_that_of_the_known_labels_and_always_finite() -> None:
    labels = np.array([[1, 0, NAN, 1], [0, 0, NAN, 1], [NAN, 0, NAN, NAN]], np.float32)
    assert prior_log_odds(labels) == pytest.approx(
        [0, np.log(0.5 / 2.5), 0, np.log(1.5 / 0.5)], abs=1e-6
    )


@pytest.mark.parametrize("name", ["focal", "asymmetric", "adjusted"])
def test_a_calibration_makes_probabilities_of_what_such_a_loss_has_learnt(name: str) -> None:
    """One feature whose true log-odds are 1.5 x - 2: the logits are no probabilities, the calibrated ones are."""
    recipe = replace(LOSSES[name], findings=("cardiomegaly",))
    rng = np.random.default_rng(0)
    feature = rng.normal(0, 1.5, (20_000, 1)).astype(np.float32)
    labels = (rng.random(feature.shape) < 1 / (1 + np.exp(2 - 1.5 * feature))).astype(np.float32)
    fit, check = slice(0, 10_000), slice(10_000, None)
    layer = torch.nn.Linear(1, 1)
    task = FindingsTask(recipe, labels[fit])
    inputs, targets = torch.from_numpy(feature[fit]), torch.from_numpy(labels[fit])
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = task.summed_loss(layer(inputs), targets) / len(inputs)
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        logits = layer(torch.from_numpy(feature)).numpy()[:, 0].astype(float)
    calibration = fit_platt(logits[fit], labels[fit, 0], "drawn")
    calibrated = apply_calibration(calibration, logits[check])
    raw = 1 / (1 + np.exp(-logits[check]))
    assert expected_calibration_error(raw, labels[check, 0]) > 0.05
    assert expected_calibration_error(calibrated, labels[check, 0]) < 0.02


@pytest.mark.parametrize("limit", [None, 1e-3, 1e6])
def test_a_gradient_is_clipped_as_torch_does_it(limit: float | None) -> None:
    recipe = replace(
        RECIPE,
        optimizer="sgd",
        weight_decay=0.0,
        schedule="constant",
        learning_rate=0.1,
        gradient_clip_norm=limit,
    )
    rng = np.random.default_rng(3)
    grids = torch.from_numpy(rng.integers(0, 256, (8, 32, 32), np.uint8))
    labels = torch.from_numpy(rng.integers(0, 2, (8, 2)).astype(np.float32))
    step = Batch(grids, labels, np.arange(8))
    steps = {}
    for name, each in (("clipped", recipe), ("free", replace(recipe, gradient_clip_norm=None))):
        network = initialise_network(each.architecture_arguments(2), "scratch", 0).network
        before = [parameter.detach().clone() for parameter in network.parameters()]
        learner = Learner(
            each, network, create_task(each), DistributedContext(torch.device("cpu")), steps=1
        )
        learner.begin_epoch(1)
        learner.train_step(step, 0, 8)
        changes = [
            now.detach() - then for now, then in zip(network.parameters(), before, strict=True)
        ]
        steps[name] = float(torch.cat([change.flatten() for change in changes]).norm())
    rate = 0.1 * 1.9  # Nesterov momentum of 0.9 counts the first gradient 1.9 times
    expected = steps["free"]
    if limit is not None:
        expected = rate * min(steps["free"] / rate, limit)
    assert steps["clipped"] == pytest.approx(expected, rel=1e-2)


def test_films_are_counted_by_the_labels_that_a_task_adjusts_by() -> None:
    films = FilmSet.from_grids(np.zeros((5, 32, 32), np.uint8), TRAIN_LABELS)
    recipe = LOSSES["adjusted"]
    logits, labels = torch.zeros(1, 2), torch.ones(1, 2)
    found = create_task(recipe, films).summed_loss(logits, labels)
    assert float(found) == pytest.approx(float(reference_loss(recipe, logits, labels)), rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_films_without_a_known_label_are_sampled_once() -> None:
    labels = np.array([[1, NAN], [NAN, NAN], [0, 0], [NAN, 1]], np.float32)
    films = FilmSet.from_grids(np.zeros((4, 32, 32), np.uint8), labels)
    task = FindingsTask(replace(RECIPE, balance="oversample", oversample_factor=5.0))
    weights = task.sampling_weights(films)
    assert weights is not None
    assert weights.tolist() == [5, 1, 1, 5]
