"""Every recipe in the tree: it loads, says what its source says, and takes two real steps on tiny films."""

import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.optim import create_optimizer_v2

from cxr_core.data.loader import Batch
from cxr_core.errors import PretrainedUnavailable, RecipeError
from cxr_core.models.networks.architectures import timm
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.reading.heatmaps import forward_with_attribution
from cxr_core.training.engine.augment import apply_augmentation, sample_augmentation
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.learner import Learner, create_task
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import apply_overrides, format_recipe, load_recipe
from cxr_core.training.sweeps.grid import split_into_stages
from cxr_core.training.tasks.losses import create_label_loss, summed_loss
from cxr_core.workspace.paths import RECIPES

pytestmark = pytest.mark.network_zoo

PATHS = {path.stem: path for path in sorted(RECIPES.glob("*.toml"))}
# Made for the MobileNetV2 weights that are at hand, which are not those of timm's hub.
OWN_WEIGHTS = {
    "house",
    "abnormality-adults",
    "cardiomegaly-adults",
    "pneumonia-adults",
    "pneumonia-children",
    "anatomy",
}
ATTENTION = [
    f"cardiomegaly-attention-{backbone}-{balance}"
    for backbone in (
        *("resnet50", "resnetv2_152", "inception_v3", "mobilenetv1_100", "densenet121"),
        *("efficientnet_b0", "efficientnet_b4"),
    )
    for balance in ("balanced", "unbalanced")
]
OTHERS = [
    *(
        "cardiomegaly-cnn",
        "cardiomegaly-densenet121-equalised",
        "cardiomegaly-efficientnet-b0-equalised",
    ),
    *(
        "pneumonia-cnn-grey",
        "pneumonia-resnet50",
        "pneumonia-efficientnet-b0",
        "pneumonia-vgg16-frozen",
    ),
    *OWN_WEIGHTS,
]
each_recipe = pytest.mark.parametrize("name", sorted(PATHS))
each_classifier = pytest.mark.parametrize("name", sorted({*PATHS} - {"anatomy"}))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recipe_of(name: str) -> Recipe:
    return load_recipe(PATHS[name])


def test_the_recipes_are_those_of_the_five_sources_and_the_house():
    assert set(PATHS) == {*ATTENTION, *OTHERS}


@each_recipe
def test_a_recipe_loads_survives_its_toml_and_says_where_it_is_from(name, tmp_path):
    recipe = recipe_of(name)
    assert recipe.name == name
    (tmp_path / "again.toml").write_text(format_recipe(recipe))
    assert load_recipe(tmp_path / "again.toml") == recipe
    for said in (recipe.summary, recipe.source):
        assert said.endswith(".")
        assert len(said) > 40


@each_classifier
def test_a_recipe_is_for_the_population_of_its_films(name):
    recipe = recipe_of(name)
    ages = (recipe.population_age_min, recipe.population_age_max)
    on_nih = bool({"cardiomegaly", "abnormality"} & {*recipe.findings})
    assert ages == ((18, None) if on_nih else (1, 5))


@each_recipe
def test_pretrained_recipes_show_films_as_the_weights_expect_them(name):
    """At the size, and with the mean and deviation over colours, that timm states for the weights."""
    recipe = recipe_of(name)
    if recipe.init == "scratch" or name in OWN_WEIGHTS:
        return
    expected = timm.models.get_pretrained_cfg(recipe.backbone)
    assert recipe.input_side == expected.input_size[1]
    assert recipe.mean == pytest.approx(statistics.mean(expected.mean), abs=2e-3)
    assert recipe.std == pytest.approx(statistics.mean(expected.std), abs=2e-3)


@each_classifier
def test_a_recipe_takes_two_real_steps_and_gives_a_heatmap(name):
    recipe = recipe_of(name)
    side = 96 if recipe.backbone == "inception_v3" else 64
    small = replace(recipe, input_side=side, init="scratch")
    findings = small.findings + small.auxiliary_findings
    network = initialise_network(
        small.architecture_arguments(len(findings)), small.init, seed=0
    ).network
    trained = (
        network.head_parameters() if small.freeze == "backbone" else list(network.parameters())
    )
    optimizer = create_optimizer_v2(
        [{"params": trained}],
        opt=small.optimizer,
        lr=small.learning_rate,
        weight_decay=small.weight_decay,
    )
    rng = torch.Generator().manual_seed(1)
    films = torch.rand(4, 1, side, side, generator=rng)
    labels = torch.randint(0, 2, (4, len(findings)), generator=rng).float()
    before = {key: tensor.clone() for key, tensor in network.head.state_dict().items()}
    network.train()
    for _ in range(2):
        sample = sample_augmentation(small.augmentation, len(films), rng)
        augmented = apply_augmentation(small.augmentation, films, sample)
        inputs = (augmented - small.mean) / small.std
        loss = summed_loss(
            create_label_loss(small),
            network(inputs.expand(-1, small.channels, -1, -1)),
            labels,
            small.label_smoothing,
            torch.ones(len(findings)),
        )
        assert torch.isfinite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = network.head.state_dict()
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert not torch.equal(after["linear.weight"], before["linear.weight"])
    with torch.no_grad():
        answering = network.eval().keep_findings(len(small.findings))
        features = answering.forward_features(inputs[:1].expand(-1, small.channels, -1, -1))
        logits, evidence = forward_with_attribution(answering, features)
    assert logits.shape == (1, len(small.findings))
    assert evidence.shape == (1, len(small.findings), *features.shape[2:])
    assert torch.isfinite(evidence).all()


