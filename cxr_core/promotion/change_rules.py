"""Lists what may change in readings and the rules that a change must pass, with the limits that the checks apply."""

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_core.promotion.gate.coverage import NAME as EQUAL_COVERAGE
from cxr_core.promotion.gate.gate import LIMITS, SUBGROUPS
from cxr_core.promotion.gate.resolution import NAME as RESOLUTION
from cxr_core.promotion.gate.segmenter import SEGMENTER_LIMITS
from cxr_core.site.acceptance import MIN_PATIENTS as ACCEPTANCE_PATIENTS
from cxr_core.site.local_decisions import MIN_PATIENTS as DECISION_PATIENTS
from cxr_core.site.profile_store import MIN_PATIENTS as RECALIBRATION_PATIENTS


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One check. checks: names of the gate's checks that it describes.  too_few: what "not enough cases" means."""

    name: str
    passes: str
    too_few: str = "stops the change"
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Modification:
    """One kind of change. stays: what it may not touch.  how: the command or page that makes it.

    benefit, risk, limited_by: its impact.
    """

    code: str
    name: str
    changes: str
    stays: str
    how: str
    benefit: str
    risk: str
    limited_by: str


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


TOO_FEW_REPORTED = "is reported and does not stop the change"
CLASSIFIER_RULES: Sequence[Rule] = (
    Rule(
        name="AUROC, beside each model that would be replaced",
        passes=f"the whole 95 % interval of the paired difference lies above −{LIMITS.margin:g}",
        checks=("AUROC",),
    ),
    Rule(
        name="AUROC, of a finding that none of them answers",
        passes="its interval lies above 0.5",
        checks=("AUROC",),
    ),
    Rule(
        name=EQUAL_COVERAGE,
        passes=f"the interval of the difference in error lies below {LIMITS.decided_error:g}, both deciding the new "
        f"one's share, or {_percent(LIMITS.coverage)} of the films",
        too_few=TOO_FEW_REPORTED,
        checks=(EQUAL_COVERAGE,),
    ),
    Rule(
        name="calibration error",
        passes=f"at most {LIMITS.calibration_error:g} above the error that chance alone would show",
        checks=("calibration error",),
    ),
    Rule(
        name="spread of output",
        passes=f"log-odds vary by {LIMITS.log_odds_sd:g} or more, fewer than {_percent(LIMITS.identical)} of the films "
        "have one probability, both verdicts occur",
        checks=("spread of output",),
    ),
    Rule(
        name=f"{len(SUBGROUPS)} subgroups by sex, view and age",
        passes=f"significantly worse in none (Holm, {_percent(LIMITS.significance)} overall; at least "
        f"{LIMITS.subgroup_cases:g} films of each class)",
        too_few=TOO_FEW_REPORTED,
        checks=("subgroups", *(group.name for group in SUBGROUPS)),
    ),
    Rule(
        name=RESOLUTION,
        passes=f"at most {_percent(LIMITS.moving_films)} of films move by more than {LIMITS.movement:g} in log-odds "
        "between copies, or no more than with each model in use",
        too_few=TOO_FEW_REPORTED,
        checks=(RESOLUTION,),
    ),
    Rule(
        name="operating points",
        passes="all are present and were chosen on the run's own validation films",
        checks=("operating points",),
    ),
    Rule(name="population", passes="it is stated", checks=("population",)),
    Rule(
        name="lost patients, findings, measured ratio",
        passes="nothing that a model to be replaced reads or reports is lost",
        checks=("lost patients", "findings", "measured ratio"),
    ),
)
SEGMENTER_RULES: Sequence[Rule] = (
    Rule(
        name="films measured",
        passes=f"the ratio is measured on at least {_percent(SEGMENTER_LIMITS.measured)} of the films, and on at most "
        f"{_percent(SEGMENTER_LIMITS.fewer)} fewer than before",
        checks=("films measured",),
    ),
    Rule(
        name="intervals of the ratio",
        passes="the share that contains the true ratio is not significantly below "
        f"{_percent(SEGMENTER_LIMITS.coverage)}",
        checks=("intervals of the ratio",),
    ),
    Rule(
        name="Dice of heart, left lung, right lung",
        passes=f"the interval of the mean difference lies above −{SEGMENTER_LIMITS.dice:g}; of a first version, that "
        f"of the mean above {SEGMENTER_LIMITS.least_dice:g}",
        checks=("Dice of the heart", "Dice of the left lung", "Dice of the right lung"),
    ),
    Rule(
        name="error of the ratio",
        passes=f"the whole interval of the mean difference lies below {SEGMENTER_LIMITS.ratio_error:g}",
        checks=("error of the ratio",),
    ),
    Rule(
        name="population",
        passes="it is stated, and includes every age and view that the active version reads",
        checks=("population",),
    ),
    Rule(name="name", passes="the program would use a model of this name", checks=("name",)),
)
SITE_RULES: Sequence[Rule] = (
    Rule(
        name="acceptance",
        passes=f"films of at least {ACCEPTANCE_PATIENTS} patients of a class score like validation films of that "
        "class; the test changes no reading",
        too_few="is reported as too few films",
    ),
    Rule(
        name="recalibration",
        passes=f"labelled films of at least {RECALIBRATION_PATIENTS} patients, and a smaller calibration error on "
        "patients left out of the fit",
    ),
    Rule(
        name="thresholds of a decision",
        passes=f"at least {DECISION_PATIENTS} patients of the class that the threshold is fitted on",
        too_few="the model's own threshold stays, marked as not verified at this site",
    ),
    Rule(
        name="version",
        passes="the profile was made for the version in use; otherwise it is reported and not applied",
    ),
    Rule(name="reason", passes="a reason is given, and kept in the history"),
)
MODIFICATIONS: Sequence[Modification] = (
    Modification(
        code="M1",
        name="A classifier trained again",
        changes="weights, calibration, thresholds; more films, another recipe, a measured ratio that counts",
        stays="findings and patients that are read today",
        how="`python -m train.publish RUN`, the Train page",
        benefit="fewer errors, more patients, more findings",
        risk="worse for some patients or films; probabilities that no longer hold; errors moved to films that used "
        "to be decided",
        limited_by="the checks of a classifier on films that neither model was trained on",
    ),
    Modification(
        code="M2",
        name="A segmenter trained again",
        changes="outlines of heart and lungs, and so the measured ratio and its interval",
        stays="the structures, and the patients that are read today",
        how="`python -m train.publish RUN`, the Train page",
        benefit="a ratio that is measured on more films, with a smaller error",
        risk="a ratio that is wrong with a narrow interval",
        limited_by="the checks of a segmenter; a probability uses a ratio only of the segmenter that it was fitted to",
    ),
    Modification(
        code="M3",
        name="Another installed version in use",
        changes="which version reads: activated, rolled back, retired, imported",
        stays="the versions themselves",
        how="the Models page, `python -m train.models`",
        benefit="a bad version is out of use at once",
        risk="an imported model was never judged by the gate here",
        limited_by="a reason on record; an import is tried apart and used only once somebody activates it; undo",
    ),
    Modification(
        code="M4",
        name="Probabilities recalibrated for a site",
        changes="slope and intercept of the log-odds of one finding, at one site",
        stays="the model, its card, the order of the films",
        how="`python -m train.accept MODEL --data DIR --install --reason TEXT`, the Site page",
        benefit="probabilities and false alarms as promised on the site's own films",
        risk="fitted on films that are not like those to come, or are labelled wrongly",
        limited_by="cross-validation by patient, films that stand out, the mark beside every number, revocation",
    ),
    Modification(
        code="M5",
        name="Thresholds or prevalence of a site",
        changes="the thresholds of the decisions Standard and Strict; the share of patients with the finding",
        stays="the model and its card; a prevalence moves the probability and never the verdict",
        how="as M4",
        benefit="the share of errors that the decisions promise, on the site's own films",
        risk="as M4",
        limited_by="as M4",
    ),
)
