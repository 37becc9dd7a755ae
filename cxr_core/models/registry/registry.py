"""Finds the installed models: those shipped with the program, then those of the workspace.

A model is `<root>/<model>/<version>/`. At most one version of each model is active: the one that
`<root>/<model>/current.json` names, or else the highest one under the last root that has the model. A version that came
from a zip file is active only if that file names it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cxr_core.models.card import CARD
from cxr_core.models.card_file import is_segmenter
from cxr_core.workspace.json_files import Json, JsonObject, read_json_object
from cxr_core.workspace.paths import SHIPPED_MODELS, workspace

POINTER = "current.json"  # in a model's folder, beside its versions: names the active one
# In the folder of all models: the pointers that one step changes together, until each is in its own place.
CHANGE = ".change.json"
IMPORT_RECORD = "imported.json"  # in the folder of a version that came from a zip file


@dataclass(frozen=True)
class ActiveVersion:
    """The version of a model that readings are made with. reason: why current.json is not followed, mostly empty."""

    folder: Path
    reason: str = ""

    @property
    def version(self) -> str:
        """Its version, which is the folder's name."""
        return self.folder.name


@dataclass(frozen=True)
class Pointer:
    """What a current.json says. record: empty when it cannot be read."""

    path: Path
    record: JsonObject


def list_classifiers(roots: tuple[Path, ...] | None = None) -> list[Path]:
    """The folder of each installed classifier's active version, in the order of their names.

    Hidden and incomplete folders do not count.  roots: None = the shipped models and the workspace.
    """
    folders = [active.folder for active in list_active_versions(roots)]
    return [folder for folder in folders if not is_segmenter(folder)]


def find_segmenter(roots: tuple[Path, ...] | None = None) -> Path | None:
    """The folder of the installed segmenter's active version; the last by name if there are several."""
    for active in reversed(list_active_versions(roots)):
        if is_segmenter(active.folder):
            return active.folder
    return None


def list_active_versions(roots: tuple[Path, ...] | None = None) -> list[ActiveVersion]:
    """The active version of each model that has one, in the order of their names."""
    found = (find_active_version(model, roots) for model in list_models(roots))
    return [active for active in found if active is not None]


def list_models(roots: tuple[Path, ...] | None = None) -> list[str]:
    """The names of all installed models, sorted."""
    names: set[str] = set()
    for root in roots or _default_roots():
        names.update(folder.parent.name for folder in find_version_folders(root))
    return sorted(names)


def list_versions(model: str, roots: tuple[Path, ...] | None = None) -> list[Path]:
    """The folders of a model's versions, the lowest first. A version under two roots is the last root's."""
    folders: dict[str, Path] = {}
    for root in roots or _default_roots():
        for folder in _find_versions(root, model):
            folders[folder.name] = folder
    return [folders[name] for name in sorted(folders, key=version_sort_key)]


def find_active_version(model: str, roots: tuple[Path, ...] | None = None) -> ActiveVersion | None:
    """The active version of a model; None when it is not installed, or none of its versions is active."""
    roots = roots or _default_roots()
    folders = {folder.name: folder for folder in list_versions(model, roots)}
    pointer = find_pointer(model, roots)
    record = pointer.record if pointer else {}
    version = record.get("version")
    if isinstance(version, str) and version in folders:
        return ActiveVersion(folders[version])
    highest = _find_highest_version(model, roots)
    if highest is None or record.get("active") is False:
        return None
    if pointer is None:
        return ActiveVersion(highest)
    problem = _describe_pointer(pointer.path, model, version)
    return ActiveVersion(
        highest,
        f"{problem}, so {model} {highest.name}, the highest version, is active. Activate a version to correct this.",
    )


def find_pointer(model: str, roots: tuple[Path, ...] | None = None) -> Pointer | None:
    """What says which version of a model is active; None where nobody has ever chosen one."""
    for root in reversed(roots or _default_roots()):
        path = root / model / POINTER
        changing = (read_json_object(root / CHANGE) or {}).get("pointers")
        record = changing.get(model) if isinstance(changing, dict) else None
        if isinstance(record, dict):
            return Pointer(path, record)
        if path.exists():
            return Pointer(path, read_json_object(path) or {})
    return None


