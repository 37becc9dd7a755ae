"""From wrong labels to a better model: a small round on drawn films, and on request the one on real films."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxr_core.data.prepare import prepare_dataset
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.loaded import load_evaluation
from cxr_core.feedback.layer import make_layer
from cxr_core.feedback.review.dataset_review import create_review, fill_from_evaluation
from cxr_core.models.store import load_card
from cxr_core.training.recipe.recipe import Recipe
from tests.feedback.evaluations import write_evaluation
from tests.feedback.whole_round import FINDING, FLIPPED, compare, go_round, judge_films, train

# A tiny network from random weights, trained by a rate at which it learns every wrong label as well.
TINY = Recipe(
    name="tiny",
    summary="A test.",
    model="tiny",
    findings=(FINDING,),
    backbone="mobilenetv3_small_050",
    init="scratch",
    neck=8,
    input_side=64,
    channels=1,
    epochs=8,
    batch_size=10,
    learning_rate=3e-3,
    schedule="constant",
    population="children aged 1 to 5",
    population_age_min=1,
    population_age_max=5,
)


def draw_films(folder: Path) -> dict[str, float]:
    """60 training films, 15 of them labelled wrongly, and validation and test films; gives the right labels by name.

    Films with pneumonia are a little brighter below.
    """
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    rows = []
    for split, count in (("train", 60), ("val", 40), ("test", 100)):
        for number in range(count):
            label = number % 2
            pixels = rng.integers(60, 120, (80, 80))
            pixels[40:] += 20 * label
            name = f"{split}{number}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
            rows.append((name, name, split, 3, label))
    table = pd.DataFrame(rows, columns=["path", "patient", "split", "age", FINDING])
    right = dict(zip(table["path"], table[FINDING].astype(float), strict=True))
    wrong = rng.choice(60, FLIPPED, replace=False)
    table.loc[wrong, FINDING] = 1 - table.loc[wrong, FINDING]
    table.to_csv(folder / "labels.csv", index=False)
    return right


@pytest.mark.training
def test_a_model_that_learns_from_repaired_labels_is_better(
    workspace: Path, tmp_path: Path
) -> None:
    """The queue is filled by a model that is right for nine films in ten."""
    right = draw_films(tmp_path / "films")
    dataset = prepare_dataset([tmp_path / "films"], name="children")
    films = dataset.load_manifest().select_split("train")
    truth = films.names.map(right).to_numpy(float)
    chances = 1 / (1 + np.exp(-np.random.default_rng(1).normal(4 * truth - 2, 1.5)))
    folder = write_evaluation(tmp_path / "scores", films, FINDING, pd.Series(chances))
    project = create_review("children", dataset, [FINDING])
    fill_from_evaluation(project, load_evaluation(load_record(folder)))
    found = judge_films(project, dict(zip(films.table["sha256"], truth, strict=True)))
    assert found >= 12
    layer = make_layer(project, "decided")
    assert sum(decision.changes for decision in layer.record.decisions) == found
    first = train(TINY, ("children",), "1.0.0", tmp_path / "first")
    second = train(TINY, ("children", layer.reference), "1.0.0", tmp_path / "second")
    before, after, difference = compare(first, second)
    assert after > before
    assert difference.low is not None
    assert difference.low > 0
    recorded = load_card(second.model).training["data"]["label_layers"]
    assert [(each["name"], each["sha256"]) for each in recorded] == [("decided", layer.sha256)]
    assert "label_layers" not in load_card(first.model).training["data"]
    metrics = load_record(second.evaluation).head.data
    assert [layer.name for layer in metrics.label_layers] == ["decided"]


@pytest.mark.slow
@pytest.mark.training
def test_a_round_on_real_films(workspace: Path, real_data: Path, tmp_path: Path) -> None:
    done = go_round(real_data, tmp_path, seed=0)
    assert done.found >= 12
    assert done.difference.low is not None
    assert done.difference.low > 0
    assert done.verdict.is_open, done.verdict.in_words
    assert re.search(
        r"label layer decided; readers decided 0 of these", done.verdict.comparison_set
    )
