"""Defines an issue: one thing that the dataset checks report, with its sentence, its count and the films concerned.

Sources report what only they can see (a byte-order mark, a repeated row); the dataset checks report the rest.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from cxr_core.data.checks.issue_kinds import ISSUES, SEVERITIES, Severity
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.json_record import Count, JsonRecord

EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Issue(JsonRecord):
    """One thing that the dataset checks report.

    message: a sentence with its numbers.  count: how many of the kind's unit.  examples: a few of them, by name.
    images: the rows, by `image`, that `--exclude CODE` leaves out; empty when there is nothing to exclude.
    concerned: all films that the issue is about, where it is about films; only for the issues of one reading.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    code: str
    message: str
    count: Count
    examples: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    concerned: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.code not in ISSUES:
            raise ValueError(f"{self.code!r} is not in the catalogue of issues")
        object.__setattr__(self, "examples", tuple(self.examples)[:EXAMPLES])

    @property
    def severity(self) -> Severity:
        """blocking, warning or note."""
        return ISSUES[self.code].severity

    @property
    def title(self) -> str:
        """The heading that all issues of this code share."""
        return ISSUES[self.code].title

    @property
    def unit(self) -> str:
        """What is counted, in the plural."""
        return ISSUES[self.code].unit

    @property
    def extent(self) -> str:
        """The count with its unit: "1 film", "4,139 rows"."""
        return format_count(self.count, self.unit)

    @property
    def remedy(self) -> str:
        """What to do, in a sentence."""
        return ISSUES[self.code].remedy


def sort_by_severity(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Blocking issues first; within a severity in the order of the catalogue, then as given."""
    order = list(ISSUES)

    def rank(issue: Issue) -> tuple[int, int]:
        return SEVERITIES.index(issue.severity), order.index(issue.code)

    return tuple(sorted(issues, key=rank))
