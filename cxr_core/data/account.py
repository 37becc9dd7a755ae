"""Accounts for every image file found and every table row read: it is used, or left out for one stated reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from cxr_core.presentation.wording import finding_name, format_count
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import Count, JsonRecord

USED, MISSING, LEFT_OUT = "present", "missing", "left_out"  # statuses of a manifest's row
# How each reason reads behind a number. A row that is left out by its source has one of them as its reason.
REASONS = {
    "lateral_views": "lateral views",
    "other_views": "other views than frontal ones",
    "contradictory_views": "with contradictory views",
    "masks": "masks",
    "same_name": "copies under the same name",
    "not_listed": "in no table",
    "outside_classes": "in no class folder",
    "unusable_names": "with a name that is not UTF-8",
    "unreadable": "unreadable",
    "excluded": "excluded by a decision",
    "missing": "of films that are missing",
    "joined": "joined with another row of their film",
    "repeated": "repeating another row",
    "contradictory": "contradicting an earlier row",
}


def _require_known_reason(reason: str) -> str:
    if reason not in REASONS:
        raise ValueError(f"expected one of {', '.join(REASONS)}")
    return reason


Reason = Annotated[str, AfterValidator(_require_known_reason)]


@dataclass(frozen=True, kw_only=True)
class Account:
    """How many were found, how many of them are used, and how many are left out for each of REASONS.

    Raises ValueError when these do not add up, and for a reason that is not known.
    """

    found: int
    used: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.left_out) - set(REASONS)
        if unknown:
            raise ValueError(f"unknown reasons {sorted(unknown)}; expected some of {list(REASONS)}")
        total = self.used + sum(self.left_out.values())
        if total != self.found:
            raise ValueError(f"{self.found} were found, but {total} are accounted for")

    @property
    def phrase(self) -> str:
        """What became of them: "70 used, 6 lateral views, 2 unreadable"."""
        parts = [f"{self.used:,} used"]
        for reason, words in REASONS.items():
            count = self.left_out.get(reason, 0)
            if count:
                parts.append(f"{count:,} {_in_number(words, count)}")
        return ", ".join(parts)

    def to_json(self) -> JsonObject:
        """As report.json stores it."""
        reasons = {reason: self.left_out[reason] for reason in REASONS if self.left_out.get(reason)}
        return {"found": self.found, "used": self.used, "left_out": dict(reasons)}


@dataclass(frozen=True, kw_only=True)
class ReplacedLabels(JsonRecord):
    """Labels mined from reports in whose place radiologists' labels stand, counted in films that are there.

    replaced: films that have both.  differing: how many of these the two judge differently.  dropped: films whose mined
    label is not used, since no radiologist labelled them.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    finding: str
    replaced: Count
    differing: Count
    dropped: Count

    @property
    def sentence(self) -> str:
        """The counts as one sentence."""
        return (
            f"{finding_name(self.finding)} of {format_count(self.replaced, 'films')} is the radiologists' label in "
            f"place of the mined one, and differs from it in {self.differing:,}; {self.dropped:,} other mined labels "
            "of it are not used."
        )


@dataclass(frozen=True, kw_only=True)
class FilmAccount:
    """What became of every image file, of every row of the tables, and of labels that others replaced.

    rows: None where no table was read.
    """

    files: Account
    rows: Account | None = None
    replaced_labels: tuple[ReplacedLabels, ...] = ()

    @property
    def sentence(self) -> str:
        """Both accounts as one sentence."""
        text = f"{format_count(self.files.found, 'image files')} found: {self.files.phrase}"
        if self.rows is not None:
            text += f"; {format_count(self.rows.found, 'table rows')}: {self.rows.phrase}"
        return " ".join([f"{text}.", *(labels.sentence for labels in self.replaced_labels)])

    def to_json(self) -> JsonObject:
        """As report.json stores it."""
        return {
            "files": self.files.to_json(),
            "rows": None if self.rows is None else self.rows.to_json(),
            "replaced_labels": [labels.to_json() for labels in self.replaced_labels],
            "sentence": self.sentence,
        }


@dataclass(frozen=True, kw_only=True)
class SourceCounts(JsonRecord):
    """What a source found that is no row of the manifest.

    files: image files below the folders, and those elsewhere that a table names.  unused_files: how many of them are no
    row of the manifest, by reason.  rows: rows of the tables that name films; None where no table was read.
    unused_rows: how many of them gave no row of their own, by reason.  replaced_labels: of the films that are there.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    files: Count
    unused_files: Mapping[Reason, Count] = field(default_factory=dict)
    rows: Count | None = None
    unused_rows: Mapping[Reason, Count] = field(default_factory=dict)
    replaced_labels: tuple[ReplacedLabels, ...] = ()


def join_counts(parts: Sequence[SourceCounts]) -> SourceCounts:
    """The counts of several sources together; rows are known where every source has read a table."""
    files, rows = 0, 0
    all_tables = True
    unused_files: Counter[str] = Counter()
    unused_rows: Counter[str] = Counter()
    for part in parts:
        files += part.files
        unused_files.update(part.unused_files)
        unused_rows.update(part.unused_rows)
        all_tables &= part.rows is not None
        rows += part.rows or 0
    counts = SourceCounts(
        files=files,
        unused_files=unused_files,
        replaced_labels=tuple(labels for part in parts for labels in part.replaced_labels),
    )
    return replace(counts, rows=rows, unused_rows=unused_rows) if all_tables else counts


def account_for_films(counts: SourceCounts, statuses: Mapping[str, int]) -> FilmAccount:
    """The account of a dataset. statuses: the manifest's rows by status, or by reason where a source left them out.

    Raises ValueError when the counts are those of other rows.
    """
    used = statuses.get(USED, 0)
    left_out = Counter({status: count for status, count in statuses.items() if status != USED})
    rows = None
    if counts.rows is not None:
        unused_rows = Counter(counts.unused_rows) + left_out
        rows = Account(found=counts.rows, used=used, left_out=unused_rows)
    with_file = Counter({key: count for key, count in left_out.items() if key != MISSING})
    unused_files = Counter(counts.unused_files) + with_file
    return FilmAccount(
        files=Account(found=counts.files, used=used, left_out=unused_files),
        rows=rows,
        replaced_labels=counts.replaced_labels,
    )


def _in_number(words: str, count: int) -> str:
    """The words as they follow a number: "lateral views", but "1 lateral view"."""
    if count != 1:
        return words
    return _SINGULAR.get(words, words)


_SINGULAR = {
    "lateral views": "lateral view",
    "other views than frontal ones": "other view than a frontal one",
    "masks": "mask",
    "copies under the same name": "copy under the same name",
    "of films that are missing": "of a film that is missing",
    "joined with another row of their film": "joined with another row of its film",
}
