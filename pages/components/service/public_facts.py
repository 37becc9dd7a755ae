"""Lists what the cards of the models in use say to everybody."""

from typing import TYPE_CHECKING

from cxr_core.models.card import ModelCard, Population
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.workspace.json_files import Json, JsonObject

if TYPE_CHECKING:  # imports torch
    from cxr_core.reading.reader import Reader

TRAINING_FACTS = ("recipe", "summary", "finished", "terms")
FIGURES = ("auroc", "average_precision", "brier", "ece")  # the card itself has many more


def list_models(reader: "Reader") -> JsonObject:
    """The models that read films, and a sentence for each one that cannot be used."""
    models: list[Json] = [describe_classifier(card) for card in reader.cards]
    if reader.segmenter is not None:
        models.append(describe_segmenter(reader.segmenter.card))
    return {"models": models, "left_out": [flag.message for flag in reader.left_out]}


def describe_classifier(card: ModelCard) -> JsonObject:
    """The findings of a classifier, whom it is for, its thresholds and figures."""
    return {
        **_describe(card),
        "kind": "classifier",
        "findings": [_describe_finding(card, finding) for finding in card.findings],
        "metrics": {
            split: {finding: _choose_figures(figures) for finding, figures in table.items()}
            for split, table in card.metrics.items()
        },
    }


def describe_segmenter(card: SegmenterCard) -> JsonObject:
    """The structures that a segmenter outlines, whom it is for, and its figures."""
    return {
        **_describe(card),
        "kind": "segmenter",
        "structures": list(card.structures),
        "metrics": dict(card.metrics),
    }


def _describe(card: ModelCard | SegmenterCard) -> JsonObject:
    training = {name: card.training[name] for name in TRAINING_FACTS if card.training.get(name)}
    return {
        "model": card.model,
        "version": card.version,
        "population": _describe_population(card.population),
        "weights_sha256": card.weights_sha256,
        "training": training,
    }


def _choose_figures(figures: JsonObject) -> JsonObject:
    return {name: figures[name] for name in FIGURES if name in figures}


def _describe_population(population: Population) -> JsonObject:
    return {
        "text": population.text,
        "age_min": population.age_min,
        "age_max": population.age_max,
        "views": list(population.views),
    }


def _describe_finding(card: ModelCard, finding: str) -> JsonObject:
    points = card.operating_points[finding]
    decisions = card.decisions.get(finding, ())
    return {
        "finding": finding,
        "name": card.name_finding(finding),
        "definition": card.describe_finding(finding),
        "calibration_prevalence": card.calibration_prevalence(finding),
        "operating_points": {point.name: point.threshold for point in points},
        "decisions": {
            each.name: {"present_from": each.present_from, "absent_below": each.absent_below}
            for each in decisions
        },
    }
