"""What a run keeps of its validation films: the worst of an epoch, and a few that are followed through all of them.

    validation_films/epoch_0003.json    one `WatchedEpoch` each

Pictures and evidence are small, so that a run keeps a few hundred kB of them, however long it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import Count, JsonRecord, PathText, read_record_file

FOLDER = "validation_films"
KEPT_EPOCHS = 16
SCHEMA: Literal[1] = 1


@dataclass(frozen=True, kw_only=True)
class WatchedFilm(JsonRecord):
    """One validation film as an epoch's network answered it.

    name: of its file.  picture: its input as a base64 JPEG.  labels: 1 or 0 by finding; an unknown one is left out.
    logits: by finding, before calibration.  loss: the mean cross-entropy of its known labels.  finding: whose evidence
    is kept.  evidence: rows of cells, each what the cell adds to that logit.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    name: PathText
    picture: str
    labels: Mapping[str, Literal[0, 1]]
    logits: Mapping[str, float]
    loss: float
    finding: str
    evidence: tuple[tuple[float, ...], ...]

    def score(self, finding: str) -> float:
        """The sigmoid of a logit, which is no probability before calibration."""
        logit = self.logits[finding]
        return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


@dataclass(frozen=True, kw_only=True)
class WatchedEpoch(JsonRecord):
    """The worst films of an epoch, the worst first, and the films that are followed."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = SCHEMA
    epoch: Count
    films: Count
    worst: tuple[WatchedFilm, ...]
    followed: tuple[WatchedFilm, ...]


def is_kept(epoch: int, epochs: int) -> bool:
    """Whether an epoch, from 1, is kept for good, in a run of so many: the first and evenly spaced ones."""
    return epoch == 1 or epoch % math.ceil(epochs / KEPT_EPOCHS) == 0


def write_epoch(run: Path, watched: WatchedEpoch, epochs: int, *, is_best: bool) -> None:
    """Keep an epoch; a new best one takes the place of the best before it. Raises OSError."""
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    write_json(folder / _name(watched.epoch), watched.to_json())
    if not is_best:
        return
    for epoch, path in _list_files(run).items():
        if epoch < watched.epoch and not is_kept(epoch, epochs):
            path.unlink(missing_ok=True)


def list_epochs(run: Path) -> list[int]:
    """The epochs that a run has kept, in order."""
    return sorted(_list_files(run))


def read_epoch(run: Path, epoch: int) -> WatchedEpoch | None:
    """What an epoch kept; None where it is missing or damaged."""
    try:
        return read_record_file(run / FOLDER / _name(epoch), WatchedEpoch)
    except (OSError, RecordError):
        return None


def _list_files(run: Path) -> dict[int, Path]:
    files = {}
    for path in (run / FOLDER).glob("epoch_*.json"):
        number = path.stem.removeprefix("epoch_")
        if number.isascii() and number.isdigit():
            files[int(number)] = path
    return files


def _name(epoch: int) -> str:
    return f"epoch_{epoch:04}.json"
