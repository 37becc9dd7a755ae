"""Backbones and heads of a user's own: functions of Python files in the workspace's code folder.

A recipe and a card name one as `file:my_net.py:build`. Such a file runs with the rights of the account that runs this
program. So it runs only once somebody has allowed this very file, by its sha256; a changed file has to be allowed anew.
Only the file itself is hashed: it should import installed packages alone.
"""

import ast
import hashlib
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeGuard

from filelock import FileLock

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.errors import CodeRefused, FileRefused, RecipeError, RecordError
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import JsonRecord, read_record_file
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import workspace

PREFIX = "file:"
MAX_CODE_BYTES = 1 << 20
ALLOWED = "allowed.json"
REFERENCE = re.compile(
    r"file:(?P<file>[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\.py):(?P<function>[A-Za-z_]\w{0,79})"
)


@dataclass(frozen=True)
class CodeReference:
    """A function of a file in the code folder."""

    file: str
    function: str


@dataclass(frozen=True, kw_only=True)
class AllowedFile(JsonRecord):
    """A file that may run: its sha256, its name, and when somebody allowed it."""

    sha256: str
    file: str
    when: str


@dataclass(frozen=True, kw_only=True)
class AllowedFiles(JsonRecord):
    """The files of the code folder that may run (allowed.json)."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    files: tuple[AllowedFile, ...] = field(default=())


def is_code_reference(name: object) -> TypeGuard[str]:
    """Whether the name of a backbone or head, which a card may hold wrongly, is one of a file."""
    return isinstance(name, str) and name.startswith(PREFIX)


def parse_reference(name: str) -> CodeReference:
    """The file and the function that a name stands for. Raises RecipeError for one of another form."""
    match = REFERENCE.fullmatch(name)
    if match is None:
        raise RecipeError(
            f"{name!r:.200} does not name a function of a file; write file:my_net.py:build for the function build of "
            f"{code_folder() / 'my_net.py'}"
        )
    return CodeReference(match["file"], match["function"])


def code_folder() -> Path:
    """Where the files lie, and no other is run."""
    return workspace() / "code"


def list_references() -> list[str]:
    """Every function at the top of a file in the code folder, as a recipe names it; no file is run."""
    references = []
    for path in sorted(code_folder().glob("*.py")):
        try:
            tree = ast.parse(read_outside_file(path, MAX_CODE_BYTES))
        except (FileRefused, SyntaxError, ValueError):
            continue  # said once somebody names it
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        references += [f"{PREFIX}{path.name}:{name}" for name in names if not name.startswith("_")]
    return [name for name in references if REFERENCE.fullmatch(name)]


def hash_code(names: Iterable[str]) -> dict[str, str]:
    """The sha256 of each file that some of these names of backbones and heads refer to. Raises CodeRefused."""
    files = dict.fromkeys(parse_reference(name).file for name in names if is_code_reference(name))
    return {file: hashlib.sha256(_read_code(file)).hexdigest() for file in files}


def is_allowed(sha256: str) -> bool:
    """Whether a file with this hash may run."""
    return any(allowed.sha256 == sha256 for allowed in _load_allowed().files)


@perform_action("permission of a user's own code", Role.ADMIN)
def allow_code(code: Mapping[str, str]) -> None:
    """Allow files, given by name and hash, to run from now on; `forbid_code` takes that back."""
    new = tuple(AllowedFile(sha256=sha, file=file, when=utc_now()) for file, sha in code.items())
    _update_allowed(lambda files: (*files, *(each for each in new if not is_allowed(each.sha256))))


@perform_action("prohibition of a user's own code", Role.ADMIN)
def forbid_code(code: Mapping[str, str]) -> None:
    """Let files, given by name and hash, no longer run."""
    forbidden = set(code.values())
    _update_allowed(lambda files: tuple(each for each in files if each.sha256 not in forbidden))


def require_allowed(code: Mapping[str, str]) -> None:
    """Raises CodeRefused for the first file that nobody has allowed."""
    for file, sha256 in code.items():
        if not is_allowed(sha256):
            raise CodeRefused(
                f"{file} (sha256 {sha256[:12]}…) has not been allowed to run. It would run with your rights: read it, "
                "then allow it on the Train page, or by the flag allow-code of train.fit"
            )


def load_function(reference: CodeReference, sha256: str | None = None) -> Callable[..., Any]:
    """Run an allowed file and return its function. sha256: that the file must have; None = any that is allowed.

    Raises CodeRefused when the file is not there, not allowed, another one, raises, or has no such function.
    """
    source = _read_code(reference.file)
    found = hashlib.sha256(source).hexdigest()
    if sha256 is not None and found != sha256:
        raise CodeRefused(
            f"{reference.file} in {code_folder()} has changed: its sha256 is {found[:12]}…, and {sha256[:12]}… is "
            "needed. Put the former file back"
        )
    require_allowed({reference.file: found})
    module = _run(reference.file, source, found)
    function = getattr(module, reference.function, None)
    if not callable(function):
        known = [name for name, value in vars(module).items() if callable(value)]
        raise CodeRefused(
            f"{reference.file} has no function {reference.function}; it has {', '.join(known) or 'none'}"
        )
    return function  # type: ignore[no-any-return]


def call_function(
    reference: CodeReference, sha256: str | None, arguments: Mapping[str, Any]
) -> Any:
    """What the function returns for these keywords. Raises CodeRefused as `load_function`, and when it fails."""
    function = load_function(reference, sha256)
    try:
        return function(**arguments)
    except (Exception, SystemExit) as error:
        raise explain_error(reference.file, error, f"as {reference.function} ran") from error


def explain_error(file: str, error: BaseException, when: str) -> CodeRefused:
    """The sentence for what a user's file has raised, with the line."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    where = f" in line {lines[-1]}" if lines else ""
    text = " ".join(str(error).split())[:300]
    return CodeRefused(f"{file} raised {type(error).__name__}{where} {when}: {text}. Mend the file")


def _run(file: str, source: bytes, sha256: str) -> ModuleType:
    name = f"user_code_{sha256[:16]}"
    module = ModuleType(name)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(source, file, "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise explain_error(file, error, "as it was imported") from error
    return module


def _read_code(file: str) -> bytes:
    try:
        return read_outside_file(code_folder() / file, MAX_CODE_BYTES)
    except FileRefused as refusal:
        raise CodeRefused(
            f"{file} cannot be read from {code_folder()}: {refusal.reason}; copy it there"
        ) from refusal


def _load_allowed() -> AllowedFiles:
    path = code_folder() / ALLOWED
    try:
        return read_record_file(path, AllowedFiles) if path.exists() else AllowedFiles()
    except (OSError, RecordError) as error:
        raise CodeRefused(
            f"the list of allowed files cannot be read: {error}. Delete {path}, and allow the files again"
        ) from error


def _update_allowed(
    change: Callable[[tuple[AllowedFile, ...]], tuple[AllowedFile, ...]],
) -> None:
    folder = code_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{ALLOWED}.lock"):
            record = AllowedFiles(files=change(_load_allowed().files))
            write_json(folder / ALLOWED, record.to_json())
    except OSError as error:
        raise CodeRefused(
            f"{folder / ALLOWED} cannot be written: {error.strerror}; allow writing there"
        ) from error
