"""Which models are installed: those shipped in the tree, then those of the workspace.

A model is `<root>/<model>/<version>/`; of each model the highest version of the last root that has it is used.
"""

import json
import os
import re
from pathlib import Path

from cxr_core.models.card import CARD
from cxr_core.models.segmenter_card import SEGMENTER

SHIPPED = Path(__file__).resolve().parent.parent / "pretrained"


def workspace() -> Path:
    """The folder that everything is written under: $CXR_WORKSPACE, else ./workspace."""
    return Path(os.environ.get("CXR_WORKSPACE") or "workspace")


def installed(roots: tuple[Path, ...] | None = None) -> list[Path]:
    """The folder of each installed classifier, in the order of their names.

    Hidden and incomplete folders do not count.
    """
    return [folder for folder in _newest(roots) if not outlines(folder)]


def installed_segmenter(roots: tuple[Path, ...] | None = None) -> Path | None:
    """The folder of the installed model that outlines heart and lungs; the last by name if there are several."""
    return next((folder for folder in reversed(_newest(roots)) if outlines(folder)), None)


def _newest(roots: tuple[Path, ...] | None) -> list[Path]:
    newest: dict[str, Path] = {}
    for root in roots if roots is not None else (SHIPPED, workspace() / "models"):
        for model, folders in sorted(_versions(root).items()):
            newest[model] = max(folders, key=_version_key)
    return [newest[model] for model in sorted(newest)]


def outlines(folder: Path) -> bool:
    """Whether a model's card says that it outlines; a card that cannot be read is left to who loads it."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.get("kind") == SEGMENTER


def _versions(root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for card in root.glob(f"*/*/{CARD}"):
        folder = card.parent
        if not folder.name.startswith("."):
            found.setdefault(folder.parent.name, []).append(folder)
    return found


def _version_key(folder: Path) -> tuple[tuple[int, str], ...]:
    """Versions compare as people read them: 1.10 is above 1.9."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.\-+]", folder.name))
