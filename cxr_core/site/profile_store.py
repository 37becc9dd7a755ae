"""Keeps the profile of the site: what is installed for readings, why, and everything that was installed before.

`<workspace>/site/profile.json` alone says what readings use. It is written in one step, so a kill leaves the profile as
it was or changed, never half. Each change is also a line of `profile_history.jsonl`, which only grows; a kill between
the two loses no line, as the profile holds the last change itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from filelock import FileLock

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.errors import RecordError, SilhouetteError, SiteError
from cxr_core.models.figures import MeanFigure
from cxr_core.models.registry.registry import find_active_version
from cxr_core.reading.site_profile import ModelProfile, SiteProfile
from cxr_core.workspace.atomic import remove_unfinished
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import JsonRecord, parse_record, read_record_file
from cxr_core.workspace.jsonl import append_line, read_jsonl, utc_now
from cxr_core.workspace.log import add_details
from cxr_core.workspace.paths import printable, workspace

PROFILE, HISTORY = "profile.json", "profile_history.jsonl"
SCHEMA = 1
MIN_PATIENTS = 20  # with labelled films, below which no recalibration is installed


@dataclass(frozen=True, kw_only=True)
class Evidence(JsonRecord):
    """Why a recalibration is better: the calibration error on films of the site that it was not fitted on.

    before, after: cross-validated by patient, with 95 % intervals.  record: the name of the acceptance record.
    """

    before: MeanFigure
    after: MeanFigure
    record: str = ""


@dataclass(frozen=True, kw_only=True)
class ProfileChange(JsonRecord):
    """One change of the profile, as the history keeps it.

    when: ISO 8601, UTC.  reason: in the words of whoever made it.  profile: what was installed, or was in use until it
    was revoked.  replaces: what it took the place of, None where nothing was installed.  evidence: None without a
    recalibration.
    """

    when: str
    what: Literal["installed", "revoked"]
    reason: str
    profile: ModelProfile
    replaces: ModelProfile | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, kw_only=True)
class ProfileFile(JsonRecord):
    """What profile.json holds. installed: what readings use, and how it came to be so.  last: the last change."""

    schema: int = SCHEMA
    installed: tuple[ProfileChange, ...] = ()
    last: ProfileChange | None = None


def site_folder() -> Path:
    """Where the workspace keeps what is known about the site."""
    return workspace() / "site"


def load_profile() -> SiteProfile | None:
    """What readings at this site use; None where nothing is installed. A damaged profile is one that says so."""
    try:
        installed = _read_file().installed
    except SiteError as error:
        return SiteProfile(problem=f"{error} Readings go on without it.")
    if not installed:
        return None
    return SiteProfile(models=tuple(change.profile for change in installed))


def list_installed() -> tuple[ProfileChange, ...]:
    """What is installed, each with its reason and evidence. Raises SiteError for a damaged profile."""
    return _read_file().installed


def profile_fingerprint() -> str:
    """A text that differs whenever another profile is installed, one is revoked, or the file is changed otherwise."""
    path = (site_folder() / PROFILE).absolute()
    try:
        status = path.stat()
    except OSError as error:
        return f"{path}:{error.errno}"
    return f"{path}:{status.st_ino}:{status.st_mtime_ns}:{status.st_size}"


@perform_action("installation of a site profile", Role.ADMIN)
def install(
    profile: ModelProfile, reason: str, evidence: Evidence | None = None, *, when: str | None = None
) -> ModelProfile:
    """Install a profile for one finding of a model, in place of what is installed for them. Returns it with its date.

    reason: why, in words; kept.  evidence: needed for a recalibration.  when: ISO 8601, UTC; None = now.
    Raises SiteError when the reason is missing, the recalibration is not better, it rests on too few films, the
    model's version is not in use, the profile that is installed is damaged, or nothing can be written.
    """
    add_details(model=profile.model, version=profile.version, finding=profile.finding)
    _require_reason(reason)
    _require_worth(profile, evidence)
    _require_active_version(profile)
    when = when or utc_now()
    profile = replace(profile, installed_on=when[:10])
    with _site_lock():
        before = _read_file()
        replaced = _find(before.installed, profile.model, profile.finding)
        change = ProfileChange(
            when=when,
            what="installed",
            reason=reason.strip(),
            profile=profile,
            replaces=replaced.profile if replaced else None,
            evidence=evidence,
        )
        kept = [each for each in before.installed if each is not replaced]
        _write(before, replace(before, installed=(*kept, change), last=change))
    return profile


@perform_action("revocation of a site profile", Role.ADMIN)
def revoke(model: str, finding: str, reason: str, *, when: str | None = None) -> ModelProfile:
    """Take a profile out of use; readings are at once what the model's card says. Returns what was in use.

    Raises SiteError when the reason is missing, nothing is installed, the profile is damaged (see `discard_damaged`)
    or nothing can be written.
    """
    add_details(model=model, finding=finding)
    _require_reason(reason)
    with _site_lock():
        before = _read_file()
        installed = _find(before.installed, model, finding)
        if installed is None:
            raise SiteError(
                f"nothing is installed at this site for {finding} by {model}, so nothing is revoked"
            )
        change = ProfileChange(
            when=when or utc_now(), what="revoked", reason=reason.strip(), profile=installed.profile
        )
        kept = tuple(each for each in before.installed if each is not installed)
        _write(before, replace(before, installed=kept, last=change))
    return installed.profile


@perform_action("removal of a damaged site profile", Role.ADMIN)
def discard_damaged() -> Path:
    """Move a damaged profile out of the way, so that another can be installed. Returns where it is now.

    Raises SiteError when the profile is not damaged, or nothing can be written.
    """
    path = site_folder() / PROFILE
    with _site_lock():
        try:
            _read_file()
        except SiteError:
            aside = path.with_name(f"{PROFILE}.damaged-{utc_now('microseconds').replace(':', '')}")
            try:
                path.replace(aside)
            except OSError as error:
                raise _cannot_write(error) from error
            return aside
    raise SiteError(f"{printable(path)} is not damaged; to take a profile out of use, revoke it")


def read_history() -> list[ProfileChange]:
    """Every change, the newest first. Raises SiteError when the history cannot be read."""
    try:
        changes = [
            parse_record(ProfileChange, line) for line in read_jsonl(site_folder() / HISTORY)
        ]
    except SilhouetteError as error:
        raise SiteError(f"the history of the site's profile cannot be read: {error}") from error
    with suppress(SiteError):  # a damaged profile hides no history
        last = _read_file().last
        if last is not None and last not in changes:
            changes.append(last)
    return changes[::-1]


def _find(installed: Sequence[ProfileChange], model: str, finding: str) -> ProfileChange | None:
    for change in installed:
        if (change.profile.model, change.profile.finding) == (model, finding):
            return change
    return None


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise SiteError("a reason is missing; say in a sentence why, it is kept with the record")


def _require_worth(profile: ModelProfile, evidence: Evidence | None) -> None:
    """Raises SiteError for a profile that changes nothing, or whose recalibration was not shown to be better."""
    if profile.calibration is None and not profile.decisions and profile.prevalence is None:
        raise SiteError("the profile changes nothing: no calibration, no thresholds, no prevalence")
    if profile.calibration is None:
        return
    if profile.patients < MIN_PATIENTS:
        raise SiteError(
            f"the recalibration rests on labelled films of {profile.patients} patients; at least {MIN_PATIENTS} are "
            "needed"
        )
    before, after = (evidence.before.value, evidence.after.value) if evidence else (None, None)
    if before is None or after is None:
        raise SiteError(
            "the recalibration has no calibration error before and after on films that it was not fitted on; "
            "cross-validate it by patient first"
        )
    if after >= before:
        raise SiteError(
            f"the recalibration is not better: its calibration error is {after:.3f}, that of the model itself "
            f"{before:.3f}. Nothing was installed"
        )


def _require_active_version(profile: ModelProfile) -> None:
    active = find_active_version(profile.model)
    if active is None or active.version != profile.version:
        in_use = f"{active.version} is" if active else "no version of it is"
        raise SiteError(
            f"the profile is of {profile.model} {profile.version}, and {in_use} in use here; repeat the acceptance "
            "test with the version in use"
        )


def _read_file() -> ProfileFile:
    path = site_folder() / PROFILE
    try:
        content = read_record_file(path, ProfileFile)
        if content.schema != SCHEMA:
            raise RecordError(f"schema: found {content.schema}, expected {SCHEMA}")
    except FileNotFoundError:
        return ProfileFile()
    except (OSError, SilhouetteError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SiteError(
            f"the profile of this site is damaged ({printable(str(reason))})."
        ) from error
    return content


def _write(before: ProfileFile, after: ProfileFile) -> None:
    """Write the profile, then the history. The caller holds the lock."""
    path = site_folder() / PROFILE
    try:
        if before.last is not None:
            _log(before.last)  # a kill may have come before its line
        remove_unfinished(path.parent, PROFILE)
        write_json(path, after.to_json(), durable=True)
    except OSError as error:
        raise _cannot_write(error) from error
    if after.last is not None:
        with suppress(OSError):  # the profile holds it; the next change writes the line
            _log(after.last)


def _log(change: ProfileChange) -> None:
    """Add a change to the history, unless it is there. Raises OSError."""
    history = site_folder() / HISTORY
    logged = []
    with suppress(RecordError):  # whoever looks at the history is told; a change need not wait
        logged = read_jsonl(history)
    line = change.to_json()
    if line not in logged:
        append_line(history, line)


@contextmanager
def _site_lock() -> Iterator[None]:
    """Hold the lock under which the profile is changed. Raises SiteError where nothing can be written."""
    lock = FileLock(site_folder() / ".profile.lock")
    try:
        site_folder().mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise _cannot_write(error) from error
    try:
        yield
    finally:
        lock.release()


def _cannot_write(error: OSError) -> SiteError:
    return SiteError(
        f"{printable(site_folder())} cannot be written: {error.strerror or error}. Nothing was changed. Free space, or "
        "allow writing there, and try again"
    )
