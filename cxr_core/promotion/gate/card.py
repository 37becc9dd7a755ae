"""Checks a model's card, without any film: its population, its operating points, and what would be lost."""

from dataclasses import replace

from cxr_core.decisions import ERRORS
from cxr_core.models.card import (
    OPERATING_POINTS,
    DecisionThresholds,
    ModelCard,
    OperatingPoint,
)
from cxr_core.models.figures import recorded_figure
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.promotion.gate.checks import Check, Status, pass_or_fail
from cxr_core.reading.fitting.conformal import count_allowed_errors
from cxr_core.workspace.json_files import Json, JsonObject

UNSTATED = ("", "unstated")
Card = ModelCard | SegmenterCard


def check_card(candidate: ModelCard) -> list[Check]:
    """The checks of a classifier's card by itself."""
    return [
        check_population(candidate),
        *(_check_operating_points(candidate, key) for key in candidate.findings),
    ]


def compare_cards(candidate: ModelCard, incumbent: ModelCard) -> list[Check]:
    """What would be lost if a candidate took the place of a model in use: patients, findings or the measured ratio."""
    lost = _check_lost_patients(candidate, incumbent)
    return [
        *([replace(lost, name="lost patients")] if lost else []),
        *_check_lost_findings(candidate, incumbent),
        *_check_lost_fusion(candidate, incumbent),
    ]


def check_population(candidate: Card, incumbent: Card | None = None) -> Check:
    """Whether the card states a population, and one that leaves nobody out whom the active version reads."""
    population = candidate.population
    if population.text.strip().lower() in UNSTATED:
        sentence = "The model does not say for whom it is made; give its recipe a population."
        return _check_of_population(candidate, "fail", sentence)
    lost = _check_lost_patients(candidate, incumbent) if incumbent else None
    return lost or _check_of_population(candidate, "pass", f"Made for {population.text}.")


def _check_lost_patients(candidate: Card, incumbent: Card) -> Check | None:
    """That patients whom the incumbent reads would get no reading; None when there are none."""
    if candidate.population.covers(incumbent.population):
        return None
    sentence = (
        f"Made for {candidate.population.text}, while {incumbent.model} {incumbent.version} reads "
        f"{incumbent.population.text}: some patients would get no reading."
    )
    return _check_of_population(candidate, "fail", sentence)


def _check_of_population(candidate: Card, status: Status, sentence: str) -> Check:
    population = candidate.population
    figures: JsonObject = {
        "text": population.text,
        "age_min": population.age_min,
        "age_max": population.age_max,
        "views": list(population.views),
    }
    return Check(name="population", status=status, sentence=sentence, figures=figures)


def _check_operating_points(candidate: ModelCard, key: str) -> Check:
    """Whether each operating point and decision is there and was chosen on the run's own labelled validation films.

    A decision may be missing where too few of them have, or lack, the finding.
    """
    films = _count_validation_films(candidate, key)
    points = {point.name: point for point in candidate.operating_points.get(key, ())}
    decisions = {decision.name: decision for decision in candidate.decisions.get(key, ())}
    possible = _list_possible_decisions(candidate, key)
    missing = [name for name in OPERATING_POINTS if name not in points]
    missing += [name for name in possible if name not in decisions]
    own_source = f"{films} validation films"
    chosen: dict[str, OperatingPoint | DecisionThresholds] = {**points, **decisions}
    foreign = [name for name, choice in chosen.items() if own_source not in choice.source]
    figures: JsonObject = {"validation_films": films}
    figures |= {name: point.threshold for name, point in points.items()}
    figures |= {
        name: [decision.absent_below, decision.present_from] for name, decision in decisions.items()
    }
    sentence = f"Chosen on the run's own {films or 0:,} validation films."
    impossible = [name for name in ERRORS if name not in possible and name not in decisions]
    if impossible:
        sentence += f" They are too few of one class for the decision {' and '.join(impossible)}."
    if missing or foreign:
        names = ", ".join([*missing, *foreign])
        sentence = f"Missing, or not chosen on the run's own validation films: {names}."
    return Check(
        name="operating points",
        finding=key,
        status=pass_or_fail(not missing and not foreign),
        sentence=sentence,
        figures=figures,
    )


def _list_possible_decisions(candidate: ModelCard, key: str) -> list[str]:
    """The decisions with two thresholds for which validation had films enough of both classes, as the card counts."""
    counts = recorded_figure(candidate.metrics, "validation", key, "auroc")
    if counts is None:
        return []
    fewer = min(counts.positives, counts.n - counts.positives)
    return [name for name, error in ERRORS.items() if count_allowed_errors(fewer, error) >= 0]


def _count_validation_films(candidate: ModelCard, key: str) -> int | None:
    """How many validation films of the run have a label of the finding; all of them, where no figure says how many."""
    figure = recorded_figure(candidate.metrics, "validation", key, "auroc")
    if figure is not None:
        return figure.n
    record: Json = candidate.training
    for key in ("data", "parts", "val", "films"):
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record if isinstance(record, int) else None


def _check_lost_findings(candidate: ModelCard, incumbent: ModelCard) -> list[Check]:
    lost = [key for key in incumbent.findings if key not in candidate.findings]
    if not lost:
        return []
    sentence = f"{incumbent.model} {incumbent.version} also answers {', '.join(lost)}, which would no longer be read."
    return [Check(name="findings", status="fail", sentence=sentence, figures={"lost": [*lost]})]


def _check_lost_fusion(candidate: ModelCard, incumbent: ModelCard) -> list[Check]:
    """Where the measured ratio takes part in the active version's probability, and would no longer do so."""
    sentence = (
        f"In {incumbent.model} {incumbent.version} the measured heart ratio takes part in the probability, here it "
        "does not; train.combine fits that to a run, where it helps. The gate compares the networks "
        "alone."
    )
    return [
        Check(name="measured ratio", finding=key, status="fail", sentence=sentence)
        for key in incumbent.fusion
        if key in candidate.findings and key not in candidate.fusion
    ]
