"""Builds the shell command that makes an evaluation, and describes the recalibration methods."""

import shlex
from collections.abc import Sequence

from cxr_core.evaluation.store.catalogue import EvaluationRecord

FOLDER = "FOLDER"  # stands for films that nothing names
METHODS = {"line": "Slope and intercept", "temperature": "Temperature", "prior": "Prior shift"}
METHOD_HELP = {
    "line": "Log-odds are scaled and shifted. Corrects most miscalibration, and needs the most positive films.",
    "temperature": "Log-odds are divided by one number. Corrects probabilities that are too extreme or too timid.",
    "prior": "Odds are adjusted to a finding that is rarer or more frequent here than where the model was calibrated.",
}


def build_command(model: str, data: Sequence[str], split: str, *options: str) -> str:
    """The command as a shell takes it; names with blanks are quoted."""
    data_options = []
    for name in data or (FOLDER,):
        data_options += ["--data", name]
    words = ["python", "-m", "train.evaluate", model, *data_options, "--split", split, *options]
    return shlex.join(words)


def build_repeat_command(record: EvaluationRecord, *options: str) -> str:
    """The command that makes an evaluation again, in its own folder, with further options."""
    model = record.head.model
    for folder in (record.folder, record.folder.parent):
        if folder.name == "evaluation":  # of a run
            model = str(folder.parent)
            break
    data = [str(folder) for folder in record.data_folders]
    return build_command(model, data, record.head.split, "--out", str(record.folder), *options)
