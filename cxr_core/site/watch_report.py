"""What a site's readings say since its acceptance test: drift, and the share undecided and refused by week."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import format_count, format_percent
from cxr_core.site.acceptance_record import list_acceptances
from cxr_core.site.drift import Drift, measure_drift
from cxr_core.site.profile_store import load_profile
from cxr_core.site.validation_scores import FindingScores
from cxr_core.site.watching import Week, is_watching, name_week, read_weeks

NOT_WATCHING = "Readings are not counted at this site: there was no acceptance test yet, or CXR_SITE_WATCHING is off."


@dataclass(frozen=True, kw_only=True)
class WatchReport:
    """since: the week of the last acceptance test, "" where there was none.  weeks: since then, the oldest first.

    problems: a sentence for each week whose statistics are damaged.  is_watching: whether readings are counted now.
    """

    model: str
    version: str
    finding: str
    since: str
    drift: Drift
    weeks: tuple[Week, ...]
    problems: tuple[str, ...]
    is_watching: bool

    def describe(self) -> Iterator[str]:
        """A sentence on drift, then a line for each week."""
        if not self.is_watching:
            yield NOT_WATCHING
        since = f"since {self.since}" if self.since else "no acceptance test yet"
        yield f"{self.model} {self.version}, {self.finding}, {since}: {self.drift.sentence}"
        for week in self.weeks:
            counts = week.find(self.model, self.version, self.finding)
            yield (
                f"{week.week}: {format_count(week.read + week.refused, 'films')}, refused "
                f"{_format_share(week.refused_share)}; {counts.films:,} with a verdict, undecided "
                f"{_format_share(counts.undecided_share)}"
            )
        yield from self.problems


def report_watching(card: ModelCard, finding: str, scores: FindingScores) -> WatchReport:
    """The readings of one finding since the last acceptance test of this version. scores: of that finding."""
    tests = [each for each in list_acceptances(card.model, finding) if each.version == card.version]
    since = name_week(datetime.fromisoformat(tests[0].made)) if tests else ""
    weeks, problems = read_weeks()
    weeks = tuple(week for week in weeks if week.week >= since)
    profile = load_profile()
    installed = profile.find(card, finding) if profile else None
    if installed is not None and installed.version != card.version:
        installed = None
    drift = measure_drift(
        [week.find(card.model, card.version, finding) for week in weeks],
        scores,
        card.calibration[finding],
        installed.calibration if installed else None,
        card.calibration_prevalence(finding),
        installed.prevalence if installed else None,
    )
    return WatchReport(
        model=card.model,
        version=card.version,
        finding=finding,
        since=since,
        drift=drift,
        weeks=weeks,
        problems=problems,
        is_watching=is_watching(),
    )


def _format_share(share: float | None) -> str:
    return "of none" if share is None else format_percent(share)
