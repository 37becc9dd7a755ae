"""The columns of a scoring: one row per film, from its examination and its reading.

docs/scale.md describes them. Three more columns come for each finding that the models answer, such as
`pneumonia_probability`, `pneumonia_logit` and `pneumonia_call`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from cxr_core.data.cache.worker import hash_pixels
from cxr_core.reading.results import Examination, FindingReading, Reading
from cxr_core.scale.scoring.film_files import FilmFile
from cxr_core.workspace.json_files import Json, JsonObject, escape_surrogates
from cxr_core.workspace.paths import printable

Row = Mapping[str, Any]
REPEATS = "repeats"
OUTPUTS = pa.list_(
    pa.struct(
        [
            ("model", pa.string()),
            ("version", pa.string()),
            ("finding", pa.string()),
            ("logit", pa.float64()),
            ("probability", pa.float64()),
            ("ood_score", pa.float64()),
        ]
    )
)
# What each column holds, in the order of the file.
COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("file", pa.string(), "path or URI of the film"),
    ("stamp", pa.string(), "changes when the file does, or the age or view that a table states"),
    ("sha256", pa.string(), "hash of the file's bytes; null where it could not be opened"),
    ("pixels_sha256", pa.string(), "hash of the decoded pixels, whatever the file format"),
    (REPEATS, pa.string(), "the film with the same bytes whose reading this is; null for none"),
    ("size_bytes", pa.int64(), "size of the file"),
    ("status", pa.string(), "read or refused"),
    ("refusal_code", pa.string(), "why it was refused, for programs"),
    ("reason", pa.string(), "why it was refused, for people"),
    ("flags", pa.list_(pa.string()), "codes of all quality flags"),
    ("view", pa.string(), "PA, AP or LATERAL, as the table or the file states it"),
    ("age_years", pa.float64(), "of the patient, as the table or the file states it"),
    ("width", pa.int32(), "pixels"),
    ("height", pa.int32(), "pixels"),
    ("bits", pa.int16(), "bits per sample that the file uses"),
    ("spacing_row_mm", pa.float64(), "mm between the centres of two rows; null when unknown"),
    ("spacing_column_mm", pa.float64(), "mm between the centres of two columns"),
    ("ratio", pa.float64(), "cardiothoracic ratio; null where there is none"),
    ("ratio_low", pa.float64(), "lower end of its 95 % interval"),
    ("ratio_high", pa.float64(), "upper end of its 95 % interval"),
    ("ratio_trusted", pa.bool_(), "whether nothing speaks against the ratio"),
    ("suspicion", pa.float64(), "of the most suspicious finding: log-odds above its threshold"),
    ("seconds", pa.float64(), "computing time of the film"),
    ("outputs", OUTPUTS, "of each model and finding: logit, calibrated probability, OOD score"),
    ("json", pa.string(), "the line that read --json prints for the film"),
)
# Of each finding, after those above: name, type, meaning.
FINDING_COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("probability", pa.float64(), "as the reading shows it; null where it shows none"),
    ("logit", pa.float64(), "of the classifier; null where the reading shows no probability"),
    ("call", pa.string(), "present, absent or indeterminate"),
)


def build_schema(findings: Sequence[str]) -> pa.Schema:
    """The columns of a scoring by models that answer these findings, without metadata."""
    columns = [(name, kind) for name, kind, _ in COLUMNS]
    for finding in findings:
        columns += [(f"{finding}_{name}", kind) for name, kind, _ in FINDING_COLUMNS]
    return pa.schema(columns)


def build_scoring_row(
    film: FilmFile, size_bytes: int | None, examination: Examination, reading: Reading
) -> Row:
    """The row of a film, whether it was read or refused. size_bytes: None where it could not be opened."""
    refusals = [flag.code for flag in reading.concerns if flag.withholds_reading]
    row: JsonObject = {
        **_file_columns(film, reading.to_json(printable(film.location))),
        "sha256": None if size_bytes is None else reading.sha256,
        "size_bytes": size_bytes,
        "status": reading.status,
        "refusal_code": refusals[0] if reading.status == "refused" and refusals else None,
        "reason": reading.reason,
        "flags": [flag.code for flag in reading.concerns],
        "view": reading.patient.view,
        "age_years": reading.patient.age_years,
        "suspicion": reading.suspicion if math.isfinite(reading.suspicion) else None,
        "seconds": reading.seconds,
        "outputs": _list_outputs(examination),
    }
    row |= _describe_film(examination)
    row |= _describe_ratio(reading)
    for finding in reading.findings:
        row |= _describe_finding(finding)
    return row


def repeat_row(row: Row, film: FilmFile) -> Row:
    """The row of a film with the same bytes as one that has its row already."""
    line = {**json.loads(row["json"]), "file": printable(film.location)}
    return {**row, **_file_columns(film, line), REPEATS: row.get(REPEATS) or row["file"]}


def _file_columns(film: FilmFile, line: JsonObject) -> JsonObject:
    text = escape_surrogates(json.dumps(line, ensure_ascii=False))
    return {"file": printable(film.location), "stamp": film.stamp, "json": text}


def _list_outputs(examination: Examination) -> list[Json]:
    """What each model computed, whatever the patient: a reading leaves out models that do not fit."""
    return [
        {
            "model": output.card.model,
            "version": output.card.version,
            "finding": finding,
            "logit": float(output.logits[index]),
            "probability": float(output.probabilities[index]),
            "ood_score": output.ood_score,
        }
        for output in examination.outputs
        for index, finding in enumerate(output.card.findings)
    ]


def _describe_film(examination: Examination) -> JsonObject:
    film = examination.film
    if film is None:
        return {}
    height, width = film.shape
    row, column = film.spacing_mm or (None, None)
    return {
        "pixels_sha256": hash_pixels(film),
        "width": width,
        "height": height,
        "bits": film.bits,
        "spacing_row_mm": row,
        "spacing_column_mm": column,
    }


def _describe_ratio(reading: Reading) -> JsonObject:
    for measurement in reading.measurements:
        return {
            "ratio": measurement.value,
            "ratio_low": measurement.low,
            "ratio_high": measurement.high,
            "ratio_trusted": measurement.trusted,
        }
    return {}


def _describe_finding(finding: FindingReading) -> JsonObject:
    """As report, shell and CSV do, without a number where a quality flag allows no verdict; the JSON keeps it."""
    is_shown = not finding.is_withheld
    return {
        f"{finding.finding}_probability": finding.probability if is_shown else None,
        f"{finding.finding}_logit": finding.logit if is_shown else None,
        f"{finding.finding}_call": finding.call,
    }
