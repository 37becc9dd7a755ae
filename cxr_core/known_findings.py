"""The findings that can be named here: those that come with the program, and those that this workspace defines.

<workspace>/findings.json holds the definitions. A model's card carries those of its own findings, so that it can be
read with in a workspace that does not have them.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from filelock import FileLock

from cxr_core.errors import RecordError, SettingsError
from cxr_core.findings import FINDINGS, NO_FINDING_ALIASES, STRUCTURES, Finding, spell_aliases
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import JsonRecord, read_record_file
from cxr_core.workspace.paths import printable, workspace

FINDINGS_FILE = "findings.json"
KEY = re.compile(r"[a-z][a-z0-9_]{1,39}")
MAX_NAME, MAX_DEFINITION = 60, 500
NAME_SIGNS = frozenset(" -,()/'’.+&%")  # signs that neither Markdown nor HTML gives a meaning
LOCAL_MARK = "locally defined"
# Keys that a table of films, a mapping of labels or a file of figures uses for something else.
RESERVED_KEYS = frozenset(
    [
        *("image", "patient", "split", "source", "view", "age", "sex", "status", "reason"),
        *("sha256", "width", "height", "bits", "concerns", "boxes", "study", "birth", "present"),
        *("study_date", "left_out", "finding", "findings", "label", "logit", "probability"),
        *("ignore", "detect", "none", "loss", "mean", "all", "cardiothoracic_ratio"),
        *STRUCTURES,
    ]
)


@dataclass(frozen=True, kw_only=True)
class LocalFinding(JsonRecord):
    """A finding that a workspace defines. Raises SettingsError for a key, name or definition that cannot be used.

    key: 2 to 40 small letters, digits and underscores.  name: up to 60 letters, digits and signs such as - ( ) /.
    definition: up to 500 characters on one line.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    key: str
    name: str
    definition: str

    def __post_init__(self) -> None:
        problem = _find_problem(self)
        if problem:
            raise SettingsError(problem)

    @property
    def marked_name(self) -> str:
        """The name with the remark that it is locally defined, as every page and report shows it."""
        return f"{self.name} ({LOCAL_MARK})"

    def to_finding(self) -> Finding:
        """The finding as datasets and recipes look it up."""
        aliases = spell_aliases(self.key, self.name)
        return Finding(self.key, self.name, self.definition, aliases)


@dataclass(frozen=True, kw_only=True)
class FindingsRecord(JsonRecord):
    """findings.json."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = 1
    findings: tuple[LocalFinding, ...] = ()


def known_findings() -> Mapping[str, Finding]:
    """Every finding by key: those that ship, then the workspace's own. Raises SettingsError for a damaged file."""
    local = [each.to_finding() for each in local_findings().values()]
    return {**FINDINGS, **{each.key: each for each in local if each.key not in FINDINGS}}


def local_findings() -> Mapping[str, LocalFinding]:
    """The findings that this workspace defines, by key. Raises SettingsError when their file is damaged."""
    path = workspace() / FINDINGS_FILE
    try:
        status = path.stat()
    except OSError:
        return {}
    return _read_findings(path.absolute(), (status.st_mtime_ns, status.st_size, status.st_ino))


def select_local_findings(keys: Iterable[str]) -> tuple[LocalFinding, ...]:
    """The workspace's definitions of those of the keys that do not ship; a run and a card carry them."""
    wanted = [key for key in keys if key not in FINDINGS]
    if not wanted:
        return ()
    known = local_findings()
    return tuple(known[key] for key in wanted if key in known)


def find_finding(key: str) -> Finding | None:
    """The finding with this key; None for an unknown one. The workspace is read only for keys that do not ship."""
    return FINDINGS.get(key) or known_findings().get(key)


def finding_named(label: str) -> Finding | None:
    """The finding with this name or alias, in any case; None for an unknown one."""
    alias = label.strip().lower()
    return next((each for each in known_findings().values() if alias in each.aliases), None)


def is_finding_key(text: str) -> bool:
    """Whether a text can be the key of a finding, defined here or not."""
    return text in FINDINGS or (KEY.fullmatch(text) is not None and text not in RESERVED_KEYS)


def order_findings(keys: Iterable[str]) -> list[str]:
    """Keys in the program's order; those that do not ship follow in the order given."""
    given = list(dict.fromkeys(keys))
    return [key for key in FINDINGS if key in given] + [key for key in given if key not in FINDINGS]


