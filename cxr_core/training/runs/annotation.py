"""What people write about runs: a name, tags and a note for each, and the baseline that other runs are compared with.

annotation.json lies in the run's own folder, so that it goes wherever the folder goes. Which run is the baseline is a
choice of the workspace, so baseline.json lies beside the runs: a run that is copied elsewhere is no baseline there.
Importing this module loads no torch.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_core.errors import RecordError, RunError
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import JsonRecord, read_record_file
from cxr_core.workspace.paths import workspace

ANNOTATION, BASELINE = "annotation.json", "baseline.json"
MAX_NAME, MAX_TAG, MAX_TAGS, MAX_NOTE = 80, 40, 20, 4000  # characters; and tags of one run


def _require_length(what: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise RunError(f"the {what} has {len(text):,} characters; shorten it to {limit:,}")


@dataclass(frozen=True, kw_only=True)
class RunAnnotation(JsonRecord):
    """What people wrote about a run; empty at first. Raises RunError when a text is too long."""

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        _require_length("name", self.name, MAX_NAME)
        _require_length("note", self.note, MAX_NOTE)
        for tag in self.tags:
            _require_length("tag", tag, MAX_TAG)
        if len(self.tags) > MAX_TAGS:
            raise RunError(f"{len(self.tags)} tags were given; a run has at most {MAX_TAGS}")


NO_ANNOTATION = RunAnnotation()


@dataclass(frozen=True, kw_only=True)
class Baseline(JsonRecord):
    """The run that other runs of the workspace are compared with; empty for none."""

    run: str = ""


def make_annotation(name: str, tags: str | Sequence[str], note: str) -> RunAnnotation:
    """An annotation from what somebody typed: without superfluous spaces, each tag once.

    tags: in a list, or in one text separated by commas. Raises RunError when a text is too long.
    """
    entries = tags.split(",") if isinstance(tags, str) else tags
    by_spelling = {tag.casefold(): tag for tag in reversed([*map(_on_one_line, entries)]) if tag}
    return RunAnnotation(
        name=_on_one_line(name), tags=tuple(reversed(by_spelling.values())), note=note.strip()
    )


def read_annotation(run: Path) -> RunAnnotation:
    """What was written about the run in a folder; empty when that is nothing, or cannot be read."""
    try:
        return read_record_file(run / ANNOTATION, RunAnnotation)
    except (OSError, RecordError, RunError):
        return NO_ANNOTATION


def write_annotation(run: Path, annotation: RunAnnotation) -> None:
    """Replace what was written about a run. Raises RunError when its folder cannot be written."""
    _write(run / ANNOTATION, annotation)


def read_baseline() -> str:
    """The run that was pinned as baseline; empty when none was. It may have been deleted since."""
    try:
        return read_record_file(_baseline_file(), Baseline).run
    except (OSError, RecordError):
        return ""


def pin_baseline(run: str) -> None:
    """Compare other runs with this one from now on; with none for an empty name.

    Raises RunError when the workspace cannot be written.
    """
    _write(_baseline_file(), Baseline(run=run))


def _baseline_file() -> Path:
    return Path(os.path.abspath(workspace())) / "runs" / BASELINE


def _write(path: Path, record: JsonRecord) -> None:
    try:
        write_json(path, record.to_json())
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror}; allow writing in its folder, or free space"
        ) from error


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
