"""A segmenter measured on drawn chests: against their masks, a recorded ratio, and labels beside a classifier."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cxr_core.data.prepare import open_data
from cxr_core.errors import DataError, ModelError
from cxr_core.evaluation.segmentation.evaluate import evaluate_segmenter
from cxr_core.evaluation.segmentation.evaluate_ratio import Beside
from cxr_core.models.card import Fusion
from cxr_core.models.networks.architectures import build_network
from cxr_core.models.store import load_segmenter_card, save_model
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter
from tests.evaluation.synthetic_films import CARD, RATIOS, TrueOutlines, write_films
from tests.tiny import tiny_card, tiny_model
from train.evaluate import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_films(tmp_path_factory.mktemp("drawn"))


def test_true_outlines_agree_with_the_masks(folder, tmp_path, workspace):
    films = open_data([folder]).select_split("test")
    found = evaluate_segmenter(TrueOutlines(films, missed=("07.png",)), films, "test")
    figures = found.figures
    assert (figures["measured"]["value"], figures["measured"]["n"]) == (pytest.approx(7 / 8), 8)
    assert figures["dice_left_lung"]["value"] > 0.95
    assert figures["ratio_mae"]["n"] == 7
    rows = found.table.set_index("image")
    assert rows.loc["07.png", "reason"] == "No heart was found on this picture."
    assert (rows.loc["07.png", "dice_heart"], bool(rows.loc["07.png", "trusted"])) == (0, False)
    seen = rows.drop("07.png")
    assert seen["ratio"].to_list() == pytest.approx([RATIOS[name] for name in seen.index], abs=0.02)
    assert seen["dice_heart"].min() > 0.95
    assert figures["ratio_correlation"]["value"] == pytest.approx(
        stats.pearsonr(seen["ratio"], seen["true_ratio"]).statistic, abs=1e-6
    )
    error = seen["ratio"] - seen["true_ratio"]
    assert figures["ratio_high"]["value"] == pytest.approx(
        error.mean() + 1.96 * error.std(ddof=0), abs=1e-6
    )
    assert found.recorded is None

    path = found.write(tmp_path / "out")
    assert json.loads(path.read_text())["figures"]["ratio_mae"] == figures["ratio_mae"]
    assert pd.read_csv(tmp_path / "out" / "predictions.csv").shape[0] == 8
    page = (tmp_path / "out" / "report.html").read_text()
    for words in (
        "Difference against mean",
        "Measured against true",
        "Left lung",
        "upper limit",
        "ROC curves",
    ):
        assert words in page
    assert page.count('class="dot a"') >= 7


def test_the_recorded_ratio_is_compared_where_there_is_one(folder, tmp_path, workspace):
    place = tmp_path / "films"
    shutil.copytree(folder, place)
    (place / "films.csv").rename(place / "ctr.csv")
    table = pd.read_csv(place / "ctr.csv")
    table["ctr"] = [None if name == "01.png" else RATIOS[name] + 0.1 for name in table["image"]]
    table.to_csv(place / "ctr.csv", index=False)
    films = open_data([place]).select_split("test")
    found = evaluate_segmenter(TrueOutlines(films, missed=("07.png",)), films, "test").recorded
    assert (found["empty"], found["unmeasured"], found["ratio_mae"]["n"]) == (1, 1, 6)
    assert found["ratio_bias"]["value"] == pytest.approx(-0.1, abs=0.02)


def test_the_ratio_of_true_outlines_tells_enlarged_hearts(folder, tmp_path, workspace):
    manifest = open_data([folder])
    films = manifest.select_split("test")
    classifier = Classifier.load(tiny_model(tmp_path, tiny_card(findings=("cardiomegaly",))))
    beside = Beside(
        classifier=classifier, fit_films=lambda: (manifest.select_split("train"), "the training films")
    )
    found = evaluate_segmenter(
        TrueOutlines(manifest, missed=("07.png",)), films, "test", beside=beside
    )
    views = found.score.figures["views"]
    assert views["all"]["on_measured"]["auroc"]["ratio"]["value"] == 1
    assert {name: views[name]["films"] for name in views} == {
        "all": 8,
        "PA": 4,
        "AP": 4,
        "within": 8,
    }
    assert views["AP"]["unmeasured"]["films"] == 1
    assert found.score.figures["combination"]["source"] == "the training films"
    assert found.score.figures["combination"]["of_ratio"] > 0
    rows = found.table.set_index("image")
    assert rows["combined"].notna().all()
    assert rows["cardiomegaly"].to_list() == [float(RATIOS[name] > 0.5) for name in rows.index]
    assert set(found.score.roc) == {"ratio", "classifier", "combined"}
    assert "Both combined − classifier" in found.report_html()


def test_the_combination_of_the_classifiers_card_is_measured_as_a_reading_applies_it(
    folder, tmp_path, workspace
):
    manifest = open_data([folder])
    fitted = Fusion(
        measurement="cardiothoracic_ratio",
        model=f"{CARD.model} {CARD.version}",
        intercept=-0.5,
        classifier=0.8,
        measured=15.0,
        centre=0.5,
        ap=-1.0,
        operating_points=(),
        source="a test",
    )
    card = tiny_card(findings=("cardiomegaly",), fusion={"cardiomegaly": fitted})
    classifier = Classifier.load(tiny_model(tmp_path, card))
    beside = Beside(classifier=classifier, fit_films=lambda: pytest.fail("fitted anew"))
    outliner = TrueOutlines(manifest, missed=("07.png",))
    found = evaluate_segmenter(outliner, manifest.select_split("test"), "test", beside=beside)
    assert found.score.figures["combination"]["source"] == "a test"
    views = manifest.select_split("test").table.set_index(manifest.select_split("test").names)["view"]
    for name, row in found.table.set_index("image").iterrows():
        expected = row["logit"]
        if name != "07.png":
            expected = -0.5 + 0.8 * row["logit"] + 15 * (row["ratio"] - 0.5) - (views[name] == "AP")
        assert row["combined"] == pytest.approx(expected, abs=1e-4)
    assert "by its card" in (found.write(tmp_path / "out").parent / "report.html").read_text()


def test_the_combination_is_never_fitted_on_what_is_measured(folder, tmp_path, workspace):
    films = open_data([folder]).select_split("test")
    classifier = Classifier.load(tiny_model(tmp_path, tiny_card(findings=("cardiomegaly",))))
    beside = Beside(classifier=classifier, fit_films=lambda: (films, "the test films"))
    with pytest.raises(DataError, match=r"8 patients .* are among the films measured"):
        evaluate_segmenter(TrueOutlines(films), films, "test", beside=beside)


def test_a_classifier_of_something_else_is_refused(tmp_path):
    classifier = Classifier.load(tiny_model(tmp_path, tiny_card(findings=("pneumonia",))))
    with pytest.raises(ModelError, match="answers pneumonia, not cardiomegaly"):
        Beside(classifier=classifier, fit_films=lambda: (None, ""))


def test_films_with_nothing_to_compare_are_refused(tmp_path, workspace):
    films = open_data([write_films(tmp_path / "bare", masks=False, labels=False)]).select_split("test")
    with pytest.raises(DataError, match=r"neither masks .* nor labels for cardiomegaly"):
        evaluate_segmenter(TrueOutlines(films), films, "test")


def test_a_mask_that_cannot_be_compared_is_named(folder, tmp_path, workspace):
    place = tmp_path / "films"
    shutil.copytree(folder, place)
    mask = place / "masks" / "heart" / "01.png"
    films = open_data([place]).select_split("test")
    for shape, says in (
        ((128, 128), "heart of 01.png is empty"),
        ((64, 128), "has 128 x 64 px, its film 128 x 128"),
    ):
        cv2.imwrite(str(mask), np.zeros(shape, np.uint8))
        with pytest.raises(DataError, match=says):
            evaluate_segmenter(TrueOutlines(films), films, "test")
    mask.unlink()
    with pytest.raises(DataError, match=r"01\.png has no mask of the heart"):
        evaluate_segmenter(TrueOutlines(films), films, "test")


@pytest.fixture
def model(tmp_path):
    save_model(tmp_path / "anatomy" / "1.0.0", CARD, build_network("segmenter", CARD.arguments))
    return tmp_path / "anatomy" / "1.0.0"


def test_the_command_compares_with_a_classifier(
    folder, model, tmp_path, workspace, capsys, monkeypatch
):
    known = TrueOutlines(open_data([folder]))
    monkeypatch.setattr(
        Segmenter, "outline_grid", lambda _, grid, shape: known.segment_grid(grid, shape)
    )
    other = tiny_model(tmp_path, tiny_card(findings=("cardiomegaly",)))
    given = [
        str(model),
        "--data",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--beside",
        str(other),
    ]
    assert main([*given, "--fit-on", "train"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "metrics.json")
    score = json.loads((tmp_path / "out" / "metrics.json").read_text())["score"]
    assert score["beside"]["model"] == "tiny"
    assert score["combination"]["films"] == 4
    assert score["combination"]["source"] == "the data's own part 'train'"
    assert score["views"]["all"]["on_all"]["auroc"]["combined"]["n"] == 8
    assert main([*given, "--split", "train", "--fit-on", "train"]) == 3
    assert "change --fit-on" in capsys.readouterr().err
    assert main(given) == 3  # this classifier's card names no recipe that could carve validation
    assert "no part 'val'" in capsys.readouterr().err


def test_a_segmenter_that_finds_nothing_is_measured_and_recorded(
    folder, model, tmp_path, workspace, monkeypatch
):
    monkeypatch.setattr(
        Segmenter, "looks", lambda _, grids: np.full((len(grids), 2, 3, 32, 32), -9, np.float32)
    )
    place = write_films(tmp_path / "unlabelled", labels=False)
    assert (
        main([str(model), "--data", str(place), "--out", str(tmp_path / "out"), "--record", "test"])
        == 0
    )
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert found["score"] is None
    assert found["figures"]["dice_heart"]["value"] == 0
    assert found["figures"]["distance_px_heart"] == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
    }
    assert (
        "None of these films could be measured." in (tmp_path / "out" / "report.html").read_text()
    )
    assert load_segmenter_card(model).metrics["test"] == found["figures"]