def test_the_outlining_recipe_takes_two_real_steps():
    recipe = replace(recipe_of("anatomy"), input_side=64, init="scratch")
    start = initialise_network(
        recipe.architecture_arguments(0), "scratch", 0, architecture=recipe.architecture
    )
    learner = Learner(
        recipe, start.network, create_task(recipe), DistributedContext(torch.device("cpu")), steps=2
    )
    learner.begin_epoch(1)
    before = {name: tensor.clone() for name, tensor in learner.network_tensors().items()}
    rng = torch.Generator().manual_seed(1)
    grids = torch.randint(0, 256, (4, 64, 64), generator=rng, dtype=torch.uint8)
    masks = torch.zeros(4, 3, 64, 64, dtype=torch.uint8)
    masks[:, :, 20:40, 20:40] = 255
    losses = [learner.train_step(Batch(grids, masks, np.arange(4)), step, 4) for step in range(2)]
    assert np.isfinite(losses).all()
    after = learner.network_tensors()
    for name in ("last.weight", "steps.0.0.weight", "backbone.conv_stem.weight"):
        assert not torch.equal(after[name], before[name])


@pytest.mark.parametrize("backbone", ["densenet121", "efficientnet-b0"])
def test_the_equalised_recipes_say_what_their_source_says(backbone):
    recipe = recipe_of(f"cardiomegaly-{backbone}-equalised")
    assert (recipe.equalisation, recipe.optimizer, recipe.learning_rate) == (
        "histogram",
        "adam",
        1e-5,
    )
    assert (recipe.batch_size, recipe.weight_decay, recipe.early_stopping_patience) == (32, 1e-3, 4)
    assert (recipe.schedule, recipe.plateau_patience, recipe.plateau_factor) == ("plateau", 2, 0.1)


@pytest.mark.parametrize(
    "name", ["pneumonia-cnn-grey", "pneumonia-resnet50", "pneumonia-efficientnet-b0"]
)
def test_the_grey_recipes_say_what_their_source_says(name):
    recipe = recipe_of(name)
    assert (recipe.channels, recipe.input_side, recipe.optimizer) == (1, 224, "adam")
    assert recipe.schedule != "constant"
    changed = {key for key, value in vars(recipe.augmentation).items() if value}
    assert changed == {"rotation_deg", "flip", "brightness"}
    if name == "pneumonia-cnn-grey":
        assert (recipe.mean, recipe.std, recipe.head) == (0.0, 1.0, "dense")


@pytest.mark.parametrize("name", ATTENTION)
def test_the_attention_recipes_say_what_their_source_says(name):
    recipe = recipe_of(name)
    assert (recipe.split, recipe.optimizer, recipe.learning_rate) == ("80:08:12", "adam", 1e-3)
    assert (recipe.early_stopping_patience, recipe.init) == (10, "imagenet")
    assert {key for key, value in vars(recipe.augmentation).items() if value} == {
        "rotation_deg",
        "flip",
        "zoom",
    }
    balanced = name.endswith("-balanced")
    assert recipe.balance == ("oversample" if balanced else "none")
    assert recipe.oversample_factor is None or not balanced


def test_the_frozen_recipe_says_what_its_source_says():
    recipe = recipe_of("pneumonia-vgg16-frozen")
    assert (recipe.backbone, recipe.freeze, recipe.two_class, recipe.optimizer) == (
        "vgg16",
        "backbone",
        True,
        "adam",
    )


def test_the_houses_own_recipes_never_flip():
    assert all(recipe_of(name).augmentation.flip == 0 for name in OWN_WEIGHTS)


def test_the_recipe_without_imagenet_weights_says_so_and_runs_from_a_file_or_scratch():
    recipe = recipe_of("cardiomegaly-attention-resnetv2_152-balanced")
    for way in ("init=FILE", "init=scratch", "backbone=resnetv2_101"):
        assert way in recipe.source
    small = replace(recipe, input_side=64)
    with pytest.raises(PretrainedUnavailable, match="resnetv2_101"):
        initialise_network(small.architecture_arguments(1), "imagenet", seed=0)


def test_the_three_stages_change_one_thing_at_a_time():
    recipe = recipe_of("cardiomegaly-attention-densenet121-balanced")
    found = split_into_stages(recipe)
    assert list(found) == ["scratch", "pretrained", "full"]
    assert [(each.init, each.head) for each in found.values()] == [
        ("scratch", "averaged"),
        ("imagenet", "averaged"),
        ("imagenet", "attention"),
    ]
    assert found["full"] == recipe
    assert len({each.name for each in found.values()}) == 3
    with pytest.raises(RecipeError, match="averaged"):
        split_into_stages(found["pretrained"])


def test_none_can_be_written_where_it_means_something(tmp_path):
    recipe = replace(recipe_of("house"), oversample_factor=None, neck=None)
    (tmp_path / "r.toml").write_text(format_recipe(recipe))
    assert load_recipe(tmp_path / "r.toml") == recipe
    changed = apply_overrides(
        recipe, {"balance": "none", "equalisation": "none", "population_age_min": "none"}
    )
    assert (changed.balance, changed.equalisation, changed.population_age_min) == (
        "none",
        "none",
        None,
    )
    with pytest.raises(RecipeError, match="epochs='none' must be a whole number"):
        apply_overrides(recipe, {"epochs": "none"})


def test_documents_name_every_recipe():
    text = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(encoding="utf-8")
    families = {name.rpartition("-")[0] if name in ATTENTION else name for name in PATHS}
    assert [name for name in families if f"`{name}" not in text] == []
