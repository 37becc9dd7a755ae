"""Puts findings, numbers and times into words, the same in reports, on pages and in a shell."""

import math
from collections.abc import Sequence

from cxr_core.errors import SettingsError
from cxr_core.findings import ABNORMALITY, FINDINGS, RATIO_LIMIT
from cxr_core.known_findings import local_findings

OPERATING_POINT_NAMES = {
    "youden": "Balanced",
    "sensitivity_95": "Sensitive",
    "specificity_95": "Specific",
}
CALL_NAMES = {"present": "suspected", "absent": "not suspected", "indeterminate": "undecided"}
DECISION_NAMES = {
    "standard": "Standard (10 % error)",
    "strict": "Strict (5 % error)",
    "balanced": "Balanced",
    "sensitive": "Sensitive",
    "specific": "Specific",
}
OUT_OF_FOLD = "out_of_fold"  # the split of a cross-validation's pooled evaluation
SPLIT_NAMES = {
    "train": "training split",
    "val": "validation split",
    "test": "test split",
    OUT_OF_FOLD: "held-out folds",
}
# The films that the figures of a model's card were measured on, and whether with the cardiothoracic ratio.
CARD_SPLIT_NAMES = {
    "validation": "Validation films",
    "test": "Test films",
    "test_combined": "Test films, with the ratio",
    "test_combined_pa": "Test films, PA, with the ratio",
    "test_combined_ap": "Test films, AP, with the ratio",
    "test_combined_with_nih_boxes_256": "Test films and films with boxes, with the ratio",
    "nih_boxes_256": "Films with boxes drawn by a reader",
}
FITTED_HERE = "fitted on these films"  # of a calibration
WITH_RATIO = (
    "With the ratio: the probability that a reading shows, in which the cardiothoracic ratio counts where the heart "
    "could be measured. Other columns: the network alone."
)
CURVE_SPELLINGS = {"auroc": "AUROC", "f1": "F1", "dice": "Dice", "iou": "IoU"}
# Words for findings that a film does not have, but is.
IN_A_SENTENCE = {ABNORMALITY: "abnormality"}
OF_ONE_FILM = {ABNORMALITY: "is abnormal"}
OF_SEVERAL_FILMS = {ABNORMALITY: "are abnormal"}
CALLED_BY_READERS = {ABNORMALITY: "abnormal"}
NOTICE = "Not for clinical use without a qualified reader."
DAYS_A_YEAR = 365.25
ROUNDING = 1e-6  # 7 days in years and back are 6.999...
DRAWING_NOTICE = "This is a synthetic film made by the program, not a film of a patient."


def format_count(count: int, nouns: str) -> str:
    """A number with its noun, which is given in the plural: `1 film`, `4,139 films`, `1 blocking issue`."""
    return f"{count:,} {to_singular(nouns) if count == 1 else nouns}"


def to_singular(nouns: str) -> str:
    """The singular of a regular plural, whose last word counts: `copies` -> copy, `boxes` -> box, `films` -> film."""
    if nouns.endswith("ies"):
        return f"{nouns[:-3]}y"
    if nouns.endswith(("ches", "shes", "sses", "xes")):
        return nouns[:-2]
    return nouns.removesuffix("s")


