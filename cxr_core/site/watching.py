"""Keeps rolling statistics of a site's readings by week: films by log-odds, by verdict and by quality flag.

`<workspace>/site/watching/2026-W48.json` holds the counts of one week, never a film, a name, a hash or a time of day.
Nothing is kept before the site has a folder, which its first acceptance test makes, nor where CXR_SITE_WATCHING is off
or the Site page has switched it off.
Several processes may write at once. A reading never waits for it and never fails by it: what cannot be written now
waits in memory for the next time.
"""

import math
import os
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from filelock import FileLock
from pydantic import Field

from cxr_core.errors import RecordError, SilhouetteError, SiteError
from cxr_core.reading.opinions import split_opinions
from cxr_core.reading.results import FindingReading, Reading
from cxr_core.site.profile_store import site_folder
from cxr_core.workspace.atomic import atomic_write, remove_unfinished
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import Count, JsonRecord, read_record_file
from cxr_core.workspace.paths import printable

VARIABLE, OFF = "CXR_SITE_WATCHING", "off"
OFF_MARK = (
    "watching_off"  # a file in the site's folder while the Site page has switched watching off
)
SCHEMA = 1
BIN_WIDTH = 0.25  # log-odds
LOWEST_BIN, HIGHEST_BIN = -56, 55  # from -14 to 14; what lies beyond counts in the last ones
KEPT_WEEKS = 104
WAIT_S = 2.0  # for another process, as a command ends
DRAWING = "drawing"  # the quality flag of the program's own samples, which are no films of the site

WeekName = Annotated[str, Field(pattern=r"^\d{4}-W\d{2}$")]
Bin = Annotated[str, Field(pattern=r"^-?\d{1,2}$")]


@dataclass(frozen=True, kw_only=True)
class FindingCounts(JsonRecord):
    """What one version of a model answered to a finding in a week, for patients that it is made for.

    log_odds: films by bin; bin k holds log-odds from k * BIN_WIDTH on. They are those of the classifier's own
    probability, as its card calibrates it, without the profile of the site and before a measured ratio counts.
    verdicts: films by call, present, absent or indeterminate.
    """

    model: str
    version: str
    finding: str
    log_odds: Mapping[Bin, Count] = field(default_factory=dict)
    verdicts: Mapping[str, Count] = field(default_factory=dict)

    @property
    def films(self) -> int:
        """How many films have a verdict."""
        return sum(self.verdicts.values())

    @property
    def undecided_share(self) -> float | None:
        """The share of them that is undecided; None without a film."""
        return self.verdicts.get("indeterminate", 0) / self.films if self.films else None

    @property
    def key(self) -> tuple[str, str, str]:
        """Model, version and finding."""
        return self.model, self.version, self.finding


@dataclass(frozen=True, kw_only=True)
class Week(JsonRecord):
    """The counts of one week. week: ISO 8601, `2026-W48`, in UTC.  flags: films by code of a quality flag."""

    schema: int = SCHEMA
    week: WeekName
    read: Count = 0
    refused: Count = 0
    flags: Mapping[str, Count] = field(default_factory=dict)
    findings: tuple[FindingCounts, ...] = ()

    @property
    def refused_share(self) -> float | None:
        """The share of the films that was refused; None without a film."""
        films = self.read + self.refused
        return self.refused / films if films else None

    def find(self, model: str, version: str, finding: str) -> FindingCounts:
        """The counts of one finding, empty where there are none."""
        for counts in self.findings:
            if counts.key == (model, version, finding):
                return counts
        return FindingCounts(model=model, version=version, finding=finding)

    def __add__(self, other: "Week") -> "Week":
        """Both together, under the name of the first."""
        keys = dict.fromkeys(counts.key for counts in (*self.findings, *other.findings))
        return replace(
            self,
            read=self.read + other.read,
            refused=self.refused + other.refused,
            flags=_add(self.flags, other.flags),
            findings=tuple(_add_findings(self.find(*key), other.find(*key)) for key in keys),
        )


def is_watching() -> bool:
    """Whether readings are counted here: once the site has a folder, unless it is switched off."""
    if is_forbidden() or not site_folder().is_dir():
        return False
    return not (site_folder() / OFF_MARK).exists()


def is_forbidden() -> bool:
    """Whether CXR_SITE_WATCHING is off, so that nobody can switch watching on from a page."""
    return os.environ.get(VARIABLE, "").strip().lower() == OFF


def switch_watching(on: bool) -> None:
    """Count readings from now on, or no longer; what was counted stays.

    Raises SiteError where nothing can be written.
    """
    mark = site_folder() / OFF_MARK
    try:
        if on:
            mark.unlink(missing_ok=True)
        else:
            atomic_write(mark, "")
    except OSError as error:
        raise SiteError(
            f"{printable(site_folder())} cannot be written: {error.strerror or error}; watching was not switched"
        ) from error


