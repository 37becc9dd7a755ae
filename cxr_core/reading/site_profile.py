"""The profile of a site, as a reading needs it: what was fitted on the site's own films and installed there.

A profile changes readings alone. Evaluations and the promotion gate judge the model, so they never apply one. The
caller loads it (`cxr_core/site/profile_store.py`) and hands it to `interpret`; a model's card is never changed.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from pydantic import Field

from cxr_core.errors import RecordError
from cxr_core.models.card import DecisionThresholds, ModelCard, PositiveWeight, Weight
from cxr_core.models.figures import MeanFigure
from cxr_core.presentation.wording import format_count
from cxr_core.reading.calibration import expit, log_odds
from cxr_core.reading.decision import move_prevalence
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import Count, JsonRecord

Prevalence = Annotated[float, Field(gt=0, lt=1)]
NOT_VERIFIED = "not verified at this site"


@dataclass(frozen=True, kw_only=True)
class SiteCalibration(JsonRecord):
    """Recalibration on films of the site: log-odds become slope * log-odds + intercept.

    Both are those of the classifier's own probability, as its card calibrates it, before a measured ratio counts.
    prevalence: of the films that it was fitted on, at which the result is calibrated; None = at that of the card.
    """

    slope: PositiveWeight = 1.0
    intercept: Weight = 0.0
    prevalence: Prevalence | None = None

    def apply(self, probability: float, card_prevalence: float | None) -> float:
        """The recalibrated probability, at the prevalence of the card's calibration, where thresholds lie too.

        card_prevalence: where it is unknown the result stays at the prevalence of the site's films.
        """
        recalibrated = expit(self.slope * log_odds(probability) + self.intercept)
        if self.prevalence is None or card_prevalence is None:
            return recalibrated
        return move_prevalence(recalibrated, self.prevalence, card_prevalence)


@dataclass(frozen=True, kw_only=True)
class SiteDecision(JsonRecord, DecisionThresholds):
    """Thresholds of `standard` or `strict` that were refitted on films of the site.

    coverage_present, coverage_absent: the share of films with and without the finding that are expected not to be
    misjudged, with its 95 % interval; None for a class of which there were too few films. The threshold that this
    class decides, `absent_below` by films with the finding and `present_from` by films without, is the model's own.
    """

    coverage_present: MeanFigure | None = None
    coverage_absent: MeanFigure | None = None


@dataclass(frozen=True, kw_only=True)
class ModelProfile(JsonRecord):
    """What a site has installed for one finding of one version of a model.

    calibration: None leaves the probability as the card has it.  decisions: of `standard` and `strict` those that were
    refitted here, on the scale of the card's own: on `SiteCalibration.apply` of the classifier's probability where
    there is a calibration, else on that probability. They decide where no measured ratio counts.  prevalence: share of
    the site's patients with the finding; None = not stated.  installed_on: ISO date.  films, patients: of the site,
    that it was fitted on.
    """

    model: str
    version: str
    finding: str
    calibration: SiteCalibration | None = None
    decisions: tuple[SiteDecision, ...] = ()
    prevalence: Prevalence | None = None
    installed_on: str
    films: Count
    patients: Count

    def __post_init__(self) -> None:
        try:
            date.fromisoformat(self.installed_on)
        except ValueError:
            raise RecordError(
                f"installed_on: found {self.installed_on!r:.40}, expected a date such as 2026-12-01"
            ) from None

    def describe(self) -> str:
        """What follows a number that it changed: `recalibrated for this site on 2026-12-01, 48 films`."""
        films = format_count(self.films, "films")
        return f"recalibrated for this site on {self.installed_on}, {films}"


@dataclass(frozen=True, kw_only=True)
class SiteProfile:
    """Everything that a site has installed. problem: why what was installed cannot be used, else empty."""

    models: tuple[ModelProfile, ...] = ()
    problem: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether the site has installed anything that can be used."""
        return bool(self.models)

    def find(self, card: ModelCard, finding: str) -> ModelProfile | None:
        """What is installed for a finding of a model, whichever version it is of; that of this version first."""
        same = [m for m in self.models if (m.model, m.finding) == (card.model, finding)]
        of_version = [m for m in same if m.version == card.version]
        return next(iter(of_version or same), None)


@dataclass(frozen=True, kw_only=True)
class SiteMark:
    """What the profile of the site did to the reading of one finding.

    profile: None where nothing is installed for the finding.  reason: a sentence that says why it is not applied; empty
    where it is.  decision: whose thresholds were refitted here; None where they are the model's.  uses_prevalence:
    whether the prevalence is the site's, and not one that the user chose.
    """

    profile: ModelProfile | None = None
    reason: str = ""
    decision: SiteDecision | None = None
    uses_prevalence: bool = False

    @property
    def calibration(self) -> SiteCalibration | None:
        """What recalibrates the probability; None where nothing does."""
        return None if self.profile is None or self.reason else self.profile.calibration

    @property
    def prevalence(self) -> float | None:
        """The prevalence at the site; None where it is not stated."""
        return None if self.profile is None or self.reason else self.profile.prevalence

    def with_decision(self, name: str) -> "SiteMark":
        """The same with the decision of this name, where it was refitted at the site."""
        if self.profile is None or self.reason:
            return self
        refitted = [decision for decision in self.profile.decisions if decision.name == name]
        return replace(self, decision=next(iter(refitted), None))

    @property
    def is_verified(self) -> bool:
        """Whether both thresholds of the decision rest on films of the site."""
        decision = self.decision
        return decision is not None and None not in (
            decision.coverage_present,
            decision.coverage_absent,
        )

    def describe_probability(self) -> str:
        """What follows the probability; empty where the profile did not change it."""
        if self.profile is None:
            return ""
        if self.calibration is not None:
            return self.profile.describe()
        if self.uses_prevalence:
            return f"at this site's prevalence, installed on {self.profile.installed_on}"
        return ""

    def describe_decision(self) -> str:
        """What follows the verdict: whether its thresholds hold at this site."""
        if self.profile is None or self.decision is None:
            return f"decision {NOT_VERIFIED}"
        if self.is_verified:
            return f"thresholds of this site, {format_count(self.profile.films, 'films')}"
        of_model = "not suspected" if self.decision.coverage_present is None else "suspected"
        return f"the threshold of “{of_model}” is the model's, {NOT_VERIFIED}"

    def describe(self) -> str:
        """Both, as they follow a probability with its verdict."""
        return "; ".join(filter(None, [self.describe_probability(), self.describe_decision()]))

    def to_json(self) -> JsonObject:
        """The `site_profile` of a finding in `read --json`."""
        record: JsonObject = {
            "recalibrated": self.calibration is not None,
            "decision_verified": self.is_verified,
            "uses_prevalence": self.uses_prevalence,
            "probability_note": self.describe_probability(),
            "decision_note": self.describe_decision(),
        }
        if self.profile is not None:
            names = ("model", "version", "installed_on", "films", "patients")
            record |= {name: getattr(self.profile, name) for name in names}
        if self.reason:
            record["not_applied"] = self.reason
        return record


def find_site_mark(profile: SiteProfile | None, card: ModelCard, finding: str) -> SiteMark | None:
    """Whether a profile applies to a finding of a model; None where nothing is installed at the site at all."""
    if profile is None or not profile.is_installed:
        return None
    installed = profile.find(card, finding)
    if installed is None or installed.version == card.version:
        return SiteMark(profile=installed)
    return SiteMark(
        profile=installed,
        reason=f"The profile of this site is of {installed.model} {installed.version}, not of {card.version}, so it "
        "is not applied. Repeat the acceptance test with this version.",
    )
