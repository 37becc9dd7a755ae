"""Puts the finding of abnormal films into words, beside the findings that have names and without contradicting them."""

from collections.abc import Sequence

from cxr_core.findings import ABNORMALITY
from cxr_core.presentation.wording import format_percent
from cxr_core.reading.results import FindingReading

POSSIBLE = "findings that this program does not name are possible"


def find_abnormality(findings: Sequence[FindingReading]) -> FindingReading | None:
    """The finding of an abnormal film, where it has a verdict."""
    for finding in findings:
        if finding.finding == ABNORMALITY and finding.has_verdict:
            return finding
    return None


def describe_abnormality(findings: Sequence[FindingReading]) -> str:
    """What it means that the film is suspected to be abnormal, or is not; empty while that is undecided or unknown.

    A finding with a name that is suspected counts more than a film that looks normal as a whole.
    """
    abnormality = find_abnormality(findings)
    if abnormality is None or abnormality.call == "indeterminate":
        return ""
    named = [finding for finding in findings if finding is not abnormality and finding.has_verdict]
    if abnormality.call == "present":
        if named and all(finding.call == "absent" for finding in named):
            return f"No finding with a name is suspected, yet the film is unlikely to be normal; {POSSIBLE}."
        return f"The film is unlikely to be normal; {POSSIBLE}."
    suspected = [finding.name.lower() for finding in named if finding.call == "present"]
    if suspected:
        return (
            f"The film as a whole does not look abnormal to the program. The suspicion of {' and '.join(suspected)} "
            "counts nevertheless: its model looks for it alone, and a single finding can be missed in the film as a "
            "whole."
        )
    if abnormality.likely_normal and all(finding.call == "absent" for finding in named):
        return describe_likely_normal(abnormality)
    return "The film is not suspected to be abnormal."


def describe_likely_normal(abnormality: FindingReading) -> str:
    """That a film is likely normal, and how often that was right on validation films."""
    assert abnormality.card is not None
    confident = abnormality.card.confident_normal[ABNORMALITY]
    normal = confident.negative_predictive_value
    assert normal.value is not None
    interval = ""
    if normal.low is not None and normal.high is not None:
        low, high = format_percent(normal.low), format_percent(normal.high)
        interval = f" (95 % interval {low} to {high})"
    return (
        f"The film is likely normal: of {normal.n:,} validation films with as low a probability, "
        f"{format_percent(normal.value)}{interval} were normal, where {format_percent(confident.prevalence)} of all "
        "films were abnormal."
    )
