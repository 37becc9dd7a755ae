"""How often an official test part has been looked at. Whoever chooses by it again and again ends up selecting on it.

A line of `<workspace>/official_test_uses.jsonl` for each time that a model was measured on a part named test; the films
are told by the hash of their pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_core.errors import DataError
from cxr_core.models.card import ModelCard
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.workspace.jsonl import append_line, read_jsonl, utc_now
from cxr_core.workspace.paths import workspace

USES = "official_test_uses.jsonl"


@dataclass(frozen=True)
class Uses:
    """evaluations: how often a model was measured on these films.  models: how many different ones, by weights."""

    evaluations: int
    models: int


def record_use(data: Mapping[str, Any], card: ModelCard | SegmenterCard, by: str) -> None:
    """Write down that a model was measured on test films. data: as `evaluate.data_facts` gives it.  by: what measured.

    Raises DataError when the workspace cannot be written.
    """
    who = {
        "model": card.model,
        "version": card.version,
        "weights_sha256": card.weights_sha256,
        "by": by,
    }
    films = {
        "data_sha256": data["data_sha256"],
        "films": data["films"],
        "patients": data["patients"],
    }
    try:
        append_line(_path(), {"when": utc_now(), **films, **who})
    except OSError as error:
        raise DataError(
            f"{_path()} cannot be written: {error.strerror}; set CXR_WORKSPACE to a folder"
        ) from error


def uses_of(data_sha256: str) -> Uses:
    """How often the films of this hash were measured on, as far as this workspace knows."""
    found = [entry for entry in read_jsonl(_path()) if entry.get("data_sha256") == data_sha256]
    return Uses(len(found), len({entry.get("weights_sha256") for entry in found}))


def _path() -> Path:
    return workspace() / USES
