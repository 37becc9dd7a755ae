"""What the doctor may say about a dataset: every code, how severe it is, and what to do about it.

Sources notice what only they can see (a byte-order mark, a repeated row); the doctor finds the rest. A blocking issue
stops training until somebody chooses, on record, to exclude the films it names or to accept it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["blocking", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("blocking", "warning", "note")
EXAMPLES = 5


@dataclass(frozen=True)
class IssueKind:
    """What all issues of one code share: severity, a short title, the mend in a sentence, and what is counted."""

    severity: Severity
    title: str
    remedy: str
    unit: str


def _kind(severity: Severity, title: str, remedy: str, unit: str = "films") -> IssueKind:
    return IssueKind(severity, title, remedy, unit)


_APART = "Report figures for each group apart; balance or match the groups before training."

ISSUES: dict[str, IssueKind] = {
    # The tables that describe the films
    "byte_order_mark": _kind("note", "A byte-order mark", "Nothing: it was skipped.", "files"),
    "unnamed_columns": _kind(
        "note", "Columns without a name", "Nothing: they were left out.", "columns"
    ),
    "duplicate_rows": _kind(
        "warning", "Rows that repeat", "Remove the repeats; the first of each was used.", "rows"
    ),
    "contradictory_rows": _kind(
        "blocking", "Rows that contradict each other", "Correct the table, or exclude the films."
    ),
    "unknown_label": _kind(
        "blocking",
        "Labels that nobody knows",
        "Correct the label, add an alias in findings.py, or exclude the films.",
    ),
    "label_alias": _kind(
        "note",
        "Labels under another name",
        "Nothing: they were read as the finding they mean.",
        "labels",
    ),
    "no_labels": _kind(
        "warning", "No finding has labels", "Add a label column to train or evaluate on it."
    ),
    "impossible_age": _kind(
        "warning", "Impossible ages", "Correct the table; they were taken as unknown."
    ),
    "unknown_value": _kind(
        "note", "Views or sexes that nobody knows", "Nothing: they were taken as unknown."
    ),
    "follow_up_differs": _kind(
        "note",
        "Follow-up numbers that differ",
        "Nothing: films are joined on the file name.",
        "rows",
    ),
    "text_mined_labels": _kind(
        "note", "Labels mined from reports", "Take every figure with the labels' own errors."
    ),
    "population_unstated": _kind(
        "note", "Nothing says how old the patients are", "State it in the model's card."
    ),
    # Files and table, held against each other
    "missing_images": _kind(
        "warning", "Images that are listed but missing", "Copy them, or go on with the rest."
    ),
    "surplus_images": _kind(
        "warning",
        "Images that no table names",
        "List them, or leave them: they are not used.",
        "files",
    ),
    "same_name_twice": _kind(
        "warning", "One name in several folders", "Remove one; the first folder's was used."
    ),
    "unreadable": _kind(
        "warning", "Images that cannot be read", "Copy them again; they are quarantined, not used."
    ),
    "unsuitable": _kind(
        "warning",
        "Pictures that are no frontal chest film",
        "Look at them; exclude what is not one.",
    ),
    "inverted": _kind(
        "warning", "Films that seem inverted", "Look at them; invert or exclude them."
    ),
    "turned": _kind("warning", "Films that seem turned", "Look at them; turn or exclude them."),
    "mirrored": _kind(
        "warning", "Films that seem mirrored", "Look at them; many only have a central heart."
    ),
    "same_picture": _kind(
        "warning", "The same picture twice", "Nothing: training uses one of each."
    ),
    "same_picture_two_labels": _kind(
        "warning",
        "The same picture with different labels",
        "Find out which is right, or exclude both.",
    ),
    "swapped_masks": _kind(
        "warning",
        "Masks of another structure than their folder says",
        "Correct them; no outline is learnt from them.",
    ),
    # Patients and parts
    "patient_unknown": _kind(
        "warning",
        "Nothing says whose film it is",
        "Add a patient column: each film counts as a patient of its own.",
    ),
    "patients_scoped": _kind(
        "warning",
        "Patient numbers that occur in several parts",
        "Counted as different patients; check if you can.",
        "patients",
    ),
    "patient_in_two_parts": _kind(
        "blocking",
        "A patient in two parts",
        "Exclude their training films, or split anew by ratios.",
        "patients",
    ),
    "same_picture_two_parts": _kind(
        "blocking",
        "The same picture in two parts",
        "Exclude the training copy, or split anew by ratios.",
    ),
    "small_validation": _kind(
        "warning",
        "A validation part too small to use",
        "Nothing: it is pooled with train, and validation carved anew.",
    ),
    "no_split": _kind(
        "note",
        "No parts are given",
        "Nothing: the films are divided by patient when a run needs it.",
    ),
    "not_in_split": _kind(
        "warning", "Films that no split list names", "Complete the lists; they count as training."
    ),
    "no_positives": _kind(
        "warning",
        "A finding without positives in a part",
        "Nothing can be learnt or measured of it there.",
        "findings",
    ),
    "no_negatives": _kind(
        "warning",
        "A finding without negatives in a part",
        "Nothing can be learnt or measured of it there.",
        "findings",
    ),
    # Shortcuts
    "prevalence_shift": _kind(
        "warning",
        "A finding is more frequent in one part",
        "Expect calibration to shift; recalibrate before use.",
        "findings",
    ),
    "mixed_views": _kind("note", "Films of both views", "Report figures for PA and AP apart."),
    "mixed_resolution": _kind(
        "note", "Films of several sizes", "Augment resolution, so that none becomes a cue."
    ),
    "resolution_with_label": _kind("warning", "Resolution goes with a label", _APART, "findings"),
    "bits_with_label": _kind("warning", "Bit depth goes with a label", _APART, "findings"),
    "view_with_label": _kind("warning", "The view goes with a label", _APART, "findings"),
    "age_with_label": _kind("warning", "Age goes with a label", _APART, "findings"),
    "sex_with_label": _kind("warning", "Sex goes with a label", _APART, "findings"),
    "source_with_label": _kind("warning", "The source goes with a label", _APART, "findings"),
}


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One thing found in a dataset.

    message: a sentence with its numbers.  count: how many of the kind's unit.  examples: a few of them, by name.
    images: the rows, by `image`, that `--exclude CODE` leaves out; empty when there is nothing to exclude.
    """

    code: str
    message: str
    count: int
    examples: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in ISSUES:
            raise KeyError(f"{self.code!r} is not in the catalogue of issues")
        object.__setattr__(self, "examples", tuple(self.examples)[:EXAMPLES])

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Issue":
        """An issue from its fields as JSON holds them. Raises KeyError or TypeError for anything else."""
        return cls(
            **{**record, "examples": tuple(record["examples"]), "images": tuple(record["images"])}
        )

    @property
    def severity(self) -> Severity:
        """blocking, warning or note."""
        return ISSUES[self.code].severity

    @property
    def title(self) -> str:
        """The heading that all issues of this code share."""
        return ISSUES[self.code].title

    @property
    def extent(self) -> str:
        """How many of what: 1 film, 4,139 rows."""
        return counted(self.count, ISSUES[self.code].unit)

    @property
    def remedy(self) -> str:
        """What to do."""
        return ISSUES[self.code].remedy

    def to_json(self) -> dict[str, Any]:
        """Everything but the list of images, of which there may be thousands."""
        return {
            "code": self.code,
            "severity": self.severity,
            "title": self.title,
            "message": self.message,
            "count": self.count,
            "unit": ISSUES[self.code].unit,
            "examples": list(self.examples),
            "remedy": self.remedy,
            "excludable": len(self.images),
        }


def counted(count: int, unit: str) -> str:
    """A number with its noun, which is given in the plural: "1 film", "4,139 films"."""
    return f"{count:,} {unit.removesuffix('s') if count == 1 else unit}"


def by_severity(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Blocking ones first; within a severity in the order of the catalogue, then as given."""
    order = list(ISSUES)
    return tuple(
        sorted(
            issues, key=lambda issue: (SEVERITIES.index(issue.severity), order.index(issue.code))
        )
    )
