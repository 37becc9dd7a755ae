"""Files that version 0.1 wrote are read into typed results and written back byte for byte."""

import json
from pathlib import Path

import pytest

from cxr_core.errors import RecordError
from cxr_core.evaluation.metrics.curves import EvaluationCurves
from cxr_core.evaluation.metrics.recalibrate import (
    EvaluationRecalibration,
    NotRecalibrated,
    RecalibratedFinding,
)
from cxr_core.evaluation.metrics.results import EvaluationMetrics, FindingFigures
from cxr_core.models.figures import Localisation, recorded_figure, recorded_localisation
from cxr_core.workspace.json_record import JsonRecord
from cxr_core.workspace.paths import SHIPPED_MODELS

TESTS = Path(__file__).parents[2]
FILES = Path(__file__).with_name("files_of_0_1")
WORKSPACE = TESTS / "workspace_of_0_1" / "workspace"
FOLDERS = (
    FILES,
    WORKSPACE / "runs" / "finished" / "evaluation",
    WORKSPACE / "evaluations" / "tiny-1.0.0-test-films",
)
CARDS = sorted(SHIPPED_MODELS.glob("*/*/card.json"))


def rewritten(kind: type[JsonRecord], text: str, indent: int | None) -> str:
    record = kind.from_json(json.loads(text))
    return json.dumps(record.to_json(), indent=indent, allow_nan=False) + "\n"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_metrics_and_curves_are_written_back_as_they_were(folder: Path) -> None:
    metrics = (folder / "metrics.json").read_text(encoding="utf-8")
    assert rewritten(EvaluationMetrics, metrics, 2) == metrics
    curves = (folder / "curves.json").read_text(encoding="utf-8")
    assert rewritten(EvaluationCurves, curves, None) == curves


def test_a_recalibration_is_written_back_as_it_was() -> None:
    text = (FILES / "recalibration.json").read_text(encoding="utf-8")
    assert rewritten(EvaluationRecalibration, text, 2) == text
    findings = EvaluationRecalibration.from_json(json.loads(text)).findings
    assert isinstance(findings["pneumonia"], RecalibratedFinding)
    assert isinstance(findings["cardiomegaly"], NotRecalibrated)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.parent.name)
def test_the_figures_of_shipped_cards_are_written_back_as_they_were(path: Path) -> None:
    """Among them localisation, randomisation and attribution inside the chest."""
    card = json.loads(path.read_text(encoding="utf-8"))
    for findings in card["metrics"].values():
        for figures in findings.values():
            kind: type[JsonRecord] | None = None
            if "brier_within" in figures:
                kind, record = FindingFigures, figures
            elif "localisation" in figures:
                kind, record = Localisation, figures["localisation"]
            if kind is not None:
                assert json.dumps(kind.from_json(record).to_json()) == json.dumps(record)


def test_every_part_of_an_evaluation_is_an_attribute() -> None:
    text = (FILES / "metrics.json").read_text(encoding="utf-8")
    metrics, record = EvaluationMetrics.from_json(json.loads(text)), json.loads(text)
    of_finding, figures = record["findings"]["pneumonia"], metrics.findings["pneumonia"]
    assert (metrics.split, metrics.data.folders) == ("test", ("films",))
    assert figures.auroc.value == of_finding["auroc"]["value"]
    youden = figures.points["youden"]
    assert youden.sensitivity.low == of_finding["youden"]["sensitivity"]["low"]
    assert set(figures.views) == {"PA", "AP"}
    assert figures.subgroups is not None
    assert figures.subgroups.groups[0].figures["auroc"].n == figures.subgroups.groups[0].n
    assert metrics.macro is not None
    assert metrics.macro.findings == ("cardiomegaly", "pneumonia")
    report = metrics.classification_report["pneumonia"]
    assert report.films == report.absent.support + report.present.support == figures.auroc.n


def test_a_card_tells_single_figures_and_the_localisation_on_most_films() -> None:
    (path,) = SHIPPED_MODELS.glob("cardiomegaly-adults/*/card.json")
    metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    recorded = metrics["validation"]["cardiomegaly"]["auroc"]
    auroc = recorded_figure(metrics, "validation", "cardiomegaly", "auroc")
    assert auroc is not None
    assert auroc.to_json() == recorded
    assert recorded_figure(metrics, "validation", "cardiomegaly", "youden") is None
    assert recorded_figure(metrics, "elsewhere", "cardiomegaly", "auroc") is None
    localisation = recorded_localisation(metrics, "cardiomegaly")
    assert localisation is not None
    assert localisation.films == 85
    assert recorded_localisation(metrics, "pneumonia") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"auroc": None}, "auroc: found null, expected an object"),
        (
            {"auroc": {"value": "high", "low": 0, "high": 1, "n": 2, "positives": 1}},
            'auroc.value: found "high", expected a number',
        ),
        ({"auroc": {"value": 0.5}}, "auroc.low is missing"),
        ({"views": []}, r"views: found \[\], expected an object"),
    ],
)
def test_figures_of_another_form_are_refused(change: dict, words: str) -> None:
    text = (FILES / "metrics.json").read_text(encoding="utf-8")
    figures = json.loads(text)["findings"]["pneumonia"]
    with pytest.raises(RecordError, match=words):
        FindingFigures.from_json({**figures, **change})
