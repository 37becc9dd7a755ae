"""Records which films a model was trained on, and how often an official test split was used.

Training hashes: learnt.csv in a run's folder holds the pixel hashes of the films that it was trained or tuned on, so
that a later comparison can say whether a model has seen the films that it, or another, is evaluated on.

Test uses: `<workspace>/official_test_uses.jsonl` gets a line each time that a model is evaluated on a test split.
Whoever chooses models by one test split again and again ends up selecting on it.

Validation uses: `<workspace>/validation_uses.jsonl` gets a line for each trial of a search, since the settings of all
trials are compared on validation films.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxr_core.errors import DataError, RecordError
from cxr_core.evaluation.metrics.results import EvaluatedData
from cxr_core.models.card import ModelCard
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.json_files import JsonObject, read_bounded
from cxr_core.workspace.json_record import Count, JsonRecord
from cxr_core.workspace.jsonl import append_line, read_jsonl, utc_now
from cxr_core.workspace.paths import workspace

TRAINING_HASHES = "learnt.csv"
TEST_USES = "official_test_uses.jsonl"
VALIDATION_USES = "validation_uses.jsonl"


@dataclass(frozen=True)
class TestUses(JsonRecord):
    """evaluations: how often a model was evaluated on these films.  models: how many different ones, by weights."""

    evaluations: Count
    models: Count


def write_training_hashes(run: Path, films: pd.DataFrame) -> Path:
    """Write split and sha256 of the films that are trained and tuned on; visible only once it is complete."""
    return atomic_write(run / TRAINING_HASHES, films[["split", "sha256"]].to_csv(index=False))


def read_training_hashes(folder: Path) -> frozenset[str] | None:
    """The hashes that a run, or the run that a folder inside it belongs to, has kept; None when there are none.

    folder: a run, or its evaluation at any depth of two.
    """
    for place in (folder, *folder.absolute().parents[:2]):
        try:
            text = read_bounded(place / TRAINING_HASHES).decode()
            return frozenset(row["sha256"] for row in csv.DictReader(io.StringIO(text)))
        except (OSError, RecordError, UnicodeDecodeError, csv.Error, KeyError):
            continue
    return None


def record_test_use(data: EvaluatedData, card: ModelCard | SegmenterCard, by: str) -> None:
    """Write down that a model was evaluated on test films. by: what evaluated it.

    The films are those of the whole split: models for different patients look at the same test split. Raises DataError
    when the workspace cannot be written.
    """
    split = data.population or data
    use: JsonObject = {
        "when": utc_now(),
        "data_sha256": data.split_data_sha256,
        "films": split.films,
        "patients": split.patients,
        "model": card.model,
        "version": card.version,
        "weights_sha256": card.weights_sha256,
        "by": by,
    }
    try:
        append_line(_test_uses_path(), use)
    except OSError as error:
        raise DataError(
            f"{_test_uses_path()} cannot be written: {error.strerror}; set CXR_WORKSPACE to a folder"
        ) from error


def count_test_uses(data_sha256: str) -> TestUses:
    """How often the films of this hash were evaluated on, as far as this workspace knows.

    Raises RecordError when its list cannot be read.
    """
    entries = read_jsonl(_test_uses_path())
    uses = [entry for entry in entries if entry.get("data_sha256") == data_sha256]
    models = {str(entry.get("weights_sha256")) for entry in uses}
    return TestUses(evaluations=len(uses), models=len(models))


def record_validation_use(split_sha256: Sequence[str], search: str, trial: int) -> None:
    """Write down that a trial of a search was compared on validation films. A trial may be written down twice.

    split_sha256: the hash of the split, of each split that holds these films. Raises DataError when the workspace
    cannot be written.
    """
    use: JsonObject = {
        "when": utc_now(),
        "split_sha256": list(split_sha256),
        "search": search,
        "trial": trial,
    }
    path = workspace() / VALIDATION_USES
    try:
        append_line(path, use)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror}; set CXR_WORKSPACE to a folder"
        ) from error


def count_validation_uses(split_sha256: str) -> int:
    """How many trials of searches were compared on the validation films of a split, as far as this workspace knows.

    Raises RecordError when its list cannot be read.
    """
    trials = set()
    for entry in read_jsonl(workspace() / VALIDATION_USES):
        splits = entry.get("split_sha256")
        if isinstance(splits, list) and split_sha256 in splits:
            trials.add((str(entry.get("search")), str(entry.get("trial"))))
    return len(trials)


def stamp_test_uses() -> str:
    """A text that changes with each evaluation on test films that is written down."""
    try:
        status = _test_uses_path().stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns}:{status.st_size}"


def _test_uses_path() -> Path:
    return workspace() / TEST_USES
