"""A dataset opened once for all tabs: its tables, numbers and charts. Read-only, and without a pixel of any film."""

from dataclasses import dataclass

import numpy as np

from cxr_core.data.charts import Chart, charts
from cxr_core.data.checks.decision import Decision
from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import Dataset
from cxr_core.data.selection import FilmIndex
from cxr_core.data.summary import Summary, summarise


@dataclass(frozen=True, kw_only=True, eq=False)
class Films:
    """Films of a dataset, with all that is computed of them.  boxes_of: image -> places in the manifest's boxes."""

    manifest: Manifest
    index: FilmIndex
    summary: Summary
    charts: dict[str, Chart]
    boxes_of: dict[str, np.ndarray]

    @classmethod
    def of(cls, manifest: Manifest, issues: tuple[Issue, ...]) -> "Films":
        """Compute everything once."""
        summary = summarise(manifest)
        boxes = manifest.boxes.groupby("image").indices if len(manifest.boxes) else {}
        return cls(
            manifest=manifest,
            index=FilmIndex(manifest, issues),
            summary=summary,
            charts=charts(summary),
            boxes_of={str(image): places for image, places in boxes.items()},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """What a dataset holds.  usable: the films that may be trained on, None without any; listed: every row.

    choices: for each issue the one that holds about it, if any.
    """

    issues: tuple[Issue, ...]
    choices: tuple[Decision | None, ...]
    usable: Films | None
    listed: Films

    @classmethod
    def of(cls, dataset: Dataset) -> "Contents":
        """Read a dataset's tables. Raises DataError when they are damaged."""
        manifest, issues = dataset.manifest(), dataset.issues()
        choices = tuple(dataset.choice_about(issue) for issue in issues)
        listed = Films.of(manifest, issues)
        there = manifest.table["status"] == "present"
        if there.all():
            usable: Films | None = listed
        else:
            usable = Films.of(manifest.usable(), issues) if there.any() else None
        return cls(issues=issues, choices=choices, usable=usable, listed=listed)

    @property
    def blocking(self) -> tuple[Issue, ...]:
        """Blocking issues that nobody has chosen about."""
        found = zip(self.issues, self.choices, strict=True)
        return tuple(
            issue for issue, choice in found if issue.severity == "blocking" and choice is None
        )
