"""A segmenter evaluated on phantoms: against their masks, a recorded ratio, and labels beside a classifier."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logit

from cxr_core.data.prepare import open_data
from cxr_core.errors import DataError, ModelError
from cxr_core.evaluation.evaluate import evaluate_classifier
from cxr_core.evaluation.segmentation.evaluate import evaluate_segmenter
from cxr_core.evaluation.segmentation.results import SegmenterMetrics
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.preprocess import to_grid
from cxr_core.film.quality import find_quality_flags
from cxr_core.models.card import OPERATING_POINTS, Fusion, OperatingPoint
from cxr_core.models.networks.architectures import build_network
from cxr_core.models.store import load_segmenter_card, save_model
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination
from cxr_core.reading.segmenter import Segmenter
from tests.evaluation.synthetic_films import CARD, RATIOS, TrueSegmenter, write_films
from tests.tiny import tiny_card, tiny_model
from train.evaluate import main

pytestmark = pytest.mark.training

FUSION = Fusion(
    measurement="cardiothoracic_ratio",
    model=f"{CARD.model} {CARD.version}",
    intercept=-0.5,
    classifier=0.8,
    measured=15.0,
    centre=0.5,
    ap=-1.0,
    operating_points=tuple(
        OperatingPoint(name=name, threshold=0.5, source="a test") for name in OPERATING_POINTS
    ),
    source="a test",
    ratio_variance=0.001,
)
FUSED_CARD = tiny_card(findings=("cardiomegaly",), fusion={"cardiomegaly": FUSION})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_films(tmp_path_factory.mktemp("drawn"))


def test_true_contours_agree_with_the_masks(folder, tmp_path):
    films = open_data([folder]).select_split("test")
    evaluation = evaluate_segmenter(TrueSegmenter(films, missed=("07.png",)), films, "test")
    figures = evaluation.figures
    assert (figures.measured.value, figures.measured.n) == (pytest.approx(7 / 8), 8)
    assert figures.dice["left_lung"].value > 0.95
    assert figures.agreement.mae.n == 7
    rows = evaluation.table.set_index("image")
    assert rows.loc["07.png", "reason"] == "No heart was found on this picture."
    assert (rows.loc["07.png", "dice_heart"], bool(rows.loc["07.png", "trusted"])) == (0, False)
    measured = rows.drop("07.png")
    true_ratios = [RATIOS[name] for name in measured.index]
    assert measured["ratio"].to_list() == pytest.approx(true_ratios, abs=0.02)
    assert measured["dice_heart"].min() > 0.95
    correlation = stats.pearsonr(measured["ratio"], measured["true_ratio"]).statistic
    assert figures.agreement.correlation.value == pytest.approx(correlation, abs=1e-6)
    error = measured["ratio"] - measured["true_ratio"]
    upper_limit = error.mean() + 1.96 * error.std(ddof=0)
    assert figures.agreement.high.value == pytest.approx(upper_limit, abs=1e-6)
    assert evaluation.recorded is None

    path = evaluation.write(tmp_path / "out")
    metrics = json.loads(path.read_text())
    assert metrics["figures"]["ratio_mae"] == figures.agreement.mae.to_json()
    assert SegmenterMetrics.from_json(metrics).figures == figures
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


def test_recorded_ratio_is_compared_where_there_is_one(folder, tmp_path):
    place = tmp_path / "films"
    shutil.copytree(folder, place)
    (place / "films.csv").rename(place / "ctr.csv")
    table = pd.read_csv(place / "ctr.csv")
    table["ctr"] = [None if name == "01.png" else RATIOS[name] + 0.1 for name in table["image"]]
    table.to_csv(place / "ctr.csv", index=False)
    films = open_data([place]).select_split("test")
    evaluation = evaluate_segmenter(TrueSegmenter(films, missed=("07.png",)), films, "test")
    recorded = evaluation.recorded
    assert (recorded.not_recorded, recorded.unmeasured, recorded.agreement.mae.n) == (1, 1, 6)
    assert recorded.agreement.bias.value == pytest.approx(-0.1, abs=0.02)
    assert next(iter(recorded.to_json())) == "table"
    assert list(recorded.to_json())[-2:] == ["empty", "unmeasured"]
    assert "Against the ratio recorded in ctr.csv" in evaluation.report_html()


def test_ratio_of_true_contours_detects_enlarged_hearts(folder, tmp_path):
    manifest = open_data([folder])
    films = manifest.select_split("test")
    evaluation = evaluate_segmenter(
        TrueSegmenter(manifest, missed=("07.png",)),
        films,
        "test",
        comparator=Classifier.load(tiny_model(tmp_path, FUSED_CARD)),
    )
    views = evaluation.score.scores.views
    assert views["all"].on_measured.auroc["ratio"].value == 1
    films_by_view = {name: group.films for name, group in views.items()}
    assert films_by_view == {"all": 8, "PA": 4, "AP": 4, "within": 8}
    assert views["AP"].unmeasured.films == 1
    rows = evaluation.table.set_index("image")
    assert rows["combined"].notna().all()
    assert rows["cardiomegaly"].to_list() == [float(RATIOS[name] > 0.5) for name in rows.index]
    assert set(evaluation.score.roc) == {"ratio", "classifier", "combined"}
    assert "Both combined − classifier" in evaluation.report_html()


def test_fusion_of_the_classifiers_card_is_scored_as_a_reading_applies_it(
    folder, tmp_path, workspace
):
    manifest = open_data([folder])
    films = manifest.select_split("test")
    classifier = Classifier.load(tiny_model(tmp_path, FUSED_CARD))
    segmenter = TrueSegmenter(manifest, missed=("07.png",))
    evaluation = evaluate_segmenter(segmenter, films, "test", comparator=classifier)
    assert evaluation.to_metrics().to_json()["score"]["combination"] == {
        "shipped": True,
        "source": "a test",
        "intercept": -0.5,
        "classifier": 0.8,
        "measured": 15.0,
        "centre": 0.5,
        "ap": -1.0,
    }
    combined = evaluation.table.set_index("image")["combined"]
    readings = {}
    for path, view in zip(films.paths, films.table["view"], strict=True):
        film = decode_film(path.read_bytes())
        grid = to_grid(film.pixels, CARD.input_spec)
        examination = Examination(
            sha256="",
            film=film,
            concerns=find_quality_flags(film),
            outputs=(classifier.read(film),),
            seconds=0.0,
            segmentation=segmenter.segment_grid(grid, film.shape),
        )
        (finding,) = interpret(examination, Patient(age_years=50, view=view)).findings
        assert combined[path.name] == pytest.approx(logit(finding.probability), abs=1e-4)
        assert finding.fusion_parts.uses_ratio is (path.name != "07.png")
        readings[path.name] = finding
    predictions = evaluate_classifier(classifier, films, "test", segmenter=segmenter).table
    for _, row in predictions.iterrows():
        reading = readings[row["image"]]
        assert row["probability"] == pytest.approx(reading.fusion_parts.classifier, abs=1e-6)
        assert row["probability_with_ratio"] == pytest.approx(reading.probability, abs=1e-5)
        assert row["ratio_weight"] == pytest.approx(reading.fusion_parts.weight)
    page = (evaluation.write(tmp_path / "out").parent / "report.html").read_text()
    assert "by the fusion of its card" in page


def test_classifier_without_a_fusion_is_compared_alone(folder, tmp_path):
    films = open_data([folder]).select_split("test")
    classifier = Classifier.load(tiny_model(tmp_path, tiny_card(findings=("cardiomegaly",))))
    evaluation = evaluate_segmenter(TrueSegmenter(films), films, "test", comparator=classifier)
    scores = evaluation.score.scores
    assert scores.fusion is None
    assert evaluation.to_metrics().to_json()["score"]["combination"] is None
    assert set(scores.views["all"].on_all.auroc) == {"classifier"}
    assert set(evaluation.score.roc) == {"ratio", "classifier"}
    assert "combined" not in evaluation.table
    assert "no fusion with this segmenter" in evaluation.report_html()


def test_classifier_of_another_finding_is_refused(folder, tmp_path):
    films = open_data([folder]).select_split("test")
    classifier = Classifier.load(tiny_model(tmp_path, tiny_card(findings=("pneumonia",))))
    with pytest.raises(ModelError, match="answers pneumonia, not cardiomegaly"):
        evaluate_segmenter(TrueSegmenter(films), films, "test", comparator=classifier)


def test_films_with_nothing_to_compare_are_refused(tmp_path):
    films = open_data([write_films(tmp_path / "bare", masks=False, labels=False)]).select_split(
        "test"
    )
    with pytest.raises(DataError, match=r"neither masks .* nor labels for cardiomegaly"):
        evaluate_segmenter(TrueSegmenter(films), films, "test")


def test_a_mask_that_cannot_be_compared_is_named(folder, tmp_path):
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
            evaluate_segmenter(TrueSegmenter(films), films, "test")
    mask.unlink()
    with pytest.raises(DataError, match=r"01\.png has no mask of the heart"):
        evaluate_segmenter(TrueSegmenter(films), films, "test")


@pytest.fixture
def model(tmp_path):
    save_model(tmp_path / "anatomy" / "1.0.0", CARD, build_network("segmenter", CARD.arguments))
    return tmp_path / "anatomy" / "1.0.0"


@pytest.mark.training
def test_command_compares_with_a_classifier(
    folder, model, tmp_path, workspace, capsys, monkeypatch
):
    segmenter = TrueSegmenter(open_data([folder]))
    monkeypatch.setattr(
        Segmenter, "segment_grid", lambda _, grid, shape: segmenter.segment_grid(grid, shape)
    )
    classifier = tiny_model(tmp_path, FUSED_CARD)
    out = tmp_path / "out"
    given = [str(model), "--data", str(folder), "--out", str(out), "--beside", str(classifier)]
    assert main(given) == 0
    assert capsys.readouterr().out.strip() == str(out / "metrics.json")
    score = json.loads((out / "metrics.json").read_text())["score"]
    assert score["beside"]["model"] == "tiny"
    assert score["combination"]["source"] == "a test"
    assert score["views"]["all"]["on_all"]["auroc"]["combined"]["n"] == 8
    assert main([*given, "--fit-on", "train"]) == 0  # an option of version 0.1 that changes nothing
    assert json.loads((out / "metrics.json").read_text())["score"] == score


@pytest.mark.training
def test_segmenter_that_finds_nothing_is_evaluated_and_recorded(
    folder, model, tmp_path, workspace, monkeypatch
):
    def find_nothing(_, grids, **__):
        return np.full((len(grids), 2, 3, 32, 32), -9, np.float32)

    monkeypatch.setattr(Segmenter, "predict_augmented", find_nothing)
    data = write_films(tmp_path / "unlabelled", labels=False)
    out = tmp_path / "out"
    assert main([str(model), "--data", str(data), "--out", str(out), "--record", "test"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    undefined = {"value": None, "low": None, "high": None, "n": 0}
    assert metrics["score"] is None
    assert metrics["figures"]["dice_heart"]["value"] == 0
    assert metrics["figures"]["distance_px_heart"] == undefined
    assert "None of these films could be measured." in (out / "report.html").read_text()
    assert load_segmenter_card(model).metrics["test"] == metrics["figures"]
