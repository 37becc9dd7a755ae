"""What the gate asks of a card, without a film: for whom, derived from what, and what would be lost beside another."""

import numpy as np

from cxr_core.models.card import OPERATING_POINTS, ModelCard
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.promotion.gate.verdict import Check, Status

UNSTATED = ("", "unstated")
Card = ModelCard | SegmenterCard


def card_checks(candidate: ModelCard, rival: ModelCard | None) -> list[Check]:
    """The checks of a candidate's card, beside that of the model in use where there is one."""
    checks = [
        population_check(candidate, rival),
        *(_points(candidate, key) for key in candidate.findings),
    ]
    return (
        checks
        if rival is None
        else [*checks, *_lost_findings(candidate, rival), *_lost_ratio(candidate, rival)]
    )


def passed_or_not(passed: bool) -> Status:
    """The status of a check that had all it needs."""
    return "pass" if passed else "fail"


def population_check(candidate: Card, rival: Card | None) -> Check:
    """Whether it says for whom it is made, and leaves nobody out whom the model in use reads."""
    said = candidate.population
    figures = {
        "text": said.text,
        "age_min": said.age_min,
        "age_max": said.age_max,
        "views": list(said.views),
    }
    if said.text.strip().lower() in UNSTATED:
        sentence = "The model does not say for whom it is made; give its recipe a population."
        return Check(name="population", status="fail", sentence=sentence, figures=figures)
    if rival is not None and _narrower(candidate, rival):
        sentence = f"Made for {said.text}, where the model in use reads {rival.population.text}: some would get no reading."
        return Check(name="population", status="fail", sentence=sentence, figures=figures)
    return Check(
        name="population", status="pass", sentence=f"Made for {said.text}.", figures=figures
    )


def _narrower(candidate: Card, rival: Card) -> bool:
    """Whether it excludes ages or views that the model in use reads."""
    new, old = candidate.population, rival.population
    lowest = (new.age_min or 0) > (old.age_min or 0)
    highest = (np.inf if new.age_max is None else new.age_max) < (
        np.inf if old.age_max is None else old.age_max
    )
    views = bool(new.views) and not (old.views and set(old.views) <= set(new.views))
    return lowest or highest or views


def _points(candidate: ModelCard, key: str) -> Check:
    """Operating points are the run's own: each is there, and was chosen on as many films as validation has."""
    films = candidate.training.get("data", {}).get("parts", {}).get("val", {}).get("films")
    points = {point.name: point for point in candidate.operating_points.get(key, ())}
    missing = [name for name in OPERATING_POINTS if name not in points]
    foreign = [
        name for name, point in points.items() if f"{films} validation films" not in point.source
    ]
    figures = {
        "validation_films": films,
        **{name: point.threshold for name, point in points.items()},
    }
    passed = not missing and not foreign
    if passed:
        sentence = f"Derived anew on the run's own {films:,} validation films."
    else:
        sentence = f"Missing, or not derived on the run's own validation films: {', '.join([*missing, *foreign])}."
    return Check(
        name="operating points",
        finding=key,
        status=passed_or_not(passed),
        sentence=sentence,
        figures=figures,
    )


def _lost_findings(candidate: ModelCard, rival: ModelCard) -> list[Check]:
    lost = [key for key in rival.findings if key not in candidate.findings]
    sentence = f"{rival.model} {rival.version} answers {', '.join(lost)} as well, which would no longer be read."
    return (
        [Check(name="findings", status="fail", sentence=sentence, figures={"lost": lost})]
        if lost
        else []
    )


def _lost_ratio(candidate: ModelCard, rival: ModelCard) -> list[Check]:
    """Where the measured ratio has part in the probability in use, and would no longer have."""
    sentence = (
        "In the model in use the measured heart ratio takes part in the probability, here it does not: "
        "python -m train.combine RUN --data DIR fits that, where it helps. Compared are the networks alone."
    )
    return [
        Check(name="measured ratio", finding=key, status="fail", sentence=sentence)
        for key in rival.combination
        if key in candidate.findings and key not in candidate.combination
    ]
