"""The measured ratio as something to learn: right on drawn chests, kept with the run, dropped from the model."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from cxr_core.data.film_set import Films
from cxr_core.data.prepare import open_data
from cxr_core.errors import Cancelled, RecipeError, RunError
from cxr_core.film.phantom.phantom import draw, truth
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.training.fit import Settings, fit
from cxr_core.training.recipe.recipe import load_recipe
from cxr_core.training.tasks import outlining
from cxr_core.training.tasks.findings import FindingsTask
from cxr_core.training.tasks.ratio_target import RATIOS, kept_ratios, with_ratios
from cxr_core.workspace.paths import RECIPES
from tests.training.wide_hearts import TINY as PLAIN
from tests.training.wide_hearts import WIDTHS, chest, drawn

__all__ = ["drawn"]  # a fixture

TINY = replace(PLAIN, ratio_weight=2.0)


def told(*_: int) -> None:
    pass


def test_the_ratio_is_that_of_each_film_in_the_manifests_order(drawn, tmp_path, workspace):
    films = open_data([str(drawn)])
    ratios = kept_ratios(tmp_path, films, told, lambda: False)
    true = [truth(chest(WIDTHS[int(path.stem)])).cardiothoracic_ratio for path in films.paths]
    known = ~np.isnan(ratios)
    assert known.sum() >= 10
    assert ratios[known] == pytest.approx(np.array(true)[known], abs=0.03)


def test_what_was_measured_once_is_read_from_the_run_and_that_of_other_films_is_refused(
    drawn, tmp_path, workspace
):
    films = open_data([str(drawn)])
    rows = [f"{path.name},{'' if n == 1 else 0.61}" for n, path in enumerate(films.paths)]
    (tmp_path / RATIOS).write_text("\n".join(["image,ratio", *rows]))
    again = kept_ratios(tmp_path, films, told, lambda: False)
    assert again == pytest.approx([0.61, np.nan, *[0.61] * (len(rows) - 2)], nan_ok=True)
    (tmp_path / RATIOS).write_text("\n".join(["image,ratio", *rows[1:]]))
    with pytest.raises(RunError, match="not of the films of this run"):
        kept_ratios(tmp_path, films, told, lambda: False)


def test_a_stop_while_measuring_leaves_nothing_half_written(drawn, tmp_path, workspace):
    with pytest.raises(Cancelled, match="outlined"):
        kept_ratios(tmp_path, open_data([str(drawn)]), told, lambda: True)
    assert not [path for path in tmp_path.iterdir() if RATIOS in path.name]


def test_a_ratio_becomes_a_soft_label_and_an_unknown_one_stays_unknown():
    films = Films.of(np.zeros((3, 4, 4), np.uint8), np.array([[1], [0], [np.nan]], np.float32))
    labels = with_ratios(films, np.array([0.5, np.nan, 0.55])).labels
    assert labels[:, 0] == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert labels[:, 1] == pytest.approx([0.5, np.nan, 1 / (1 + np.exp(-1))], nan_ok=True)


def test_the_ratio_weighs_what_the_recipe_says_and_nothing_where_it_is_unknown():
    targets = torch.tensor([[1.0, 0.7], [0.0, torch.nan]])
    assert float(FindingsTask(TINY).weight(targets)) == 1 + 2 + 1


def test_a_run_learns_it_and_its_model_answers_the_finding_alone(drawn, tmp_path, workspace):
    folder = fit(TINY, [drawn], Settings(report=told, device="cpu"), run=tmp_path / "run")
    card = load_card(folder)
    assert card.findings == ("cardiomegaly",)
    assert card.training["data"]["ratio_from"].startswith("anatomy ")
    assert len(pd.read_csv(tmp_path / "run" / RATIOS)) == len(WIDTHS)
    assert len(Classifier.load(folder).read(draw(chest(0.3))).logits) == 1
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["ratio_from"]


def test_without_a_segmenter_the_run_says_what_is_missing(drawn, tmp_path, workspace, monkeypatch):
    monkeypatch.setattr(outlining, "installed_segmenter", lambda: None)
    with pytest.raises(RecipeError, match="no model that outlines them is"):
        fit(TINY, [drawn], Settings(report=told, device="cpu"), run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_outlines_is_told_that_a_ratio_is_not_for_it():
    with pytest.raises(RecipeError, match="ratio_weight=2 is learnt beside findings"):
        replace(load_recipe(RECIPES / "anatomy.toml"), ratio_weight=2)