def format_duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`, `2 days 4 h`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} days {minutes % 1440 // 60} h"


def finding_name(key: str) -> str:
    """The display name of a finding: `pleural_thickening` -> Pleural thickening.

    One that the workspace defines is marked: Rib fracture (locally defined).
    """
    if key in FINDINGS:
        return FINDINGS[key].name
    try:
        finding = local_findings().get(key)
    except SettingsError:  # a damaged file keeps no page from naming the others
        finding = None
    return finding.marked_name if finding else key.replace("_", " ").capitalize()


def finding_in_sentence(key: str) -> str:
    """A finding as a noun within a sentence: `films with pleural thickening`, `films free of abnormality`."""
    return IN_A_SENTENCE.get(key) or finding_name(key).lower()


def operating_point_name(key: str) -> str:
    """The display name of an operating point: `youden` -> Balanced."""
    return OPERATING_POINT_NAMES.get(key, key.replace("_", " ").capitalize())


def call_name(call: str | None) -> str:
    """A call as people read it: `present` -> suspected; no call is undecided."""
    return CALL_NAMES.get(call or "", "undecided")


def decision_name(key: str) -> str:
    """The display name of a decision: `standard` -> Standard (10 % error)."""
    return DECISION_NAMES[key]


def split_name(key: str) -> str:
    """The display name of a split: `val` -> validation split."""
    return SPLIT_NAMES.get(key, f"{key} split")


def card_split_name(key: str) -> str:
    """What a card's figures were measured on: `test_combined_pa` -> Test films, PA, with the ratio."""
    return CARD_SPLIT_NAMES.get(key, key.replace("_", " ").capitalize())


def structure_name(key: str) -> str:
    """The name of a structure within a sentence: `left_lung` -> left lung."""
    return key.replace("_", " ")


def training_curve_name(key: str) -> str:
    """A figure of a run's log: `validation_auroc` -> validation AUROC; `loss` is that of the training films."""
    words = "training loss" if key == "loss" else key.replace("_", " ")
    return " ".join(CURVE_SPELLINGS.get(word, word) for word in words.split())


def format_percent(probability: float) -> str:
    """A probability as a whole percentage: never 0 % and never 100 %, which no model can know."""
    if probability < 0.01:
        return "<1 %"
    if probability > 0.99:
        return ">99 %"
    return f"{round(100 * probability)} %"


def format_exact_threshold(threshold: float) -> str:
    """A threshold in per cent; near 0 and 100 % with decimals, where whole numbers would hide differences."""
    return f"{100 * threshold:.{_count_decimals(threshold)}f} %"


def _count_decimals(threshold: float) -> int:
    nearest = 100 * min(threshold, 1 - threshold)
    if nearest >= 10:
        return 0
    if nearest >= 0.1 or nearest <= 0:
        return 1
    return 1 - math.floor(math.log10(nearest))


def format_beside_thresholds(
    probability: float, thresholds: Sequence[float]
) -> tuple[str, list[str]]:
    """A probability and thresholds in per cent, with the decimals that show on which side of each it lies."""
    sides = [probability >= threshold for threshold in thresholds]
    for digits in range(4):
        decimals = [max(digits, _count_decimals(threshold)) for threshold in thresholds]
        number = round(100 * probability, digits)
        rounded = [round(100 * t, places) for t, places in zip(thresholds, decimals, strict=True)]
        if [number >= each for each in rounded] == sides:
            break
    if digits == 0 or not 0.01 <= probability <= 0.99:
        return format_percent(probability), [format_exact_threshold(each) for each in thresholds]
    shown = [f"{100 * t:.{places}f} %" for t, places in zip(thresholds, decimals, strict=True)]
    return f"{100 * probability:.{digits}f} %", shown


def format_threshold_step(threshold: float) -> str:
    """A threshold in per cent, to three digits of what it lies above 0 or below 100 %: `0.0123 %`, `50.0 %`."""
    nearest = 100 * min(threshold, 1 - threshold)
    if nearest <= 0:
        return f"{100 * threshold:.0f} %"
    return f"{100 * threshold:.{min(4, max(1, 2 - math.floor(math.log10(nearest))))}f} %"


def describe_frequency(
    probability: float,
    prevalence: float | None,
    finding: str = "",
    called_by_readers: str | None = None,
) -> str:
    """What a probability is one of: `Of 100 such films at a prevalence of 3 %, 12 have it`.

    finding: its key, since not every finding is one that a film has: `Of 100 such films, 12 are abnormal`.
    called_by_readers: the name of a finding whose probability is that of a reader's verdict:
    `Of 100 such films, most readers would call 12 cardiomegaly`.
    """
    one, several = OF_ONE_FILM.get(finding, "has it"), have_finding(finding)
    films = "Of 100 such films"
    if prevalence is not None:
        films += f" at a prevalence of {format_percent(prevalence)}"
    count, verb = str(round(100 * probability)), several
    if probability < 0.01:
        count, verb = "fewer than 1", one
    elif probability > 0.99:
        count = "more than 99"
    elif count == "1":
        verb = one
    if called_by_readers is not None:
        name = CALLED_BY_READERS.get(finding, called_by_readers.lower())
        return f"{films}, most readers would call {count} {name}"
    return f"{films}, {count} {verb}"


def have_finding(finding: str) -> str:
    """What several films with a finding do: `have it`, `are abnormal`."""
    return OF_SEVERAL_FILMS.get(finding, "have it")


def describe_likelihood(probability: float, prevalence: float) -> str:
    """How a film compares with the average one: `4 times as likely as on the average film`."""
    times = probability / prevalence
    if times >= 1.5:
        number = f"{times:.0f}" if times >= 10 else f"{times:.1f}".removesuffix(".0")
        return f"{number} times as likely as on the average film"
    if times > 1 / 1.5:
        return "about as likely as on the average film"
    less = 1 / times
    number = f"{less:.0f}" if less >= 10 else f"{less:.1f}".removesuffix(".0")
    return f"{number} times less likely than on the average film"


def format_threshold(probability: float, threshold: float) -> str:
    """A threshold as a whole percentage; says on which side of the probability where both round to the same."""
    percent = format_percent(threshold)
    if percent == format_percent(probability):
        return f"{percent}, just {compare_to_threshold(probability, threshold)}"
    return percent


def compare_to_threshold(probability: float, threshold: float) -> str:
    """`above` or `below`; a probability equal to the threshold counts as above."""
    return "above" if probability >= threshold else "below"


def format_ratio(ratio: float) -> str:
    """A cardiothoracic ratio with two decimals, or three where two would hide the side of the limit it lies on."""
    rounded = f"{ratio:.2f}"
    if float(rounded) == RATIO_LIMIT != ratio:
        return f"{ratio:.3f}"
    return rounded


def format_ratio_interval(ratio: float, low: float | None, high: float | None) -> str:
    """A cardiothoracic ratio with its 95 % interval, where it has one."""
    if low is None or high is None:
        return format_ratio(ratio)
    return f"{format_ratio(ratio)} (95 % interval {format_ratio(low)} to {format_ratio(high)})"


def format_diameters(heart: float, thorax: float, unit: str) -> str:
    """Both transverse diameters as whole millimetres or pixels. unit: `mm` or `px`."""
    return f"heart {heart:.0f} {unit}, thorax {thorax:.0f} {unit}"


def format_fusion(
    classifier: float, ratio: float | None, weight: float, edited: bool = False
) -> str:
    """What a combined probability was made of: the classifier's own, and the ratio with its weight in [0, 1]."""
    network = f"network {format_percent(classifier)}"
    if ratio is None:
        return f"{network} alone, no usable CTR"
    name = "edited CTR" if edited else "CTR"
    return f"{network}, {name} {format_ratio(ratio)} weighed at {100 * weight:.0f} %"


def format_age(years: float) -> str:
    """An age as a clinician writes it: days below 2 weeks, weeks below 3 months, months below 2 years, then years."""
    days = int(years * DAYS_A_YEAR + ROUNDING)
    months = int(years * 12 + ROUNDING)
    if days < 14:
        return format_count(days, "days")
    if months < 3:
        return format_count(days // 7, "weeks")
    return format_count(months, "months") if months < 24 else format_count(months // 12, "years")


def format_time(iso: str) -> str:
    """A time in ISO 8601 and UTC, to the minute: `2026-11-28 20:39 UTC`."""
    return f"{iso[:16].replace('T', ' ')} UTC"
