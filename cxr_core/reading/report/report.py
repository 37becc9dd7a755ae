"""Gathers a reading, its film and the provenance of every number in it, and writes them as JSON.

A report holds no name or identifier of the patient: a film has none, and of the patient there are age, sex and view.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import NOTICE
from cxr_core.reading.cardiothoracic.change import compare_ratios
from cxr_core.reading.decision import find_thresholds
from cxr_core.reading.impression import write_impression
from cxr_core.reading.opinions import split_opinions
from cxr_core.reading.results import Attribution, Examination, FindingReading, Reading
from cxr_core.workspace.json_files import JsonObject

REPORT_SCHEMA = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """One reading with its film, ready to be written.

    file: the name that the film came under, as the user knows it.  made: when, with its time zone.
    software_version: of this program.
    """

    reading: Reading
    examination: Examination
    file: str
    made: datetime
    software_version: str

    def __post_init__(self) -> None:
        if self.made.tzinfo is None:
            raise ValueError("a report's time needs a time zone")
        if self.reading.sha256 != self.examination.sha256:
            raise ValueError("the reading and the examination are of two different files")

    @property
    def film(self) -> Radiograph | None:
        """The film, or None when the file did not decode."""
        return self.examination.film

    @property
    def is_drawing(self) -> bool:
        """Whether the film is one of the program's own drawings, by its container or by the file's mark."""
        if self.film is not None and self.film.container == "drawing":
            return True
        return any(concern.code == "drawing" for concern in self.reading.concerns)

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """(row, column) of the film; None without one, and where the measured chest shows that it cannot be right."""
        doubted = any(concern.code == "implausible_spacing" for concern in self.reading.concerns)
        return None if self.film is None or doubted else self.film.spacing_mm

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The cards of the models that gave a number, each once."""
        findings = split_opinions(self.reading.findings)
        cards = [finding.card for finding in findings if finding.card is not None]
        return tuple({(card.model, card.version): card for card in cards}.values())


def render_json_report(report: Report, prior: Report | None = None) -> str:
    """The report as JSON text: the line of `read --json`, and where every number in it comes from.

    prior: an earlier film of the same patient; its own line and the change of the ratio are added.
    """
    reading, film = report.reading, report.film
    content: JsonObject = {
        "schema": REPORT_SCHEMA,
        "notice": NOTICE,
        "drawing": report.is_drawing,
        "software": {"name": "Silhouette", "version": report.software_version},
        "made": report.made.isoformat(timespec="seconds"),
        **reading.to_json(report.file),
        "impression": write_impression(reading),
        "film": None if film is None else _film_json(film, report.spacing_mm),
        "models": [
            {"preprocessing_version": card.input_spec.version, **card_json(card)}
            for card in report.cards
        ],
    }
    content["findings"] = [_finding_json(finding) for finding in reading.findings]
    if prior is not None:
        content["prior"] = prior.reading.to_json(prior.file)
        content["change"] = _change_json(prior.reading, reading)
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _change_json(prior: Reading, current: Reading) -> JsonObject | None:
    if not prior.measurements or not current.measurements:
        return None
    change = compare_ratios(prior.measurements[0], current.measurements[0])
    return None if change is None else change.to_json()


def card_json(card: ModelCard) -> JsonObject:
    """A model's card as its card.json has it."""
    content: JsonObject = json.loads(card.to_json())
    return content


def threshold_source(finding: FindingReading) -> str | None:
    """Which films chose a finding's threshold, and how; None where there is no number."""
    if finding.card is None or finding.decision is None:
        return None
    if finding.site is not None and finding.site.decision is not None:
        return finding.site.decision.source
    fused = finding.fusion_parts is not None
    return find_thresholds(finding.card, finding.finding, finding.decision, fused).source


def _film_json(film: Radiograph, spacing_mm: tuple[float, float] | None) -> JsonObject:
    """The film's facts. spacing_mm: to be believed; `spacing_source` says where it holds."""
    rows, columns = film.shape
    return {
        "rows": rows,
        "columns": columns,
        "spacing_mm": None if spacing_mm is None else list(spacing_mm),
        "spacing_source": None if spacing_mm is None else film.spacing_source,
        "container": film.container,
        "bits": film.bits,
        "view": film.view,
        "age_years": film.age_years,
    }


def _finding_json(finding: FindingReading) -> JsonObject:
    """A finding with where its numbers come from. calibration: of the classifier's own probability."""
    calibration, combination, evidence = None, None, None
    if finding.card is not None:
        card = card_json(finding.card)
        calibration = _entry_of(card, "calibration", finding.finding)
        if finding.fusion_parts is not None:
            combination = _entry_of(card, "combination", finding.finding)
    if finding.attribution is not None:
        evidence = _attribution_json(finding.attribution)
    return finding.to_json() | {
        "threshold_source": threshold_source(finding),
        "calibration": calibration,
        "combination": combination,
        "evidence": evidence,
    }


def _entry_of(card: JsonObject, table: str, finding: str) -> JsonObject:
    entries = card[table]
    assert isinstance(entries, dict)
    entry = entries[finding]
    assert isinstance(entry, dict)
    return entry


def _attribution_json(attribution: Attribution) -> JsonObject:
    return {
        "method": attribution.method,
        "unit": attribution.unit,
        "against_usual": attribution.against_baseline,
        "scale": attribution.scale,
        "cells": attribution.cells.astype(float).round(5).tolist(),
        "placement": asdict(attribution.placement),
    }
