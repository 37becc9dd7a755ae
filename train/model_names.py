"""Models as a command line names them: by folder, by run, or as installed."""

from pathlib import Path

from cxr_core.errors import ModelError, RunError
from cxr_core.models.registry.registry import installed, installed_segmenter
from cxr_core.models.store import CARD
from cxr_core.reading.segmenter import Outliner
from cxr_core.training.run_data import run_in


def model_folder(name: str) -> Path:
    """A model folder, the model of a run folder, or an installed model by name."""
    for folder in (Path(name), Path(name) / "model"):
        if (folder / CARD).is_file():
            return folder
    if run_in(Path(name)):
        raise RunError(f"{name} has no model yet; go on with: python -m train.fit --resume {name}")
    segmenter = installed_segmenter()
    by_name = {
        folder.parent.name: folder for folder in (*installed(), *([segmenter] if segmenter else []))
    }
    if name not in by_name:
        raise ModelError(
            f"{name!r} is no model folder, run folder or installed model; installed: {', '.join(by_name)}"
        )
    return by_name[name]


def outliner_named(name: str | None) -> Outliner | None:
    """The model that outlines of that name or folder, or the installed one; None when there is none of both."""
    folder = model_folder(name) if name else installed_segmenter()
    return Outliner.load(folder) if folder else None
