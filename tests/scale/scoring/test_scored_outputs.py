"""train.evaluate --scored: the figures of a scoring are those of running the network, on the same films."""

import json
import shutil
from pathlib import Path

import pytest

from cxr_core.models.registry import registry
from cxr_core.scale.scoring.score import ScoringOptions, score_archive
from tests.scale.scoring.bench import draw_films
from tests.tiny import tiny_card, tiny_model
from train.evaluate import main

pytestmark = pytest.mark.training


@pytest.fixture
def model(tmp_path, monkeypatch, workspace):
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    return tiny_model(workspace / "models", tiny_card(findings=("pneumonia",)))


@pytest.fixture
def films(tmp_path):
    """Films of both classes of a test split, one patient each."""
    drawn = sorted(draw_films(tmp_path / "drawn", 12).iterdir())
    for number, film in enumerate(drawn):
        label = "PNEUMONIA" if number % 2 else "NORMAL"
        folder = tmp_path / "films" / "test" / label
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(film, folder / f"person{number}_virus_{number}.png")
    return tmp_path / "films"


def figures(path: Path) -> dict:
    return json.loads((path / "metrics.json").read_text())["findings"]["pneumonia"]


def test_figures_are_those_of_the_network(model, films, tmp_path, capsys):
    scored = tmp_path / "scored"
    score_archive([str(films)], scored, ScoringOptions())
    common = [str(model), "--data", str(films)]
    assert main([*common, "--out", str(tmp_path / "a")]) == 0
    assert main([*common, "--out", str(tmp_path / "b"), "--scored", str(scored)]) == 0
    assert "figures of heatmaps and of a fused ratio need the networks" in capsys.readouterr().err
    by_network, by_scoring = figures(tmp_path / "a"), figures(tmp_path / "b")
    for name in ("auroc", "average_precision", "brier", "ece"):
        assert by_scoring[name] == pytest.approx(by_network[name], abs=1e-4), name


def test_a_scoring_of_other_films_or_models_is_refused(model, films, tmp_path, capsys, workspace):
    scored = tmp_path / "scored"
    score_archive([str(films / "test" / "NORMAL")], scored, ScoringOptions())
    arguments = ["--data", str(films), "--scored", str(scored)]
    assert main([str(model), *arguments]) == 3
    assert "6 of 12 films are not in the scoring" in capsys.readouterr().err
    other = tiny_model(workspace / "models", tiny_card("other", findings=("pneumonia",)), seed=3)
    assert main([str(other), *arguments]) == 3
    assert "was not scored by other 1.0.0, but by tiny 1.0.0" in capsys.readouterr().err
    assert main([str(model), *arguments[:-1], str(films)]) == 3
    assert "holds no scoring that can be read" in capsys.readouterr().err
