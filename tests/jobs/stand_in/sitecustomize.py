"""On PYTHONPATH this puts the stand-ins beside it in the place of two commands, in every process with that path."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from pathlib import Path

STAND_INS = {"train.fit": "fit.py", "train.evaluate": "evaluate.py"}


class StandInFinder(importlib.abc.MetaPathFinder):
    """Finds a stand-in under the name of the command."""

    def find_spec(self, name, path=None, target=None):
        if name not in STAND_INS:
            return None
        return importlib.util.spec_from_file_location(
            name, Path(__file__).with_name(STAND_INS[name])
        )


sys.meta_path.insert(0, StandInFinder())
