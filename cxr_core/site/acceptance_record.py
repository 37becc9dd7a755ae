"""Keeps each acceptance test as a dated record under the workspace: model, version, films by hash, figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxr_core.errors import RecordError, SiteError
from cxr_core.models.card import ModelCard
from cxr_core.site.acceptance import CLASS_NAMES, Acceptance, ClassName
from cxr_core.site.local_films import LocalFilms
from cxr_core.version import VERSION
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import Count, JsonRecord, read_record_file
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.paths import printable, workspace


@dataclass(frozen=True, kw_only=True)
class RecordedFilm(JsonRecord):
    """A film that counted, by the hash of its pixels; no name and no patient."""

    sha256: str
    label: ClassName


@dataclass(frozen=True, kw_only=True)
class AcceptanceRecord(JsonRecord):
    """One acceptance test. made: ISO 8601, UTC.  program: the version of this program."""

    made: str
    program: str
    model: str
    version: str
    weights_sha256: str
    patients: Count
    acceptance: Acceptance
    films: tuple[RecordedFilm, ...]


def build_record(
    acceptance: Acceptance, local: LocalFilms, card: ModelCard, *, made: str | None = None
) -> AcceptanceRecord:
    """The record of a test. made: None = now. It holds no file's name: names of films may hold those of patients."""
    unnamed = replace(
        acceptance,
        standing_out=tuple(replace(film, name="", sentence="") for film in acceptance.standing_out),
        left_out=tuple(replace(film, name="") for film in acceptance.left_out),
        sentence=acceptance.verdict_sentence,
    )
    return AcceptanceRecord(
        made=made or utc_now("microseconds"),
        program=VERSION,
        model=card.model,
        version=card.version,
        weights_sha256=card.weights_sha256,
        patients=local.count_patients(),
        acceptance=unnamed,
        films=tuple(
            RecordedFilm(sha256=sha256, label=CLASS_NAMES[label])
            for sha256, label in zip(local.sha256.tolist(), local.labels.tolist(), strict=True)
        ),
    )


def write_acceptance(record: AcceptanceRecord) -> Path:
    """Keep a record as `<workspace>/site/acceptance/MODEL/FINDING-<time>.json`. Returns its path.

    Raises SiteError where it cannot be written.
    """
    time = record.made.replace(":", "").replace("+0000", "Z")
    path = _folder(record.model) / f"{record.acceptance.finding}-{time}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_json(path, record.to_json())
    except OSError as error:
        raise SiteError(
            f"{path} cannot be written: {error.strerror}; set CXR_WORKSPACE to a folder that can be written"
        ) from error


def list_acceptances(model: str, finding: str) -> Sequence[AcceptanceRecord]:
    """The records of one finding of a model, the newest first. A damaged file is left out."""
    return read_acceptances(model, finding)[0]


def read_acceptances(
    model: str, finding: str
) -> tuple[Sequence[AcceptanceRecord], tuple[str, ...]]:
    """The records of one finding of a model, the newest first, and a sentence for each whose file is damaged."""
    records, problems = [], []
    for path in sorted(_folder(model).glob(f"{finding}-*.json")):
        try:
            records.append(read_record_file(path, AcceptanceRecord))
        except (OSError, RecordError) as error:
            reason = getattr(error, "strerror", None) or error
            problems.append(
                f"The record of an acceptance test cannot be read ({reason}) and is left out; put a copy of "
                f"{printable(path)} back, or move it away."
            )
    return sorted(records, key=lambda record: record.made, reverse=True), tuple(problems)


def _folder(model: str) -> Path:
    return workspace() / "site" / "acceptance" / model
