"""Prepares the text, rows and pictures of a report, once for HTML and PDF alike."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from cxr_core.decisions import ERRORS
from cxr_core.presentation.wording import (
    DRAWING_NOTICE,
    NOTICE,
    call_name,
    decision_name,
    describe_likelihood,
    format_percent,
)
from cxr_core.reading.impression import write_impression
from cxr_core.reading.opinions import describe_opinions
from cxr_core.reading.report.appendix import Appendix, build_appendix
from cxr_core.reading.report.measurement import RatioSection, build_ratio_section
from cxr_core.reading.report.pictures import EmbeddedPicture, draw_film
from cxr_core.reading.report.probability_bar import LEGEND, ProbabilityBar, build_bar
from cxr_core.reading.report.report import Report
from cxr_core.reading.results import FindingReading, Reading

SEXES = {"F": "female", "M": "male"}
WITHHELD = "No number: the limitations below allow no verdict."
NO_LIMITATION = "No quality problem detected."


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """A row of the table of findings.

    reason: why there is no verdict; then verdict, probability and bar are empty.  call: the verdict's key.
    probability, bar: empty too where a quality flag allows no verdict, as on the page.  remarks: below the
    probability.  prior_verdict: empty without a prior film.
    """

    name: str
    reason: str = ""
    call: str = ""
    verdict: str = ""
    prior_verdict: str = ""
    probability: str = ""
    remarks: tuple[str, ...] = ()
    bar: ProbabilityBar | None = None


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """What a report shows, in its order.

    patient_and_film: names and values.  pictures: of the prior film, where there is one, and of the current.
    findings_note: how the table is read; empty without a verdict.  limitations: of the whole reading; empty only where
    the film was refused.
    """

    title: str
    notices: tuple[str, ...]
    patient_and_film: tuple[tuple[str, str], ...]
    impression: str
    findings: tuple[FindingRow, ...]
    findings_note: str
    has_prior: bool
    pictures: tuple[EmbeddedPicture, ...]
    ratio: RatioSection | None
    limitations: tuple[str, ...]
    not_assessed: str
    appendix: Appendix | None
    footer: str


def build_page(
    report: Report,
    prior: Report | None = None,
    with_appendix: bool = True,
    picture: EmbeddedPicture | None = None,
) -> ReportPage:
    """The page of a report. prior: an earlier film of the same patient to compare with.

    with_appendix: its heatmaps take longer to draw than all else.  picture: of the film, where it is drawn already.
    """
    reading = report.reading
    title = "Chest radiograph report"
    notices: tuple[str, ...] = (NOTICE,)
    if report.is_drawing:
        title, notices = "Report on a synthetic chest", (DRAWING_NOTICE, NOTICE)
    limitations = tuple(_list_limitations(reading))
    if not limitations and reading.status == "read":
        limitations = (NO_LIMITATION,)
    time = report.made.isoformat(sep=" ", timespec="minutes")
    return ReportPage(
        title=title,
        notices=notices,
        patient_and_film=tuple(_list_facts(report, prior)),
        impression=write_impression(reading),
        findings=tuple(_build_rows(reading, prior, limitations)),
        findings_note=_write_findings_note(reading),
        has_prior=prior is not None,
        pictures=tuple(_draw_pictures(report, prior, picture)),
        ratio=build_ratio_section(reading, prior.reading if prior else None, limitations),
        limitations=limitations,
        not_assessed=_write_not_assessed(reading),
        appendix=build_appendix(report, prior) if with_appendix else None,
        footer=f"Silhouette {report.software_version}, {time}. {NOTICE}",
    )


def _list_facts(report: Report, prior: Report | None) -> Iterator[tuple[str, str]]:
    yield "Patient", _describe_patient(report)
    yield "Film", _describe_film(report)
    changes = report.examination.adjustments.describe()
    if changes:
        yield "Changed before reading", ", ".join(changes)
    if prior is not None:
        yield "Prior film", f"{_describe_patient(prior)}; {_describe_film(prior)}"


def _describe_patient(report: Report) -> str:
    patient, film = report.reading.patient, report.film
    sex = SEXES[film.sex] if film is not None and film.sex is not None else "sex not stated"
    view = "lateral" if patient.view == "LATERAL" else patient.view
    return f"{patient.describe_age()}, {sex}, {f'{view} view' if view else 'view unknown'}"


def _describe_film(report: Report) -> str:
    film = report.film
    if film is None:
        return report.file
    rows, columns = film.shape
    kind = "synthetic" if report.is_drawing else film.container.upper()
    text = f"{report.file}, {kind}, {columns} × {rows} px, {film.bits} bits"
    if report.spacing_mm is not None:
        text += f", {report.spacing_mm[1]:.3g} mm a pixel"
    return text


def _list_limitations(reading: Reading) -> Iterator[str]:
    for flag in reading.concerns:
        # Of a film that was not read, the impression has the reason, and how its chest lies means nothing.
        refused = reading.status == "refused" and (flag.withholds_reading or flag.withholds_call)
        if flag.code != "drawing" and not refused:
            yield flag.message
    yield from reading.warnings


def _build_rows(
    reading: Reading, prior: Report | None, mentioned: Collection[str]
) -> Iterator[FindingRow]:
    for finding in reading.findings:
        name = finding.name
        prior_verdict = find_verdict(finding, prior.reading) if prior else ""
        reason = _explain_missing_verdict(finding)
        if reason or finding.probability is None:
            yield FindingRow(name=name, reason=reason or "", prior_verdict=prior_verdict)
            continue
        shown = not finding.is_withheld
        yield FindingRow(
            name=name,
            call=finding.call or "",
            verdict=call_name(finding.call).capitalize(),
            prior_verdict=prior_verdict,
            probability=format_percent(finding.probability) if shown else "",
            remarks=tuple(_list_remarks(finding, mentioned)) if shown else (WITHHELD,),
            bar=build_bar(finding) if shown else None,
        )


def _explain_missing_verdict(finding: FindingReading) -> str | None:
    """Why a finding has no verdict; None where it has one."""
    if finding.probability is None:
        return finding.reason or "Not assessed."
    if finding.needs_age:
        return f"Not assessed: the age is missing, and {finding.model} is for {finding.population}."
    return None


def find_verdict(finding: FindingReading, reading: Reading) -> str:
    """The verdict of another reading on a finding, by the same model where that has one; else why there is none."""
    if reading.status == "refused":
        return "Not read"
    same = [other for other in reading.findings if other.finding == finding.finding]
    same = [other for other in same if other.model == finding.model] or same
    judged = [other for other in same if _explain_missing_verdict(other) is None]
    return call_name(judged[0].call).capitalize() if judged else "Not assessed"


def _list_remarks(finding: FindingReading, mentioned: Collection[str]) -> Iterator[str]:
    assert finding.probability is not None
    yield f"{finding.describe_frequency()}."
    if finding.prevalence is not None:
        text = describe_likelihood(finding.probability, finding.prevalence)
        yield f"{text[0].upper()}{text[1:]}."
    if finding.site is not None:
        text = finding.site.describe()
        yield f"{text[0].upper()}{text[1:]}."
    if finding.defined_as is not None:
        yield f"Defined as: {finding.defined_as}"
    remark, because = describe_opinions(finding), finding.undecided_because
    if remark:  # beside the verdict, although it is among the limitations too
        yield remark
    if because is not None and because != remark and because not in mentioned:
        yield because


def _write_findings_note(reading: Reading) -> str:
    judged = [
        finding
        for finding in reading.findings
        if _explain_missing_verdict(finding) is None and not finding.is_withheld
    ]
    if not judged or judged[0].decision is None:
        return ""
    decision = decision_name(judged[0].decision)
    same = [finding for finding in judged if finding.decision == judged[0].decision]
    single = [f.name.lower() for f in same if f.operating_point is not None]
    if judged[0].decision in ERRORS and single:
        decision += f"; a single, balanced threshold for {' and '.join(single)}"
    for finding in judged:
        if finding.decision is not None and finding not in same:
            decision += f"; {decision_name(finding.decision).lower()} for {finding.name.lower()}"
    return f"Decision: {decision}. {LEGEND}"


def _draw_pictures(
    report: Report, prior: Report | None, picture: EmbeddedPicture | None
) -> Iterator[EmbeddedPicture]:
    """The films of the report. picture: of the current one, where it is there already."""
    pictures = [(picture or draw_film(report), "Current film. " if prior else "")]
    if prior is not None:
        pictures.insert(0, (draw_film(prior), "Prior film. "))
    for each, prefix in pictures:
        if each is not None:
            yield replace(each, caption=f"{prefix}{each.caption}.")


def _write_not_assessed(reading: Reading) -> str:
    if reading.status == "refused":
        return "Nothing was assessed on this film."
    without_age = [f for f in reading.findings if f.needs_age and f.probability is not None]
    names = [f"{finding.name.lower()} (age missing)" for finding in without_age]
    text = ", ".join([*reading.not_assessed, *names])
    return f"{text[0].upper()}{text[1:]}, and everything else that the table does not name."
