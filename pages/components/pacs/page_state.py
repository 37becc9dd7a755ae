"""What one browser tab knows of archives: its last search, the study that is being fetched, and what it has sent.

All of it identifies patients. It stays in the tab's memory and leaves it with the study or film that it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cxr_core.workspace.json_files import JsonObject

if TYPE_CHECKING:  # the first paint does without pydicom
    from cxr_core.dicom_io.pacs.archive import ObjectReference, Study
    from pages.components.pacs.study_fetch import StudyFetch


@dataclass(frozen=True, kw_only=True, repr=False)
class OpenStudy:
    """The study that a film was fetched from. priors: earlier ones of the same patient, newest first."""

    study: Study
    priors: tuple[Study, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class SentResults:
    """What was sent of one film. kinds: of `object_kinds.KINDS`.  verdicts: as they were sent, to see a change.

    missing: how many objects the archive does not hold; None where it could not be asked.
    """

    at: datetime
    archive: str
    kinds: tuple[str, ...]
    objects: tuple[ObjectReference, ...]
    verdicts: tuple[str, ...]
    missing: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether the archive holds all of it."""
        return self.missing == 0


@dataclass(frozen=True, kw_only=True, repr=False)
class UnsentResults:
    """Objects of one film that an archive has not taken: they are sent as they are when the reader tries again.

    kinds: as of `SentResults`.  reading: what the objects were made from; another one needs other objects.
    files: DICOM files.
    """

    kinds: tuple[str, ...]
    reading: JsonObject
    objects: tuple[ObjectReference, ...]
    files: tuple[bytes, ...]


@dataclass(kw_only=True, eq=False)
class PacsState:
    """The search and the fetch of one tab.

    studies: of the last search; None before it.  problem: a sentence.  opened_studies: how many, by which
    the way in folds away after each.
    """

    studies: tuple[Study, ...] | None = None
    fetch: StudyFetch | None = None
    problem: str = ""
    opened_studies: int = 0

    def forget(self) -> None:
        """Stop fetching, and let go of what was found."""
        if self.fetch is not None:
            self.fetch.cancel()
        self.studies, self.fetch, self.problem = None, None, ""
