"""The plan of the run that learns from readers' labels: which model it starts from, and when there is none to plan."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.data.label_layers import LabelDecision, save_layer
from cxr_core.errors import FeedbackError
from cxr_core.models.registry import registry
from cxr_core.promotion import next_model
from cxr_core.promotion.comparison_set import choose_comparison_set
from cxr_core.promotion.next_model import plan_next_model
from cxr_core.site.learnt_films import LearntFilms
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.run_data import describe_run_data, open_run_data
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from tests.feedback.bench import hash_of, write_dataset
from tests.tiny import TINY_RECIPE, tiny_card, tiny_model

pytestmark = pytest.mark.usefixtures("workspace")
LABELS = [0.0, 1.0] * 3
RECIPE = replace(TINY_RECIPE, gate_share=0.4)


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "recipe.toml"
    path.write_text(format_recipe(RECIPE))
    return str(path)


@pytest.fixture
def in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    folders = [tiny_model(tmp_path / "models")]
    monkeypatch.setattr(next_model, "list_classifiers", lambda: folders)
    return folders


def decide(name: str, labels: dict[int, int]) -> str:
    decisions = [
        LabelDecision(film=hash_of(number), finding="pneumonia", label=label)  # type: ignore[arg-type]
        for number, label in labels.items()
    ]
    return save_layer(name, "films", "", decisions).reference


def test_the_model_in_use_is_trained_further(
    recipe: str, in_use: list[Path], tmp_path: Path
) -> None:
    write_dataset(tmp_path / "films", LABELS)
    layer = decide("better", {0: 1})
    planned = plan_next_model(("films", layer), ["pneumonia"], recipe=recipe)
    assert (planned.recipe.init, planned.model) == ("tiny", "tiny")
    assert planned.data == ("films", "labels:better")
    assert planned.sentence == (
        "tiny 1.0.0 is trained further by the recipe tiny, on films. Labels: those of the data, with the label layer "
        "better; readers decided 1 of these 6 films."
    )


def test_the_recipe_is_that_of_the_run_that_the_model_came_from(
    workspace: Path, in_use: list[Path], tmp_path: Path
) -> None:
    write_dataset(tmp_path / "films", LABELS)
    RunFolder.create(RECIPE, RunManifest(), workspace / "runs" / "first")
    training = {"published": {"run": "first"}, "recipe": "pneumonia-children"}
    card = tiny_card(training=training)
    in_use[:] = [tiny_model(tmp_path / "published", card)]
    planned = plan_next_model(("films",), ["pneumonia"])
    assert planned.recipe == replace(RECIPE, init="tiny")
    shutil.rmtree(workspace / "runs" / "first")
    assert plan_next_model(("films",), ["pneumonia"]).recipe.name == "pneumonia-children"


def test_labels_of_one_class_are_refused(recipe: str, in_use: list[Path], tmp_path: Path) -> None:
    write_dataset(tmp_path / "films", LABELS)
    layer = decide("none", {1: 0, 3: 0, 5: 0})
    with pytest.raises(
        FeedbackError, match=r"0 films with pneumonia and 6 without; training needs"
    ):
        plan_next_model(("films", layer), ["pneumonia"], recipe=recipe)


def test_without_a_model_in_use_or_with_several_it_is_said(
    recipe: str, in_use: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(FeedbackError, match="no model in use answers mass; in use: tiny"):
        plan_next_model(("films",), ["mass"], recipe=recipe)
    in_use.append(tiny_model(tmp_path / "models", tiny_card("other")))
    with pytest.raises(FeedbackError, match=r"answer this: tiny, other; name one \(--model\)"):
        plan_next_model(("films",), ["pneumonia"], recipe=recipe)
    with pytest.raises(FeedbackError, match="no model in use third answers"):
        plan_next_model(("films",), ["pneumonia"], model="third", recipe=recipe)
    assert registry.list_classifiers is not next_model.list_classifiers


def test_verdicts_on_films_of_the_comparison_are_never_trained_on(tmp_path: Path) -> None:
    """The gate compares on the same films with the layer; their labels are the layer's, and none of them is learnt."""
    count = 160
    labels = [float(number % 2) for number in range(count)]
    write_dataset(tmp_path / "films", labels, split=["train"] * 130 + ["test"] * 30)
    layer = decide("flipped", {number: 1 - number % 2 for number in range(0, count, 3)})
    context, quiet = DistributedContext("cpu"), lambda event: None  # type: ignore[arg-type]
    learnt, judged = {}, {}
    for name, data in (("own", ("films",)), ("layer", ("films", layer))):
        found = open_run_data(RECIPE, data, context, quiet, lambda: False)
        learnt[name] = set(found.films.table["sha256"])
        manifest = RunManifest(
            data=describe_run_data(found.films, RECIPE),
            folders=tuple(data),
            exclusions=found.exclusions,
            label_layers=found.films.label_layers,
        )
        run = RunFolder.create(RECIPE, manifest, tmp_path / name)
        card = tiny_card(findings=("pneumonia",), training={"data": manifest.training_data()})
        learnt_films = LearntFilms(is_known=False)
        judged[name] = choose_comparison_set(run, card, [card], [learnt_films], lambda *stage: None)
    assert learnt["own"] == learnt["layer"]
    for compared in judged.values():
        assert compared.own.split == "gate"
        assert compared.own.manifest is not None
        assert not set(compared.own.manifest.table["sha256"]) & learnt["layer"]
    films = judged["layer"].own.manifest
    assert films is not None
    by_hash = films.table.set_index("sha256")["pneumonia"]
    expected = {
        hash_of(number): float(1 - number % 2 if number % 3 == 0 else number % 2)
        for number in range(count)
    }
    assert by_hash.to_dict() == {key: expected[key] for key in by_hash.index}
    assert "Labels: those of the data." in judged["own"].description
    decided = sum(hash_of(number) in by_hash.index for number in range(0, count, 3))
    assert f"label layer flipped; readers decided {decided} of these" in judged["layer"].description
