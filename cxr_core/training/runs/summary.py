"""What a table shows of one run beside its state: settings, and figures on validation and on test films.

Importing this module loads no torch.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_core.models.card import CARD
from cxr_core.training.runs.figures import (
    METRICS_FILE,
    RunFigure,
    best_validation_figure,
    collect_figures,
    find_headline,
)
from cxr_core.training.runs.progress import read_progress
from cxr_core.training.runs.run_files import (
    EVALUATION,
    MODEL,
    RUN_PROGRESS,
    RUN_RECIPE,
    read_recipe_values,
)
from cxr_core.workspace.json_files import Json, JsonObject, read_json_object

SUMMARISED_FILES = (
    f"{MODEL}/{CARD}",
    f"{EVALUATION}/{METRICS_FILE}",
    RUN_PROGRESS,
    RUN_RECIPE,
)


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run in short.

    settings: the values of its recipe by dotted name.  figures: every figure of its model.  validation: the one that
    stands for it on validation films; of a run without a model the best so far.  test: the same on test films, None
    where it was not measured.  test_films: the hash of the films that it was tested on; empty for none.
    """

    settings: Mapping[str, Json]
    figures: tuple[RunFigure, ...] = ()
    validation: RunFigure | None = None
    test: RunFigure | None = None
    test_films: str = ""


def summarise_run(run: Path) -> RunSummary:
    """The summary of a run that is not running, from its files."""
    figures = collect_figures(run)
    validation = find_headline(figures, "validation")
    if validation is None:
        validation = best_validation_figure(read_progress(run))
    test = find_headline(figures, "test")
    return RunSummary(
        settings=read_settings(run),
        figures=figures,
        validation=validation,
        test=test,
        test_films=_read_test_films(run) if test else "",
    )


def stamp_summary(run: Path) -> str:
    """A text that changes with the files that a summary is read from."""
    return "|".join(_stamp(f"{run}/{name}") for name in SUMMARISED_FILES)


def read_settings(run: Path) -> dict[str, Json]:
    """The fields of a run's recipe by dotted name."""
    return dict(_flatten(read_recipe_values(run)))


def _read_test_films(run: Path) -> str:
    """The hash of the whole test split, also where the figures are of the intended population alone."""
    data = (read_json_object(run / EVALUATION / METRICS_FILE) or {}).get("data")
    if not isinstance(data, dict):
        return ""
    population = data.get("population")
    split = population if isinstance(population, dict) else data
    return str(split.get("data_sha256", ""))


def _flatten(table: JsonObject) -> Iterator[tuple[str, Json]]:
    for key, value in table.items():
        if isinstance(value, dict):
            for name, nested in _flatten(value):
                yield f"{key}.{name}", nested
        else:
            yield key, value


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_mtime_ns}:{status.st_ino}"
