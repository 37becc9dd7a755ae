"""`python -m train.fit` in processes forked from one that has imported it, which takes longer than a tiny run."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import cxr_core.training.fit  # noqa: F401 - which the command imports once it has read the recipe
from train.fit import main

# From a server, not from the process of the tests: where there is a GPU, nothing learns in a fork of one that has.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "pytest"])


def fork_fit(arguments: list[str], workspace: Path, output: Path) -> ForkServerProcess:
    """Start the command with these arguments. output: the file for what it prints."""
    process = FORKS.Process(target=_fit, args=(arguments, workspace, output), daemon=True)
    process.start()
    return process


def _fit(arguments: list[str], workspace: Path, output: Path) -> None:
    os.environ["CXR_WORKSPACE"] = str(workspace)
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(main(arguments))
