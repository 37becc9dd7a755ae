"""Changes that should not matter are what they say, their figures are plain means, and drawn answers are ranked."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cxr_core.evaluation.robustness.phantom_series import (
    RATIOS,
    answers_figures,
    drawn_ratio,
    hearts,
    opacities,
)
from cxr_core.evaluation.robustness.stability import CHANGES, stability_figures, stability_table
from cxr_core.film.phantom.phantom import PhantomSpec, draw, truth
from cxr_core.reading.reader import Reader
from tests.evaluation.synthetic_films import write_films
from tests.tiny import tiny_card, tiny_model
from train import stability as command

FILM = draw(PhantomSpec(height=300, width=260, noise=0.0))


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_film_is_still_that_film(name):
    changed = CHANGES[name](FILM)
    assert changed.pixels.dtype == np.float32
    assert changed.pixels.flags["C_CONTIGUOUS"]
    assert changed.pixels.min() >= 0
    assert changed.pixels.max() <= 1
    assert (changed.age_years, changed.view) == (FILM.age_years, FILM.view)
    assert not np.array_equal(changed.pixels, FILM.pixels) or name == "PNG of 16 bits"


def test_changes_do_what_their_names_say():
    assert max(CHANGES["224 px"](FILM).shape) == 224
    assert max(CHANGES["2,000 px"](FILM).shape) == 2000
    assert np.abs(CHANGES["PNG of 16 bits"](FILM).pixels - FILM.pixels).max() < 1e-4
    assert np.abs(CHANGES["JPEG of quality 90"](FILM).pixels - FILM.pixels).mean() < 0.02
    inner = (FILM.pixels > 0.2) & (FILM.pixels < 0.8)
    assert (CHANGES["10 % brighter"](FILM).pixels - FILM.pixels)[inner] == pytest.approx(
        0.1, abs=1e-5
    )
    assert CHANGES["10 % more contrast"](FILM).pixels.std() > 1.05 * FILM.pixels.std()
    left = replace(FILM, pixels=np.ascontiguousarray(FILM.pixels[:, ::-1]))
    turned, mirrored = CHANGES["turned by 3 degrees"](FILM), CHANGES["turned by -3 degrees"](left)
    assert turned.pixels == pytest.approx(mirrored.pixels[:, ::-1], abs=0.02)


def test_figures_are_means_over_films():
    before, after = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.2, 0.6, 0.6, 0.3])
    found = stability_figures(
        before,
        after,
        np.array([0, 1, 0, 1], bool),
        np.array([0, 0, 1, 1.0]),
        np.array(["a", "b", "c", "d"]),
    )
    assert found["mean_change"]["value"] == pytest.approx(0.225)
    assert found["largest_change"] == pytest.approx(0.6)
    assert found["calls_changed"]["value"] == 0.5
    assert found["auroc_change"]["value"] == pytest.approx(0.625 - 1.0)
    assert "| 10 % | 4 | 0.225 (" in stability_table({"10 %": found})


def test_without_labels_nothing_is_said_of_ranking():
    one = np.array([0.2, 0.3])
    found = stability_figures(one, one, np.zeros(2, bool), np.full(2, np.nan), np.array(["a", "b"]))
    assert "auroc_change" not in found
    assert found["mean_change"]["value"] == 0
    assert "undefined" in stability_table({"nothing": found})


def test_drawn_series_vary_one_thing_alone():
    series = hearts(50.0)
    for chest in series.specs:
        assert [drawn_ratio(spec) for spec in chest] == pytest.approx(RATIOS, abs=0.004)
        assert len({(spec.thorax_width, spec.seed) for spec in chest}) == 1
    for chest in opacities(3.0).specs:
        assert chest[0].opacity.strength == 0
        assert not truth(chest[0]).opacity.any()
        assert (
            len(
                {
                    (spec.seed, spec.opacity.lung, spec.opacity.place, spec.heart_width)
                    for spec in chest
                }
            )
            == 1
        )


def test_answers_that_follow_are_ranked_one_and_constant_ones_not_at_all():
    series = hearts(50.0)
    rising = [np.linspace(0.1, 0.9, len(RATIOS))] * 2
    assert answers_figures(series, rising)["rank_correlation"] == 1
    assert answers_figures(series, [rising[0], rising[0][::-1]])["least_rank_correlation"] == -1
    assert answers_figures(series, [np.full(len(RATIOS), 0.5)])["rank_correlation"] is None


def test_installed_models_are_asked_about_changed_films_and_drawings(
    tmp_path, workspace, monkeypatch, capsys
):
    """A random network answers something; what is measured of it is the same as asked film by film."""
    folder = tiny_model(tmp_path / "models", tiny_card(findings=("cardiomegaly",)))
    data = write_films(tmp_path / "films", masks=False)
    only = Reader.installed([folder])
    monkeypatch.setattr(Reader, "installed", lambda: only)
    assert command.main(["--data", str(data), "--films", "5", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "tiny 1.0.0, cardiomegaly" in shown
    assert "| PNG of 16 bits | 5 | 0.000 (" in shown
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["models"]["tiny 1.0.0"][
        "cardiomegaly"
    ]
    assert list(found) == list(CHANGES)
    assert found["10 % brighter"]["largest_change"] > 0
    drawn = json.loads((tmp_path / "out" / "drawings.json").read_text())["tiny 1.0.0"]
    assert set(drawn) == {
        "cardiothoracic ratio, aged 3",
        "cardiothoracic ratio, aged 50",
    }  # for anybody, no opacity
    of_adults = drawn["cardiothoracic ratio, aged 50"]
    assert (of_adults["varied"], of_adults["chests"]) == (list(RATIOS), 9)
