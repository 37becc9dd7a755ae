"""Makes of a recalibration and local decisions what a site installs: the profile of one finding, and its evidence."""

from cxr_core.models.card import ModelCard
from cxr_core.models.figures import Figure, MeanFigure
from cxr_core.reading.site_profile import ModelProfile, SiteCalibration, SiteDecision
from cxr_core.site.local_decisions import LocalDecisions
from cxr_core.site.local_films import LocalFilms
from cxr_core.site.profile_store import Evidence
from cxr_core.site.recalibration import LocalRecalibration
from cxr_core.workspace.jsonl import utc_now


def build_model_profile(
    local: LocalFilms,
    card: ModelCard,
    recalibration: LocalRecalibration | None,
    decisions: LocalDecisions | None = None,
) -> ModelProfile:
    """What is to be installed. recalibration: None leaves the probability as the card has it.

    decisions: chosen with the same recalibration, or without one where there is none.
    """
    calibration = None
    if recalibration is not None:
        calibration = SiteCalibration(
            slope=recalibration.slope,
            intercept=recalibration.intercept,
            prevalence=recalibration.fitted_prevalence,
        )
    return ModelProfile(
        model=card.model,
        version=card.version,
        finding=local.finding,
        calibration=calibration,
        decisions=tuple(
            SiteDecision(
                name=each.name,
                error=each.error,
                present_from=each.present_from,
                absent_below=each.absent_below,
                source=each.source,
                coverage_present=each.coverage_present,
                coverage_absent=each.coverage_absent,
            )
            for each in (decisions.decisions if decisions else ())
        ),
        prevalence=recalibration.prevalence if recalibration else None,
        installed_on=utc_now()[:10],
        films=len(local.labels),
        patients=local.count_patients(),
    )


def describe_evidence(recalibration: LocalRecalibration, record: str = "") -> Evidence:
    """The calibration error before and after. record: the name of the acceptance record."""
    return Evidence(
        before=_to_mean(recalibration.before.ece),
        after=_to_mean(recalibration.after.ece),
        record=record,
    )


def _to_mean(figure: Figure) -> MeanFigure:
    return MeanFigure(figure.value, figure.low, figure.high, figure.n)
