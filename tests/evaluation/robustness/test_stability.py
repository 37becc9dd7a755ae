"""Film changes do what their names say, their figures are plain means, and phantom responses are ranked."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cxr_core.data.manifest import Manifest, build_table
from cxr_core.evaluation.robustness.film_changes import FILM_CHANGES
from cxr_core.evaluation.robustness.phantom_series import (
    RATIOS,
    build_heart_series,
    build_opacity_series,
    measure_response,
)
from cxr_core.evaluation.robustness.stability import (
    compute_stability,
    evaluate_stability,
    format_stability,
)
from cxr_core.film.phantom.phantom import PhantomSpec, compute_truth, draw_phantom
from cxr_core.models.resolution import ResolutionFigures
from cxr_core.models.store import load_card
from cxr_core.reading.reader import Reader
from tests.evaluation.synthetic_films import write_films
from tests.tiny import tiny_card, tiny_model
from train import stability as command

pytestmark = pytest.mark.training

FILM = draw_phantom(PhantomSpec(height=300, width=260, noise=0.0))


@pytest.mark.parametrize("name", FILM_CHANGES)
def test_changed_film_is_still_a_valid_film_of_the_same_patient(name):
    changed = FILM_CHANGES[name](FILM)
    assert changed.pixels.dtype == np.float32
    assert changed.pixels.flags["C_CONTIGUOUS"]
    assert changed.pixels.min() >= 0
    assert changed.pixels.max() <= 1
    assert (changed.age_years, changed.view) == (FILM.age_years, FILM.view)
    assert not np.array_equal(changed.pixels, FILM.pixels) or name == "PNG of 16 bits"


def test_film_changes_do_what_their_names_say():
    pixels = {name: change(FILM).pixels for name, change in FILM_CHANGES.items()}
    assert max(pixels["224 px"].shape) == 224
    assert max(pixels["2,000 px"].shape) == 2000
    assert np.abs(pixels["PNG of 16 bits"] - FILM.pixels).max() < 1e-4
    assert np.abs(pixels["JPEG of quality 90"] - FILM.pixels).mean() < 0.02
    unclipped = (FILM.pixels > 0.2) & (FILM.pixels < 0.8)
    brighter = (pixels["10 % brighter"] - FILM.pixels)[unclipped]
    assert brighter == pytest.approx(0.1, abs=1e-5)
    assert pixels["10 % more contrast"].std() > 1.05 * FILM.pixels.std()
    mirror_image = replace(FILM, pixels=np.ascontiguousarray(FILM.pixels[:, ::-1]))
    turned_back = FILM_CHANGES["turned by -3 degrees"](mirror_image).pixels[:, ::-1]
    assert pixels["turned by 3 degrees"] == pytest.approx(turned_back, abs=0.02)


def test_stability_figures_are_means_over_films():
    before, after = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.2, 0.6, 0.6, 0.3])
    figures = compute_stability(
        before,
        after,
        np.array([0, 1, 0, 1], bool),
        np.array([0, 0, 1, 1.0]),
        np.array(["a", "b", "c", "d"]),
    )
    assert figures.mean_change.value == pytest.approx(0.225)
    assert figures.largest_change == pytest.approx(0.6)
    assert figures.calls_changed.value == 0.5
    assert figures.auroc_change.value == pytest.approx(0.625 - 1.0)
    assert "| 10 % | 4 | 0.225 (" in format_stability({"10 %": figures})


def test_films_without_labels_have_no_auroc_change():
    same = np.array([0.2, 0.3])
    figures = compute_stability(
        same, same, np.zeros(2, bool), np.full(2, np.nan), np.array(["a", "b"])
    )
    assert figures.auroc_change is None
    assert "auroc_change" not in figures.to_json()
    assert figures.mean_change.value == 0
    assert "undefined" in format_stability({"nothing": figures})


def test_films_of_one_name_in_several_folders_are_compared_each_with_itself(tmp_path, workspace):
    paths = [tmp_path / "films" / patient / "frontal.png" for patient in ("a", "b")]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        pixels = draw_phantom(PhantomSpec(height=150, width=130, noise=0.05, seed=seed)).pixels
        cv2.imwrite(str(path), np.rint(pixels * 255).astype(np.uint8))
    facts = {"image": [str(path) for path in paths], "patient": ["a", "b"], "source": "films"}
    films = Manifest(build_table({**facts, "split": "test"}), "csv", "")
    card = tiny_card(findings=("cardiomegaly",))
    with Reader.installed([tiny_model(tmp_path / "models", card)]) as reader:
        (found,) = evaluate_stability(reader, films, count=2)
    assert {figures.n for figures in found.changes.values()} == {2}


def test_heart_series_varies_the_ratio_alone():
    for chest in build_heart_series(50.0).chests:
        ratios = [compute_truth(spec).cardiothoracic_ratio for spec in chest]
        assert ratios == pytest.approx(RATIOS, abs=0.004)
        assert len({(spec.thorax_width, spec.seed) for spec in chest}) == 1


def test_opacity_series_varies_the_strength_alone():
    for chest in build_opacity_series(3.0).chests:
        assert chest[0].opacity.strength == 0
        assert not compute_truth(chest[0]).opacity.any()
        constant = {
            (spec.seed, spec.opacity.lung, spec.opacity.place, spec.heart_width) for spec in chest
        }
        assert len(constant) == 1


def test_rising_answers_have_rank_correlation_one_and_constant_ones_none():
    series = build_heart_series(50.0)
    rising = np.linspace(0.1, 0.9, len(RATIOS))
    assert measure_response(series, [rising, rising]).rank_correlation == 1
    assert measure_response(series, [rising, rising[::-1]]).lowest_rank_correlation == -1
    assert measure_response(series, [np.full(len(RATIOS), 0.5)]).rank_correlation is None


def test_command_measures_installed_models_on_changed_films_and_phantoms(
    tmp_path, workspace, monkeypatch, capsys
):
    """The tiny network is random, but it answers: the figures of every change and series are written."""
    monkeypatch.setattr("cxr_core.evaluation.robustness.phantom_series.SIDE_PX", 128)
    folder = tiny_model(tmp_path / "models", tiny_card(findings=("cardiomegaly",)))
    data = write_films(tmp_path / "films", masks=False)
    reader = Reader.installed([folder])
    monkeypatch.setattr(Reader, "installed", lambda: reader)
    monkeypatch.setattr("cxr_core.models.registry.registry.list_classifiers", lambda: [folder])
    arguments = ["--data", str(data), "--films", "5", "--out", str(tmp_path / "out")]
    assert command.main([*arguments, "--record", "drawings"]) == 0
    shown = capsys.readouterr().out
    assert "tiny 1.0.0, cardiomegaly" in shown
    assert "| PNG of 16 bits | 5 | 0.000 (" in shown
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    changes = metrics["models"]["tiny 1.0.0"]["cardiomegaly"]
    assert list(changes) == list(FILM_CHANGES)
    assert changes["10 % brighter"]["largest_change"] > 0
    found = metrics["resolution"]["tiny 1.0.0"]["cardiomegaly"]
    assert found["films"] == 5
    assert found["worst"] >= found["p95"] > 0
    assert f"the worst by {found['worst']:.2f}" in shown
    recorded = load_card(folder).resolution["drawings"]["cardiomegaly"]
    assert recorded == ResolutionFigures.from_json(found)
    phantoms = json.loads((tmp_path / "out" / command.PHANTOMS_FILE).read_text())
    # This model answers no opacity, so only the heart series are there.
    series = phantoms["tiny 1.0.0"]
    assert set(series) == {"cardiothoracic ratio, aged 3", "cardiothoracic ratio, aged 50"}
    adults = series["cardiothoracic ratio, aged 50"]
    assert (adults["varied"], adults["chests"]) == (list(RATIOS), 9)
