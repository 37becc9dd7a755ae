"""Writes the impression of a reading: what a report says in two or three sentences, and no more than was found."""

from collections.abc import Iterator, Sequence

from cxr_core.findings import ABNORMALITY, RATIO_LIMIT
from cxr_core.presentation.wording import (
    call_name,
    finding_in_sentence,
    format_percent,
    format_ratio,
)
from cxr_core.reading.cardiothoracic.ratio import (
    CHILD,
    MEASURED_FINDING,
    VIEW_AP,
    VIEW_LATERAL,
    VIEW_UNKNOWN,
    Measurement,
)
from cxr_core.reading.opinions import describe_opinions
from cxr_core.reading.results import FindingReading, Reading

LIMIT = f"the upper limit of {RATIO_LIMIT:.2f} for adult PA films"
# Why the limit of adult PA films does not apply, and why it may not.
OTHER_FILMS = {VIEW_AP: "AP film", VIEW_LATERAL: "lateral film", CHILD: "child"}
UNKNOWN_FILMS = {VIEW_UNKNOWN: "view unknown"}
POSSIBLE = "findings that this program does not name are possible"
# A film is called unlikely to be normal where normal has at most this probability. Source of the word: Mastrandrea et
# al. 2010, guidance of the IPCC on uncertainties.
UNLIKELY = 1 / 3


def write_impression(reading: Reading) -> str:
    """The impression, as one paragraph.

    What is suspected comes first, then what is undecided, not suspected, whether the film may be abnormal in other
    ways, and what is not assessed. A finding that is not suspected is never called excluded. A model made for an age
    group gives no verdict while the age is unknown.
    """
    if reading.status == "refused":
        return f"Not read: {reading.reason} No finding was assessed."
    sentences = [
        *_write_verdicts(reading),
        *_write_not_assessed(reading.findings),
        *_write_cautions(reading),
        "No other finding was assessed.",
    ]
    return " ".join(sentences)


def _write_verdicts(reading: Reading) -> Iterator[str]:
    ratio = _describe_ratio(reading)
    judged = [finding for finding in reading.findings if finding.has_verdict]
    abnormality = describe_abnormality(reading.findings)
    grouped = [f for f in judged if not (abnormality and f.finding == ABNORMALITY)]
    for call in ("present", "indeterminate", "absent"):
        yield from _write_call([finding for finding in grouped if finding.call == call], ratio)
    if ratio and MEASURED_FINDING not in [finding.finding for finding in judged]:
        yield f"{ratio}."
    if abnormality:
        yield abnormality


def _write_call(findings: Sequence[FindingReading], ratio: str | None) -> Iterator[str]:
    """The findings with the same call: together, but for the one that the ratio is about, and with their reason."""
    groups: dict[tuple[str | None, bool], list[FindingReading]] = {}
    for finding in findings:
        because = finding.undecided_because
        apart = because is None and finding.finding == MEASURED_FINDING
        groups.setdefault((because, apart), []).append(finding)
    for (because, _), group in groups.items():
        remark, sentences = "", [because] if because else []
        if ratio and MEASURED_FINDING in (finding.finding for finding in group):
            if len(group) == 1:
                remark = f" ({ratio})"
            else:
                sentences.append(f"{ratio}.")
        verdict = f"{_join_names(group)} {_verb(group)} {call_name(group[0].call)}{remark}."
        yield " ".join([verdict, *sentences])


def _write_not_assessed(findings: Sequence[FindingReading]) -> Iterator[str]:
    judged = {finding.finding for finding in findings if finding.has_verdict}
    others = [finding for finding in findings if finding.finding not in judged]
    for reason, group in (
        ("the age is missing", [f for f in others if f.needs_age]),
        ("no model for this patient", [f for f in others if f.probability is None]),
    ):
        if group:
            yield f"{_join_names(group)} {_verb(group, 'was', 'were')} not assessed: {reason}."


def _write_cautions(reading: Reading) -> Iterator[str]:
    for finding in reading.findings:
        remark = describe_opinions(finding)
        if remark and finding.has_verdict and remark != finding.undecided_because:
            yield remark
    unlike = any(concern.code == "unlike_training" for concern in reading.concerns)
    if unlike and any(finding.has_verdict for finding in reading.findings):
        yield "Interpret with caution: the film is unlike those that the model was trained on."


def _describe_ratio(reading: Reading) -> str | None:
    """The ratio and its side of the limit, without a full stop; None where there is no measurement."""
    if not reading.measurements:
        return None
    measurement = reading.measurements[0]
    if measurement.value is None:
        return "CTR could not be measured"
    ratio = f"CTR {format_ratio(measurement.value)}"
    if measurement.edited:
        ratio += ", edited by hand"
    if _is_outline_uncertain(measurement):
        parts = [
            f"{ratio}, to be interpreted with caution" if measurement.edited else "CTR not reliable"
        ]
    else:
        parts = [ratio + _compare_with_limit(measurement, reading.patient.is_age_unknown)]
    if measurement.edited:
        parts += _describe_automatic_basis(reading.findings)
    if measurement.disagreements:
        parts.append("CTR and model disagree")
    return "; ".join(parts)


