"""Takes apart what a film is read with, as words of a shell or an address: age, view, decision and prevalence."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cxr_core.decisions import DECISIONS, DEFAULT_DECISION
from cxr_core.errors import SettingsError
from cxr_core.film.radiograph import View
from cxr_core.known_findings import finding_named, known_findings
from cxr_core.reading.patient import Patient

VIEWS: tuple[View, ...] = ("PA", "AP")
YOUNGEST, OLDEST = 0, 120  # years


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a film is read with, as `interpret` takes it. prevalence: by finding."""

    patient: Patient = field(default_factory=Patient)
    decision: str = DEFAULT_DECISION
    prevalence: Mapping[str, float] = field(default_factory=dict)


def parse_options(words: Iterable[tuple[str, str]]) -> ReadOptions:
    """The options in pairs of a name and a value; each may be left out, and prevalence may come several times.

    Raises SettingsError, which names the option, for one that is unknown, comes twice or has a wrong value.
    """
    given: dict[str, list[Any]] = {name: [] for name in PARSERS}
    for name, text in words:
        if name not in PARSERS:
            raise SettingsError(f"unknown option {name!r:.60}; choose from {', '.join(PARSERS)}")
        if given[name] and name != "prevalence":
            raise SettingsError(f"the option {name} comes more than once; give it once")
        try:
            given[name].append(PARSERS[name](text))
        except SettingsError as error:
            raise SettingsError(f"the option {name}: {error}") from None
    return ReadOptions(
        patient=Patient(age_years=_first(given["age"]), view=_first(given["view"])),
        decision=_first(given["decision"]) or DEFAULT_DECISION,
        prevalence=spread_prevalence(given["prevalence"]),
    )


def parse_age(text: str) -> float:
    """An age in years. Raises SettingsError."""
    try:
        age = float(text)
    except ValueError:
        age = -1.0
    if not YOUNGEST <= age <= OLDEST:
        raise SettingsError(
            f"an age is a number of years from {YOUNGEST} to {OLDEST}, not {text!r:.60}"
        )
    return age


def parse_prevalence(text: str) -> tuple[str | None, float]:
    """A finding and its prevalence, such as `cardiomegaly=0.1`; None for every finding (`0.1`).

    Raises SettingsError.
    """
    name, equals, share = text.rpartition("=")
    finding = finding_named(name) if equals else None
    if equals and finding is None:
        raise SettingsError(
            f"{name!r:.60} is not a finding; choose from {', '.join(known_findings())}"
        )
    try:
        prevalence = float(share)
    except ValueError:
        prevalence = -1.0
    if not 0 < prevalence < 1:
        raise SettingsError(
            f"a prevalence is a share above 0 and below 1, such as 0.1, not {share!r:.60}"
        )
    return finding.key if finding else None, prevalence


def spread_prevalence(given: Sequence[tuple[str | None, float]]) -> dict[str, float]:
    """The prevalence of each finding; one given for a finding counts more than one for all."""
    general = {
        key: share for finding, share in given if finding is None for key in known_findings()
    }
    return general | {finding: share for finding, share in given if finding is not None}


def _parse_view(text: str) -> str:
    return _choose(text, VIEWS)


def _parse_decision(text: str) -> str:
    return _choose(text, DECISIONS)


def _choose(text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise SettingsError(f"found {text!r:.60}; choose from {', '.join(choices)}")
    return text


def _first(values: Sequence[Any]) -> Any:
    return values[0] if values else None


PARSERS: Mapping[str, Callable[[str], Any]] = {
    "age": parse_age,
    "view": _parse_view,
    "decision": _parse_decision,
    "prevalence": parse_prevalence,
}
