"""--scoring of train.evaluate and train.accept: the same figures as by running the network, on the same films."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from cxr_core.errors import Cancelled
from cxr_core.models.registry import registry
from cxr_core.scale.scoring.score import ScoringOptions, score_archive
from cxr_core.site.acceptance_record import AcceptanceRecord, list_acceptances
from tests.pages.fake_site import install_model
from tests.scale.scoring.bench import draw_films
from tests.tiny import tiny_card, tiny_model
from train import accept
from train.evaluate import main

pytestmark = pytest.mark.training


@pytest.fixture
def model(tmp_path, monkeypatch, workspace):
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    return tiny_model(workspace / "models", tiny_card(findings=("pneumonia",)))


@pytest.fixture
def films(tmp_path):
    """Films of both classes of a test split, one patient each."""
    return draw_data(tmp_path, 12)


def draw_data(tmp_path: Path, count: int) -> Path:
    drawn = sorted(draw_films(tmp_path / "drawn", count).iterdir())
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
    assert main([*common, "--out", str(tmp_path / "b"), "--scoring", str(scored)]) == 0
    assert "figures of heatmaps and of a fused ratio need the networks" in capsys.readouterr().err
    by_network, by_scoring = figures(tmp_path / "a"), figures(tmp_path / "b")
    for name in ("auroc", "average_precision", "brier", "ece"):
        assert by_scoring[name] == pytest.approx(by_network[name], abs=1e-4), name


def test_a_scoring_of_other_films_or_models_is_refused(model, films, tmp_path, capsys, workspace):
    scored = tmp_path / "scored"
    score_archive([str(films / "test" / "NORMAL")], scored, ScoringOptions())
    arguments = ["--data", str(films), "--scoring", str(scored)]
    assert main([str(model), *arguments]) == 3
    assert "6 of 12 films are not in the scoring" in capsys.readouterr().err
    other = tiny_model(workspace / "models", tiny_card("other", findings=("pneumonia",)), seed=3)
    assert main([str(other), *arguments]) == 3
    assert "was not scored by other 1.0.0, but by tiny 1.0.0" in capsys.readouterr().err
    assert main([str(model), *arguments[:-1], str(films)]) == 3
    assert "holds no scoring that can be read" in capsys.readouterr().err


@pytest.fixture
def site(tmp_path, monkeypatch, workspace):
    """A model with the scores of its validation films, 42 films of a site, and their scoring."""
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    install_model(workspace)
    data, scores = draw_data(tmp_path, 42), tmp_path / "scores"
    score_archive([str(data)], scores, ScoringOptions())
    return data, scores


def test_an_acceptance_test_by_a_scoring_is_that_by_the_network(site, capsys):
    data, scores = site
    statuses = [
        accept.main(["tiny", "--data", str(data), *more])
        for more in ([], ["--scoring", str(scores)])
    ]
    assert statuses[0] == statuses[1]
    by_network, by_scoring = sorted(list_acceptances("tiny", "pneumonia"), key=lambda r: r.made)
    assert by_scoring.films == by_network.films
    assert by_scoring.acceptance.verdict == by_network.acceptance.verdict != "too_few"
    assert figures_of(by_scoring) == pytest.approx(figures_of(by_network), abs=1e-4)


def figures_of(record: AcceptanceRecord) -> list[float]:
    return [
        value
        for each in record.acceptance.classes
        for value in (
            each.distance,
            each.p_value,
            each.shift.value,
            each.shift.low,
            each.shift.high,
        )
    ]


def test_films_that_the_scoring_refused_are_left_out_and_say_so(
    films, tmp_path, monkeypatch, workspace, capsys
):
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    install_model(workspace)
    noise = np.random.default_rng(0).integers(60, 120, (80, 80)).astype(np.uint8)
    cv2.imwrite(str(films / "test" / "NORMAL" / "IM-0001-0001.png"), noise)
    score_archive([str(films)], tmp_path / "scores", ScoringOptions())
    accept.main(["tiny", "--data", str(films), "--scoring", str(tmp_path / "scores")])
    assert "Left out: 1 film: it was refused when it was read." in capsys.readouterr().err


def stop_early(scores: Path, data: Path) -> None:
    with pytest.raises(Cancelled):
        score_archive([str(data)], scores, ScoringOptions(stop=lambda: True))


def name_an_export(scores: Path, data: Path) -> None:
    score_archive([str(data)], scores, ScoringOptions())
    record = json.loads((scores / "scoring.json").read_text())
    record["models"][0]["backend"] = "openvino int8"
    (scores / "scoring.json").write_text(json.dumps(record))


def drop_the_outputs(scores: Path, data: Path) -> None:
    score_archive([str(data)], scores, ScoringOptions())
    (shard,) = scores.rglob("0*.parquet")
    pq.write_table(pq.read_table(shard).drop_columns("outputs"), shard)


def lose_a_shard(scores: Path, data: Path) -> None:
    score_archive([str(data)], scores, ScoringOptions(films_per_shard=7))
    max(scores.rglob("0*.parquet")).unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (stop_early, "is not finished; wait until it is, or go on with it"),
        (lose_a_shard, "is not finished; wait until it is, or go on with it"),
        (name_an_export, "come from an export of tiny 1.0.0 (openvino int8)"),
        (drop_the_outputs, "its column outputs is missing or of another type"),
    ],
)
def test_a_scoring_that_cannot_stand_for_reading_is_refused(
    spoil, says, films, tmp_path, monkeypatch, workspace, capsys
):
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    install_model(workspace)
    spoil(tmp_path / "scores", films)
    assert accept.main(["tiny", "--data", str(films), "--scoring", str(tmp_path / "scores")]) == 3
    assert says in capsys.readouterr().err