def define_finding(key: str, name: str, definition: str) -> LocalFinding:
    """Define a finding in this workspace. The same definition again changes nothing.

    Raises SettingsError when it cannot be used, or when its key or name belongs to another finding.
    """
    texts = {"name": name, "definition": definition}
    tidy = {
        field: " ".join(unicodedata.normalize("NFC", text).split()) for field, text in texts.items()
    }
    finding = LocalFinding(key=key.strip(), **tidy)
    adopt_findings([finding])
    return finding


def adopt_findings(findings: Iterable[LocalFinding]) -> None:
    """Add definitions to this workspace, all or none. Raises SettingsError where one contradicts those it has."""
    new = list(findings)
    if not new:
        return
    home = workspace()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".findings.lock"):
            known = dict(local_findings())
            for finding in new:
                require_no_collision(finding, known)
                known[finding.key] = finding
            if known != local_findings():
                write_json(
                    home / FINDINGS_FILE, FindingsRecord(findings=tuple(known.values())).to_json()
                )
    except OSError as error:
        raise SettingsError(
            f"{printable(home / FINDINGS_FILE)} cannot be written: {error.strerror}; free space, or set CXR_WORKSPACE "
            "to another folder"
        ) from error


def require_no_collision(
    finding: LocalFinding, known: Mapping[str, LocalFinding] | None = None
) -> None:
    """Raises SettingsError when the key or the name of a finding means another one, or the same with another text.

    known: the definitions that it is compared with; those of the workspace unless given.
    """
    others = local_findings() if known is None else known
    names = spell_aliases(finding.key, finding.name)
    for shipped in FINDINGS.values():
        if names & shipped.aliases:
            raise SettingsError(
                f"{finding.key!r} ({finding.name}) is another name of the finding {shipped.key!r} ({shipped.name}), "
                "which comes with the program; use that one, or choose another key and name"
            )
    if names & NO_FINDING_ALIASES:
        raise SettingsError(
            f"{finding.key!r} ({finding.name}) says that there is no finding; choose another key and name"
        )
    for other in others.values():
        if other.key == finding.key and other != finding:
            raise SettingsError(
                f"{finding.key!r} is defined in this workspace as {other.name}: {other.definition!r}; found "
                f"{finding.name}: {finding.definition!r}. Use the definition that is there, or choose another key"
            )
        if other.key != finding.key and names & spell_aliases(other.key, other.name):
            raise SettingsError(
                f"{finding.key!r} ({finding.name}) would have the same name as {other.key!r} ({other.name}), which "
                "this workspace defines; use that one, or choose another name"
            )


@lru_cache(maxsize=8)
def _read_findings(path: Path, _version: tuple[int, int, int]) -> Mapping[str, LocalFinding]:
    try:
        record = read_record_file(path, FindingsRecord)
    except (OSError, RecordError, SettingsError) as error:
        raise SettingsError(
            f"{printable(path)} cannot be read ({error}); correct it, or move it away and define the findings again"
        ) from error
    return {finding.key: finding for finding in record.findings}


def _find_problem(finding: LocalFinding) -> str:
    """Why a definition cannot be used; empty when it can."""
    if not KEY.fullmatch(finding.key):
        return (
            f"{_shorten(finding.key)} cannot be the key of a finding; use 2 to 40 small letters a to z, digits and "
            "underscores, beginning with a letter, such as rib_fracture"
        )
    if finding.key in RESERVED_KEYS:
        return f"the key {finding.key!r} has another meaning in this program; choose another one"
    if not 1 <= len(finding.name) <= MAX_NAME or not all(map(_may_be_in_name, finding.name)):
        return (
            f"{_shorten(finding.name)} cannot be the name of a finding; use up to {MAX_NAME} letters, digits and the "
            "signs - , ( ) / ' . + & %, such as Rib fracture"
        )
    if not finding.name[0].isalnum():
        return f"the name {_shorten(finding.name)} must begin with a letter or a digit"
    definition = finding.definition
    if not definition.strip() or len(definition) > MAX_DEFINITION or not definition.isprintable():
        return (
            f"the definition of {finding.key!r} must have 1 to {MAX_DEFINITION} characters on one line; found "
            f"{len(definition):,}: {_shorten(definition)}"
        )
    return ""


def _may_be_in_name(char: str) -> bool:
    return char.isalnum() or char in NAME_SIGNS or unicodedata.category(char) in ("Mn", "Mc")


def _shorten(text: str) -> str:
    shown = printable(text)
    return repr(shown if len(shown) <= 60 else f"{shown[:60]}…")
