"""A reading to keep: one JSON object or one HTML page, each with everything needed to say where its numbers come from.

Neither holds a name or an identifier of the patient: a film has none, and of the patient only age and view were used.
The page of report_html.py shows what `provenance` gathers here.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import NOTICE
from cxr_core.reading.results import Evidence, Examination, FindingReading, Reading

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
        """Whether the film is one of the program's own drawings, told by its form or by the file's mark."""
        drawn = self.film is not None and self.film.container == "drawing"
        return drawn or any(concern.code == "drawing" for concern in self.reading.concerns)

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The cards of the models that gave a number, each once."""
        cards = {
            (f.card.model, f.card.version): f.card
            for f in self.reading.findings
            if f.card is not None
        }
        return tuple(cards.values())


def json_report(report: Report) -> str:
    """The report as JSON text: what `read --json` says of the file, and the provenance of every number in it."""
    return json.dumps(provenance(report), indent=2, allow_nan=False) + "\n"


def provenance(report: Report) -> dict[str, Any]:
    """The report as a table that JSON can hold."""
    reading, film = report.reading, report.film
    table = {
        "schema": REPORT_SCHEMA,
        "notice": NOTICE,
        "drawing": report.is_drawing,
        "software": {"name": "Silhouette", "version": report.software_version},
        "made": report.made.isoformat(timespec="seconds"),
        **reading.to_json(report.file),
        "film": None if film is None else _film(film),
        "models": [_model(card) for card in report.cards],
    }
    table["findings"] = [_finding(finding) for finding in reading.findings]
    return table


def threshold_source(finding: FindingReading) -> str | None:
    """Which films chose a finding's threshold, and how; None where there is no number."""
    if finding.card is None or finding.operating_point is None:
        return None
    combined = finding.parts is not None
    return finding.card.operating_point(finding.finding, finding.operating_point, combined).source


def _film(film: Radiograph) -> dict[str, Any]:
    rows, columns = film.shape
    spacing = None if film.spacing_mm is None else list(film.spacing_mm)
    return {
        "rows": rows,
        "columns": columns,
        "spacing_mm": spacing,
        "container": film.container,
        "bits": film.bits,
        "view": film.view,
        "age_years": film.age_years,
    }


def _finding(finding: FindingReading) -> dict[str, Any]:
    calibration = finding.card.calibration[finding.finding] if finding.card is not None else None
    return finding.to_json() | {
        "threshold_source": threshold_source(finding),
        "calibration": None
        if calibration is None
        else asdict(calibration),  # of the network's own probability
        "combination": None
        if finding.parts is None or finding.card is None
        else _combination(finding),
        "evidence": None if finding.evidence is None else _evidence(finding.evidence),
    }


def _combination(finding: FindingReading) -> dict[str, Any]:
    """How the network's probability and the measurement became the one that is told."""
    assert finding.card is not None
    return asdict(finding.card.combination[finding.finding])


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "method": evidence.method,
        "unit": evidence.unit,
        "against_usual": evidence.against_usual,
        "scale": evidence.scale,
        "cells": evidence.cells.astype(float).round(5).tolist(),
        "placement": asdict(evidence.placement),
    }


def _model(card: ModelCard) -> dict[str, Any]:
    """A card without what its findings already carry, its preprocessing version where it is looked for first."""
    table = asdict(card)
    return {"preprocessing_version": card.input_spec.version, **table}
