"""What a site's readings say since its acceptance test: drift, and the share undecided and refused by week."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import format_count, format_percent
from cxr_core.site.acceptance_record import AcceptanceRecord, list_acceptances
from cxr_core.site.drift import Drift, measure_drift
from cxr_core.site.profile_store import load_profile
from cxr_core.site.validation_scores import FindingScores
from cxr_core.site.watching import Week, is_watching, name_week, read_weeks

SHIFT_UNCORRECTED = (
    "The last acceptance test found a shift, and no recalibration is in use. Readings differ from the validation films "
    "for that reason alone, so drift means nothing before a recalibration is installed."
)
NOT_WATCHING = "Readings are not counted at this site: there was no acceptance test yet, or CXR_SITE_WATCHING is off."


@dataclass(frozen=True, kw_only=True)
class WatchReport:
    """since: the week of the last acceptance test, "" where there was none.  weeks: since then, the oldest first.

    shift_uncorrected: whether that test found a shift that no recalibration in use corrects; then drift means nothing.
    problems: a sentence for each week whose statistics are damaged.  is_watching: whether readings are counted now.
    """

    model: str
    version: str
    finding: str
    since: str
    shift_uncorrected: bool
    drift: Drift
    weeks: tuple[Week, ...]
    problems: tuple[str, ...]
    is_watching: bool

    @property
    def needs_attention(self) -> bool:
        """Whether readings have drifted, or nobody can tell because a shift is not corrected."""
        return self.shift_uncorrected or self.drift.verdict == "drifted"

    def describe(self) -> Iterator[str]:
        """A sentence on drift, then a line for each week."""
        if not self.is_watching:
            yield NOT_WATCHING
        since = f"since {self.since}" if self.since else "no acceptance test yet"
        sentence = SHIFT_UNCORRECTED if self.shift_uncorrected else self.drift.sentence
        yield f"{self.model} {self.version}, {self.finding}, {since}: {sentence}"
        for week in self.weeks:
            counts = week.find(self.model, self.version, self.finding)
            yield (
                f"{week.week}: {format_count(week.read + week.refused, 'films')}, refused "
                f"{_format_share(week.refused_share)}; {counts.films:,} with a verdict, undecided "
                f"{_format_share(counts.undecided_share)}"
            )
        yield from self.problems


def find_last_test(card: ModelCard, finding: str) -> AcceptanceRecord | None:
    """The last acceptance test of this version that had enough films for an outcome."""
    for record in list_acceptances(card.model, finding):
        if record.version == card.version and record.acceptance.verdict != "too_few":
            return record
    return None


def report_watching(card: ModelCard, finding: str, scores: FindingScores) -> WatchReport:
    """The readings of one finding since the last acceptance test of this version. scores: of that finding."""
    test = find_last_test(card, finding)
    since = name_week(datetime.fromisoformat(test.made)) if test else ""
    weeks, problems = read_weeks()
    weeks = tuple(week for week in weeks if week.week >= since)
    profile = load_profile()
    installed = profile.find(card, finding) if profile else None
    if installed is not None and installed.version != card.version:
        installed = None
    calibration = installed.calibration if installed else None
    is_shifted = test is not None and test.acceptance.verdict == "shifted"
    drift = measure_drift(
        [week.find(card.model, card.version, finding) for week in weeks],
        scores,
        card.calibration[finding],
        calibration,
        card.calibration_prevalence(finding),
        installed.prevalence if installed else None,
    )
    return WatchReport(
        model=card.model,
        version=card.version,
        finding=finding,
        since=since,
        shift_uncorrected=is_shifted and calibration is None,
        drift=drift,
        weeks=weeks,
        problems=problems,
        is_watching=is_watching(),
    )


def _format_share(share: float | None) -> str:
    if share is None:
        return "of none"
    return format_percent(share) if 0 < share < 1 else f"{100 * share:.0f} %"  # not "<1 %" of none
