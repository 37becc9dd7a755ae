"""The command that makes an evaluation, as a shell takes it, and the ways to recalibrate that it knows."""

import shlex
from collections.abc import Sequence

from cxr_core.evaluation.store.catalogue import Shelved

FOLDER = "FOLDER"  # stands for films that nothing names
METHODS = {"line": "Slope and intercept", "temperature": "Temperature", "prior": "Prior shift"}
MEANINGS = {
    "line": "Log-odds are stretched and shifted: mends most miscalibration, and needs the most positive films.",
    "temperature": "Log-odds are divided by one number: mends probabilities that are too extreme, or too timid.",
    "prior": "Odds are changed as the finding is rarer or more frequent here than where the model was calibrated.",
}


def command_of(model: str, data: Sequence[str], part: str, *more: str) -> str:
    """As a shell takes it, names with blanks in quotes."""
    given = [word for each in data or (FOLDER,) for word in ("--data", each)]
    return shlex.join(["python", "-m", "train.evaluate", model, *given, "--split", part, *more])


def again(shelved: Shelved, *more: str) -> str:
    """The command that makes an evaluation anew, in its own folder, with these words besides."""
    run = next(
        (p.parent for p in (shelved.folder, shelved.folder.parent) if p.name == "evaluation"), None
    )
    model = str(run) if run else str(shelved.metrics["model"])
    data = [str(folder) for folder in shelved.folders]
    return command_of(
        model, data, str(shelved.metrics["part"]), "--out", str(shelved.folder), *more
    )
