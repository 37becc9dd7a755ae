"""Puts the answers of several models to one finding together: one finding with several opinions.

One model of each finding and patient ought to be in use. Where folders were copied by hand, or the age is unknown, two
may answer; then the finding counts once, and the reading says whether they agree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cxr_core.presentation.wording import call_name, format_percent
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.decision import Uncertainty
from cxr_core.reading.results import FindingReading


def merge_opinions(readings: Iterable[FindingReading]) -> tuple[FindingReading, ...]:
    """One entry for each finding, in the order in which they come first.

    readings: by single models. Where several answer a finding, the most suspicious of them is shown, with its own
    number and thresholds, and `opinions` has all of them. Models whose verdict does not depend on an unknown age decide
    alone. Where the deciding ones differ, the verdict is indeterminate.
    """
    groups: dict[str, list[FindingReading]] = {}
    for reading in readings:
        groups.setdefault(reading.finding, []).append(reading)
    return tuple(_merge(group) for group in groups.values())


def split_opinions(findings: Iterable[FindingReading]) -> list[FindingReading]:
    """The answers of single models that `merge_opinions` put together."""
    return [opinion for finding in findings for opinion in finding.opinions or (finding,)]


def describe_opinions(finding: FindingReading) -> str:
    """That several models answer a finding, and whether they agree, in sentences; empty for a single one."""
    if not finding.opinions:
        return ""
    name, deciding = finding.name, _find_deciding(finding.opinions)
    verdicts = ", ".join(
        f"{call_name(opinion.call)} by {opinion.model} {opinion.version} "
        f"({format_percent(opinion.probability or 0.0)})"
        for opinion in deciding
    )
    if finding.needs_age:
        models = " or ".join(f"{one.model} (for {one.population})" for one in deciding)
        return f"{name}: whether {models} applies depends on the age, which is missing."
    if len(deciding) == 1:
        waiting = [f"{o.model} (for {o.population})" for o in finding.opinions if o.needs_age]
        return f"{name}: {' and '.join(waiting)} may also apply, as the age is missing."
    if all(
        opinion.undecided_because for opinion in deciding
    ):  # a number would be taken for a verdict
        models = ", ".join(f"{opinion.model} {opinion.version}" for opinion in deciding)
        return (
            f"{name}: {len(deciding)} models answer it ({models}), and none gives a verdict here."
        )
    if _agree(deciding):
        return f"{name}: {len(deciding)} models answer it and agree: {verdicts}."
    return (
        f"{name}: {len(deciding)} models answer it and differ: {verdicts}. Interpret with caution; only one of them "
        "should be in use."
    )


def _merge(group: Sequence[FindingReading]) -> FindingReading:
    if len(group) == 1:
        return group[0]
    deciding = _find_deciding(group)
    shown = replace(max(deciding, key=_margin), opinions=tuple(group))
    if _agree(deciding):
        return shown
    because: Uncertainty = "age_missing" if shown.needs_age else "models_differ"
    return replace(
        shown,
        call="indeterminate",
        undecided_because=describe_opinions(shown),
        uncertain_because=(because, *shown.uncertain_because),
    )


def _find_deciding(opinions: Sequence[FindingReading]) -> Sequence[FindingReading]:
    """Those whose verdict does not depend on an unknown age, where there are any."""
    return [opinion for opinion in opinions if not opinion.needs_age] or opinions


def _agree(opinions: Sequence[FindingReading]) -> bool:
    return len({opinion.call for opinion in opinions}) == 1


def _margin(opinion: FindingReading) -> float:
    """How far a probability lies above its threshold, in log-odds."""
    assert opinion.probability is not None
    assert opinion.present_from is not None
    return log_odds(opinion.probability) - log_odds(opinion.present_from)