def count_reading(reading: Reading, week: str) -> Week:
    """The counts of a single reading; empty for one of the program's own drawings."""
    codes = {concern.code for concern in reading.concerns}
    if DRAWING in codes:
        return Week(week=week)
    return Week(
        week=week,
        read=int(reading.status == "read"),
        refused=int(reading.status == "refused"),
        flags=dict.fromkeys(sorted(codes), 1),
        findings=count_findings(reading),
    )


def count_findings(reading: Reading) -> tuple[FindingCounts, ...]:
    """The counts of a reading's findings that have a verdict, by model."""
    return tuple(
        _count_finding(opinion)
        for opinion in split_opinions(reading.findings)
        if opinion.has_verdict and opinion.card is not None and opinion.logit is not None
    )


def name_week(moment: datetime) -> str:
    """The ISO week of a time: `2026-W48`."""
    year, week, _ = moment.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02}"


class Watcher:
    """Adds readings to the site's statistics; safe for threads. One per process suffices."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Week] = {}  # what could not be written yet, by week

    def add(self, reading: Reading, moment: datetime | None = None) -> None:
        """Count a reading. moment: None = now. Never raises, and never waits for another process."""
        if is_watching():
            name = name_week(moment or datetime.now(UTC))
            self.add_counts(count_reading(reading, name))

    def add_counts(self, counts: Week) -> None:
        """Add counts to those of their week, as `add` does."""
        if counts == Week(week=counts.week) or not is_watching():
            return
        with self._lock:
            before = self._waiting.get(counts.week, Week(week=counts.week))
            self._waiting[counts.week] = before + counts
        self.write()

    def write(self, wait_s: float = 0.0) -> bool:
        """Write what waits; whether nothing waits any more. wait_s: for another process that is writing."""
        with self._lock:
            for name in list(self._waiting):
                if not _try_to_add(self._waiting[name], wait_s):
                    return False
                del self._waiting[name]
        return True


def read_weeks() -> tuple[tuple[Week, ...], tuple[str, ...]]:
    """Every week that is kept, the oldest first, and a sentence for each whose file is damaged."""
    weeks, problems = [], []
    for path in sorted(watching_folder().glob("[0-9]*.json")):
        try:
            weeks.append(_read_week(path))
        except (OSError, SilhouetteError) as error:
            reason = getattr(error, "strerror", None) or error
            problems.append(
                f"The statistics of the week {printable(path.stem)} cannot be read ({reason}); they are left out."
            )
    return tuple(weeks), tuple(problems)


def watching_folder() -> Path:
    """Where the statistics are."""
    return site_folder() / "watching"


def _count_finding(opinion: FindingReading) -> FindingCounts:
    assert opinion.card is not None
    assert opinion.logit is not None
    calibration = opinion.card.calibration[opinion.finding]
    log_odds = calibration.slope * opinion.logit + calibration.intercept
    place = min(max(math.floor(log_odds / BIN_WIDTH), LOWEST_BIN), HIGHEST_BIN)
    return FindingCounts(
        model=opinion.card.model,
        version=opinion.card.version,
        finding=opinion.finding,
        log_odds={str(place): 1},
        verdicts={opinion.call or "indeterminate": 1},
    )


def _try_to_add(counts: Week, wait_s: float) -> bool:
    """Add counts to the file of their week; False when that is not possible now."""
    folder = watching_folder()
    path = folder / f"{counts.week}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=wait_s):
            before = _read_or_begin(path)
            if before is None:
                before = Week(week=counts.week)
                _drop_old_weeks(folder)
            write_json(path, (before + counts).to_json())
    except OSError:  # the disk is full, or another process is writing
        return False
    return True


def _read_or_begin(path: Path) -> Week | None:
    """The counts of a week; None where there are none yet. A damaged file is moved aside. Raises OSError."""
    try:
        return _read_week(path)
    except FileNotFoundError:
        return None
    except SilhouetteError:
        path.replace(path.with_name(f"damaged-{path.name}"))
        return None


def _read_week(path: Path) -> Week:
    content = read_record_file(path, Week)
    if content.schema != SCHEMA or content.week != path.stem:
        raise RecordError(
            f"{printable(path.name)}: it is of the week {content.week}, schema {content.schema}"
        )
    return content


def _drop_old_weeks(folder: Path) -> None:
    remove_unfinished(folder)  # nobody else is writing
    for path in sorted(folder.glob("[0-9]*.json"))[: -KEPT_WEEKS + 1]:
        with suppress(OSError):
            path.unlink()


def _add(ours: Mapping[str, int], theirs: Mapping[str, int]) -> Mapping[str, int]:
    return dict(sorted((Counter(ours) + Counter(theirs)).items()))


def _add_findings(ours: FindingCounts, theirs: FindingCounts) -> FindingCounts:
    return replace(
        ours,
        log_odds=_add(ours.log_odds, theirs.log_odds),
        verdicts=_add(ours.verdicts, theirs.verdicts),
    )
