"""Attribution inside the chest: a map of the heart lies in it, and an even map has the region's area as its share."""

import numpy as np
import pytest

from cxr_core.data.prepare import open_data
from cxr_core.evaluation.evaluate import evaluate_classifier
from cxr_core.evaluation.explanations.attribution_inside import (
    coverage_of_cells,
    evaluate_attribution,
    share_inside_region,
)
from cxr_core.film.phantom.phantom import compute_truth
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.figures import AttributionInside, MeanFigure
from cxr_core.reading.classifier import Classifier
from tests.evaluation.synthetic_films import SPECS, TrueSegmenter, write_films
from tests.tiny import tiny_card, tiny_model

KEY = "cardiomegaly"
SPEC = InputSpec(side=64, channels=1)
CELLS = (8, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_films(tmp_path_factory.mktemp("drawn"), masks=False)


def true_heart(name: str) -> np.ndarray:
    return compute_truth(SPECS[name]).heart


def test_only_positive_attribution_counts():
    inside = np.array([[1.0, 0.5], [0.0, 0.0]])
    assert share_inside_region(np.array([[2.0, 2.0], [4.0, -9.0]]), inside) == pytest.approx(3 / 8)
    assert np.isnan(share_inside_region(-np.ones((2, 2)), inside))


def test_region_covers_as_much_of_the_cells_as_of_the_film():
    mask = true_heart("05.png")
    covered = coverage_of_cells(mask, SPEC, CELLS)
    assert covered.shape == CELLS
    assert covered.mean() == pytest.approx(mask.mean(), abs=0.003)
    assert covered[0].max() == 0


def test_attribution_in_the_heart_lies_there(folder, workspace):
    films = open_data([folder]).select_split("test")
    hearts = [coverage_of_cells(true_heart(name), SPEC, CELLS) ** 2 - 0.01 for name in films.names]
    segmenter = TrueSegmenter(films, missed=("07.png",))
    figures = evaluate_attribution(segmenter, films, {KEY: hearts}, SPEC)[KEY]
    assert (figures.films, figures.not_segmented, figures.without_evidence) == (8, 1, 0)
    assert figures.regions["heart"].share.value > 0.8
    assert figures.regions["heart"].difference.low > 0.6
    assert figures.regions["chest"].share.value >= figures.regions["heart"].share.value
    assert AttributionInside.from_json(figures.to_json()) == figures


def test_even_map_is_the_control(folder, workspace):
    films = open_data([folder]).select_split("test")
    names = list(films.names)
    even = [np.full(CELLS, 0.2) for _ in names]
    even[2] = -even[2]
    segmenter = TrueSegmenter(films, missed=("07.png",))
    by_finding = evaluate_attribution(segmenter, films, {KEY: even, "pneumonia": even}, SPEC)
    figures = by_finding[KEY]
    assert (figures.without_evidence, figures.regions["chest"].share.n) == (1, 6)
    areas = [true_heart(name).mean() for name in names if name not in ("07.png", names[2])]
    control = figures.regions["heart"].control.value
    assert control == pytest.approx(np.mean(areas), abs=0.01)
    for region in ("heart", "chest"):
        assert figures.regions[region].difference.value == pytest.approx(0, abs=1e-6)
    assert "heart" not in by_finding["pneumonia"].regions
    enlarged = films.table[KEY].to_numpy() == 1
    used = enlarged.sum() - enlarged[names.index("07.png")] - enlarged[2]
    assert figures.present["heart"].share.n == used


@pytest.mark.training
def test_evaluation_includes_it_where_there_is_a_segmenter(folder, tmp_path, workspace):
    films = open_data([folder]).select_split("test")
    classifier = Classifier.load(tiny_model(tmp_path, tiny_card(findings=(KEY,))))
    alone = evaluate_classifier(classifier, films, "test")
    both = evaluate_classifier(classifier, films, "test", segmenter=TrueSegmenter(films))
    findings = both.to_metrics().to_json()["findings"]
    inside = findings[KEY].pop("heat_in_chest")
    assert inside["outlines"] == {"model": "anatomy", "version": "1.0.0"}
    assert findings == alone.to_metrics().to_json()["findings"]
    assert "Where the evidence lies" not in alone.report_html()
    assert "Positive evidence inside" in both.report_html()


def test_without_any_segmentation_everything_is_undefined(folder, workspace):
    films = open_data([folder]).select_split("test")
    segmenter = TrueSegmenter(films, missed=tuple(SPECS))
    figures = evaluate_attribution(segmenter, films, {KEY: [np.ones(CELLS)] * 8}, SPEC)[KEY]
    assert figures.not_segmented == 8
    assert figures.regions["chest"].share == MeanFigure(None, None, None, 0)
