"""Evidence inside the chest: what is drawn into the heart lies in it, and an even map gives the region's area."""

import numpy as np
import pytest

from cxr_core.data.prepare import open_data
from cxr_core.evaluation.evaluate import evaluate
from cxr_core.evaluation.explanations.attribution_inside import share_inside
from cxr_core.evaluation.explanations.evaluate_attribution import heat_in_chest, on_cells
from cxr_core.film.phantom.phantom import truth
from cxr_core.film.preprocess import InputSpec
from cxr_core.reading.classifier import Classifier
from tests.evaluation.synthetic_films import SPECS, TrueOutlines, write_films
from tests.tiny import tiny_card, tiny_model

SPEC = InputSpec(side=64, channels=1)
CELLS = (8, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_films(tmp_path_factory.mktemp("drawn"), masks=False)


def heart_of(name: str) -> np.ndarray:
    return truth(SPECS[name]).heart


def test_only_positive_evidence_counts():
    inside = np.array([[1.0, 0.5], [0.0, 0.0]])
    assert share_inside(np.array([[2.0, 2.0], [4.0, -9.0]]), inside) == pytest.approx(3 / 8)
    assert np.isnan(share_inside(-np.ones((2, 2)), inside))


def test_a_region_covers_as_much_of_the_cells_as_of_the_film():
    mask = heart_of("05.png")
    covered = on_cells(mask, SPEC, CELLS)
    assert covered.shape == CELLS
    assert covered.mean() == pytest.approx(mask.mean(), abs=0.003)
    assert covered[0].max() == 0


def test_evidence_in_the_heart_is_found_there_and_an_even_map_is_the_control(folder, workspace):
    films = open_data([folder]).part("test")
    names = list(films.names)
    hearts = [on_cells(heart_of(name), SPEC, CELLS) ** 2 - 0.01 for name in names]
    even = [np.full(CELLS, 0.2) for _ in names]
    even[2] = -even[2]
    outlines = TrueOutlines(films, missed=("07.png",))
    drawn = heat_in_chest(outlines, films, {"cardiomegaly": hearts}, SPEC)["cardiomegaly"]
    flat = heat_in_chest(outlines, films, {"cardiomegaly": even, "pneumonia": even}, SPEC)
    assert (drawn["films"], drawn["without_outlines"], drawn["without_evidence"]) == (8, 1, 0)
    assert drawn["heart"]["share"]["value"] > 0.8
    assert drawn["heart"]["difference"]["low"] > 0.6
    assert drawn["chest"]["share"]["value"] >= drawn["heart"]["share"]["value"]
    found = flat["cardiomegaly"]
    assert (found["without_evidence"], found["chest"]["share"]["n"]) == (1, 6)
    areas = [heart_of(name).mean() for name in names if name not in ("07.png", names[2])]
    assert found["heart"]["control"]["value"] == pytest.approx(np.mean(areas), abs=0.01)
    for region in ("heart", "chest"):
        assert found[region]["difference"]["value"] == pytest.approx(0, abs=1e-6)
    assert "heart" not in flat["pneumonia"]
    enlarged = films.table["cardiomegaly"].to_numpy() == 1
    assert (
        found["present"]["heart"]["share"]["n"]
        == enlarged.sum() - enlarged[names.index("07.png")] - enlarged[2]
    )


def test_an_evaluation_tells_it_when_something_outlines(folder, tmp_path, workspace):
    films = open_data([folder]).part("test")
    classifier = Classifier.load(tiny_model(tmp_path, tiny_card(findings=("cardiomegaly",))))
    alone = evaluate(classifier, films, "test")
    found = evaluate(classifier, films, "test", outliner=TrueOutlines(films))
    heat = found.metrics_json()["findings"]["cardiomegaly"].pop("heat_in_chest")
    assert heat["outlines"] == {"model": "anatomy", "version": "1.0.0"}
    assert found.metrics_json()["findings"] == alone.metrics_json()["findings"]
    assert "Where the evidence lies" not in alone.report_html()
    assert (
        "Positive evidence inside"
        in evaluate(classifier, films, "test", outliner=TrueOutlines(films)).report_html()
    )


def test_without_any_outline_everything_is_undefined(folder, workspace):
    films = open_data([folder]).part("test")
    outlines = TrueOutlines(films, missed=tuple(SPECS))
    found = heat_in_chest(outlines, films, {"cardiomegaly": [np.ones(CELLS)] * 8}, SPEC)[
        "cardiomegaly"
    ]
    assert found["without_outlines"] == 8
    assert found["chest"]["share"] == {"value": None, "low": None, "high": None, "n": 0}
