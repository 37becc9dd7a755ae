"""Finds models as a command line names them: by folder, by run, or by the name of an installed one."""

from pathlib import Path

from cxr_core.errors import ModelError, RunError
from cxr_core.models.card import CARD
from cxr_core.models.registry.registry import find_segmenter, list_classifiers
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.run_data import find_run


def find_model_folder(name: str) -> Path:
    """A model folder, the model of a run folder, or an installed model by name.

    Raises RunError for a run without a model, ModelError when nothing has that name.
    """
    for folder in (Path(name), Path(name) / "model"):
        if (folder / CARD).is_file():
            return folder
    if find_run(Path(name)):
        raise RunError(f"{name} has no model yet; resume it: python -m train.fit --resume {name}")
    installed = {folder.parent.name: folder for folder in list_classifiers()}
    segmenter = find_segmenter()
    if segmenter is not None:
        installed[segmenter.parent.name] = segmenter
    if name not in installed:
        raise ModelError(
            f"{name!r} is no model folder, run folder or installed model; installed: {', '.join(installed)}"
        )
    return installed[name]


def load_segmenter_named(name: str | None) -> Segmenter | None:
    """The segmentation model of that name or folder, or the installed one; None when none is installed."""
    folder = find_model_folder(name) if name else find_segmenter()
    return Segmenter.load(folder) if folder else None
