"""Which films a run has learnt from, by the hash of their pixels: learnt.csv in the run's folder.

So that a later comparison can tell whether a model has seen the films that it, or another, is measured on.
"""

from pathlib import Path

import pandas as pd

from cxr_core.workspace.atomic import atomic_write

LEARNT = "learnt.csv"


def write_learnt(run: Path, films: pd.DataFrame) -> Path:
    """Write split and sha256 of the films that are trained and tuned on; visible only once it is whole."""
    return atomic_write(run / LEARNT, films[["split", "sha256"]].to_csv(index=False))


def read_learnt(folder: Path) -> frozenset[str] | None:
    """The hashes that a run, or the run that a folder inside it belongs to, has kept; None when there are none.

    folder: a run, or its evaluation at any depth of two.
    """
    for place in (folder, *folder.absolute().parents[:2]):
        try:
            return frozenset(pd.read_csv(place / LEARNT, dtype=str)["sha256"])
        except (OSError, ValueError, KeyError):
            continue
    return None
