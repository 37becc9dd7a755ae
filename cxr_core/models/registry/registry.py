"""Which models are installed: those shipped in the tree, then those of the workspace.

A model is `<root>/<model>/<version>/`. Of each model one version is in use: the one that `<root>/<model>/current.json`
names, or else the highest of the last root that has the model.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_core.models.card import CARD
from cxr_core.models.segmenter_card import SEGMENTER
from cxr_core.workspace.paths import SHIPPED_MODELS, workspace

CURRENT = "current.json"  # beside a model's versions: which of them is in use


@dataclass(frozen=True)
class InUse:
    """The version of a model that readings are made with. reason: why current.json is not followed; mostly empty."""

    folder: Path
    reason: str = ""

    @property
    def version(self) -> str:
        """Its version, which is the folder's name."""
        return self.folder.name


def installed(roots: tuple[Path, ...] | None = None) -> list[Path]:
    """The folder of each installed classifier, in the order of their names.

    Hidden and incomplete folders do not count.
    """
    return [folder for folder in _all_in_use(roots) if not outlines(folder)]


def installed_segmenter(roots: tuple[Path, ...] | None = None) -> Path | None:
    """The folder of the installed model that outlines heart and lungs; the last by name if there are several."""
    return next((folder for folder in reversed(_all_in_use(roots)) if outlines(folder)), None)


def models(roots: tuple[Path, ...] | None = None) -> list[str]:
    """The names of all installed models, in their order."""
    return sorted({model for root in roots or _roots() for model in _versions(root)})


def versions(model: str, roots: tuple[Path, ...] | None = None) -> list[Path]:
    """The folders of a model's versions, shipped or in the workspace, the lowest first.

    Of a version that two roots have, it is the last root's.
    """
    found = {
        folder.name: folder
        for root in roots or _roots()
        for folder in _versions(root).get(model, ())
    }
    return [found[name] for name in sorted(found, key=version_key)]


def in_use(model: str, roots: tuple[Path, ...] | None = None) -> InUse | None:
    """Which version of a model is in use; None when none is installed."""
    roots = roots or _roots()
    there = {folder.name: folder for folder in versions(model, roots)}
    if not there:
        return None
    last = next(found[model] for found in map(_versions, reversed(roots)) if model in found)
    highest = max(last, key=_folder_key)
    pointer = next(
        (path for root in reversed(roots) if (path := root / model / CURRENT).exists()), None
    )
    if pointer is None:
        return InUse(highest)
    version = read_current(pointer).get("version")
    if not isinstance(version, str):
        return InUse(
            highest,
            f"{pointer} cannot be read, so {model} {highest.name}, the highest version, is in use",
        )
    if version not in there:
        return InUse(
            highest,
            f"{pointer} names {model} {version}, which is gone, so {highest.name} is in use",
        )
    return InUse(there[version])


def read_current(pointer: Path) -> dict[str, Any]:
    """What a model's current.json says; empty when it cannot be read."""
    try:
        found = json.loads(pointer.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def fingerprint() -> str:
    """Another text whenever another version is in use, or a card was changed."""
    cards = [(folder / CARD, (folder / CARD).stat()) for folder in _all_in_use(None)]
    return "|".join(f"{path}:{status.st_ino}:{status.st_mtime_ns}" for path, status in cards)


def outlines(folder: Path) -> bool:
    """Whether a model's card says that it outlines; a card that cannot be read is left to who loads it."""
    return read_current(folder / CARD).get("kind") == SEGMENTER


def version_folders(root: Path) -> Iterator[Path]:
    """The folders MODEL/VERSION with a card under a root; hidden ones are drafts, and no models yet."""
    for card in root.glob(f"[!.]*/[!.]*/{CARD}"):
        yield card.parent


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Versions compare as people read them: 1.10 is above 1.9."""
    return tuple(
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.\-+]", version)
    )


def _roots() -> tuple[Path, ...]:
    return SHIPPED_MODELS, workspace() / "models"


def _all_in_use(roots: tuple[Path, ...] | None) -> list[Path]:
    found = (in_use(model, roots) for model in models(roots))
    return [each.folder for each in found if each is not None]


def _versions(root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in version_folders(root):
        found.setdefault(folder.parent.name, []).append(folder)
    return found


def _folder_key(folder: Path) -> tuple[tuple[int, str], ...]:
    return version_key(folder.name)