def list_pointer_problems() -> list[str]:
    """A sentence for each model whose current.json is damaged, whether or not a version of it is active."""
    problems = []
    for model in list_models():
        active = find_active_version(model)
        problems.append(active.reason if active else explain_inactive(model))
    return [problem for problem in problems if problem]


def explain_inactive(model: str) -> str:
    """Why a model has no active version, where its current.json is damaged; empty where somebody chose to have none.

    Such a model has imported versions only: of others the highest would be active.
    """
    pointer = find_pointer(model, _default_roots())
    if pointer is None or pointer.record.get("active") is False:
        return ""
    problem = _describe_pointer(pointer.path, model, pointer.record.get("version"))
    return f"{problem}, so no version of {model} is active. Activate one to correct this."


def describe_left_out(folder: Path, problem: object) -> str:
    """The sentence that names a version which cannot be used. problem: an error or its text."""
    name = f"{folder.parent.name} {folder.name}"
    return f"{name} is left out and reads no film: {str(problem).rstrip('.')}."


def registry_fingerprint() -> str:
    """A text that differs whenever another version is active or a file of an active one was changed."""
    parts = []
    for active in list_active_versions():
        parts.append(f"{active.folder}:{active.reason}")
        with suppress(OSError):  # it is being removed
            for file in sorted(active.folder.iterdir()):
                status = file.stat()
                parts.append(f"{file.name}:{status.st_ino}:{status.st_mtime_ns}")
    return "|".join(parts)


def find_version_folders(root: Path) -> Iterator[Path]:
    """The folders MODEL/VERSION with a card under a root; hidden ones are incomplete and do not count."""
    for card in root.glob(f"[!.]*/[!.]*/{CARD}"):
        yield card.parent


def find_models_from_run(run: str) -> list[str]:
    """The installed models, as `name version`, whose card says that they came from a run."""
    models: list[Path] = []
    for root in _default_roots():
        models += [folder for folder in find_version_folders(root) if _published_run(folder) == run]
    return sorted(f"{folder.parent.name} {folder.name}" for folder in models)


def version_sort_key(version: str) -> tuple[tuple[int, str], ...]:
    """Versions sort as people read them: 1.10 is above 1.9."""
    return tuple(
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"[.\-+]", version)
    )


def _default_roots() -> tuple[Path, ...]:
    return SHIPPED_MODELS, workspace() / "models"


def _find_versions(root: Path, model: str) -> list[Path]:
    """The version folders of one model under a root. The folders of other models are not opened.

    model: may come from an old report, so it is looked for in the list of names and never joined to a path before.
    """
    if model.startswith(".") or not root.is_dir() or model not in os.listdir(root):
        return []
    return [card.parent for card in (root / model).glob(f"[!.]*/{CARD}")]


def _find_highest_version(model: str, roots: tuple[Path, ...]) -> Path | None:
    """The highest version under the last root that has the model, imported ones aside; None when there is none."""
    for root in reversed(roots):
        folders = [
            folder
            for folder in _find_versions(root, model)
            if not (folder / IMPORT_RECORD).exists()
        ]
        if folders:
            return max(folders, key=lambda folder: version_sort_key(folder.name))
    return None


def _describe_pointer(pointer: Path, model: str, version: Json) -> str:
    """Why a current.json whose `version` is not an installed one is not followed."""
    if not isinstance(version, str):
        return f"{pointer} cannot be read"
    return f"{pointer} names {model} {version}, which is gone"


def _published_run(folder: Path) -> str:
    """The run that an installed model came from; empty when its card does not say."""
    training = (read_json_object(folder / CARD) or {}).get("training")
    published = training.get("published") if isinstance(training, dict) else None
    run = published.get("run") if isinstance(published, dict) else None
    return run if isinstance(run, str) else ""