def describe_abnormality(findings: Sequence[FindingReading]) -> str:
    """What it means that the film is suspected to be abnormal, or is not; empty while that is undecided or unknown.

    A finding with a name that is suspected counts more than a film that looks normal as a whole.
    """
    abnormality = _find_abnormality(findings)
    if abnormality is None or abnormality.call == "indeterminate":
        return ""
    named = [finding for finding in findings if finding is not abnormality and finding.has_verdict]
    if abnormality.call == "present":
        assert abnormality.probability is not None
        is_unlikely = 1 - abnormality.probability <= UNLIKELY
        verb = "is unlikely to be normal" if is_unlikely else "may not be normal"
        if named and all(finding.call == "absent" for finding in named):
            return f"No finding with a name is suspected, yet the film {verb}; {POSSIBLE}."
        return f"The film {verb}; {POSSIBLE}."
    suspected = [finding.name.lower() for finding in named if finding.call == "present"]
    if suspected:
        return (
            f"The film as a whole does not look abnormal to the program. The suspicion of {' and '.join(suspected)} "
            "counts nevertheless: its model looks for it alone, and a single finding can be missed in the film as a "
            "whole."
        )
    if abnormality.likely_normal and all(finding.call == "absent" for finding in named):
        return _describe_likely_normal(abnormality)
    return "The film is not suspected to be abnormal."


def name_limitations(measurement: Measurement) -> list[str]:
    """What limits a ratio, in a word or two each: `view unknown`; empty where nothing does."""
    names = {**OTHER_FILMS, **UNKNOWN_FILMS}
    words = [names[reason] for reason in measurement.reasons if reason in names]
    return [*words, "uncertain outline"] if _is_outline_uncertain(measurement) else words


def _is_outline_uncertain(measurement: Measurement) -> bool:
    """Whether anything but the view and the age speaks against a ratio."""
    return bool(set(measurement.reasons) - {*OTHER_FILMS, *UNKNOWN_FILMS})


def _compare_with_limit(measurement: Measurement, age_unknown: bool) -> str:
    """On which side of the limit a ratio lies, or why the limit does not apply, with the sign that joins it."""
    assert measurement.value is not None
    others = [words for reason, words in OTHER_FILMS.items() if reason in measurement.reasons]
    unknown = [words for reason, words in UNKNOWN_FILMS.items() if reason in measurement.reasons]
    if age_unknown:
        unknown.append("age unknown")
    if others or unknown:
        verb = "does" if others else "may"
        return f"; {LIMIT} {verb} not apply: {', '.join([*others, *unknown])}"
    low, high = measurement.low, measurement.high
    side = "above" if measurement.value > RATIO_LIMIT else "below"
    if measurement.value == RATIO_LIMIT:
        side = "at"
    elif low is not None and high is not None and low <= RATIO_LIMIT <= high:
        side = f"not clearly {side}"
    return f", {side} {LIMIT}"


def _describe_automatic_basis(findings: Sequence[FindingReading]) -> Iterator[str]:
    """That a verdict still rests on the automatic ratio, where it does."""
    for finding in findings:
        parts = finding.fusion_parts
        if finding.finding != MEASURED_FINDING or not finding.shows_number:
            continue
        if parts is None or parts.edited:
            continue
        if parts.value is not None and parts.uses_ratio:
            yield f"the verdict rests on the automatic CTR of {format_ratio(parts.value)}"
            return


def _join_names(findings: Sequence[FindingReading]) -> str:
    """Names as the beginning of a sentence: `Cardiomegaly, edema and pneumonia`."""
    names = list(dict.fromkeys(map(_name_within_sentence, findings)))
    text = names[-1]
    if len(names) > 1:
        text = f"{', '.join(names[:-1])} and {text}"
    return text[0].upper() + text[1:]


def _name_within_sentence(finding: FindingReading) -> str:
    return finding.name.lower() if finding.definition else finding_in_sentence(finding.finding)


def _verb(findings: Sequence[FindingReading], one: str = "is", several: str = "are") -> str:
    return one if len({finding.finding for finding in findings}) == 1 else several


def _find_abnormality(findings: Sequence[FindingReading]) -> FindingReading | None:
    """The finding of an abnormal film, where it has a verdict."""
    for finding in findings:
        if finding.finding == ABNORMALITY and finding.has_verdict:
            return finding
    return None


def _describe_likely_normal(abnormality: FindingReading) -> str:
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
