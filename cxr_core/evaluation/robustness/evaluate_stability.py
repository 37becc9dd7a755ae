"""The installed models as a reading uses them, on changed films and on drawn chests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, quiet
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.robustness.phantom_series import (
    DrawnSeries,
    answers_figures,
    hearts,
    opacities,
)
from cxr_core.evaluation.robustness.stability import CHANGES, stability_figures
from cxr_core.film.concern import Concern
from cxr_core.film.decoding.decode import decode
from cxr_core.film.phantom.phantom import draw
from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import DRAWING, Reader
from cxr_core.reading.results import Examination, FindingReading, interpret

POINT = "youden"
CHILD_YEARS, ADULT_YEARS = 3.0, 50.0  # ages that the drawn chests are given


def readings_of(
    reader: Reader, film: Radiograph, patient: Patient, concerns: tuple[Concern, ...] = ()
) -> tuple[FindingReading, ...]:
    """What a reading of a film would say, at the balanced operating point."""
    examination = Examination(
        sha256="",
        film=film,
        concerns=concerns,
        outputs=tuple(classifier.read(film) for classifier in reader.classifiers),
        anatomy=reader.outliner.outline(film) if reader.outliner else None,
        seconds=0.0,
    )
    return interpret(examination, patient, POINT).findings


def evaluate_stability(
    reader: Reader, films: Manifest, count: int, seed: int = 0, progress: Progress = quiet
) -> dict[str, Any]:
    """The figures of `stability_figures` by model, finding and change, on so many films drawn from a part.

    films: usable and decoded. Raises DataError when no model reads any of them.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(films.table))[:count])
    rows: list[dict[str, Any]] = []
    for done, place in enumerate(chosen, 1):
        rows += _rows_of(reader, films.paths[place], films.table.iloc[place])
        progress(done, len(chosen))
    if not rows:
        raise DataError(
            "no installed model reads any of these films; see for whom they are on the Models page"
        )
    answers = pd.DataFrame(rows)
    return {
        f"{model} {version}": {key: _of_changes(of) for key, of in found.groupby("finding")}
        for (model, version), found in answers.groupby(["model", "version"])
    }


def evaluate_drawings(reader: Reader, progress: Progress = quiet) -> dict[str, Any]:
    """How each model's probability follows what is drawn: `answers_figures` by model, for the finding it answers."""
    found: dict[str, Any] = {}
    series = [make(age) for make in (hearts, opacities) for age in (CHILD_YEARS, ADULT_YEARS)]
    for done, each in enumerate(series, 1):
        for model, probabilities in _answers(reader, each).items():
            found.setdefault(model, {})[each.name] = answers_figures(each, probabilities)
        progress(done, len(series))
    return found


def _rows_of(reader: Reader, path: Path, row: pd.Series) -> list[dict[str, Any]]:
    film = decode(path.read_bytes())
    age, view = row["age"], row["view"]
    patient = Patient(
        age_years=None if pd.isna(age) else float(age),
        view=view if view in ("PA", "AP", "LATERAL") else None,
    )
    found = []
    for name, change in {"": lambda film: film, **CHANGES}.items():
        for reading in readings_of(reader, change(film), patient):
            if reading.probability is None:
                continue
            found.append(
                {
                    "image": path.name,
                    "patient": row["patient"],
                    "change": name,
                    "model": reading.model,
                    "version": reading.version,
                    "finding": reading.finding,
                    "probability": reading.probability,
                    "call": reading.call,
                    "label": row[reading.finding] if reading.finding in row.index else np.nan,
                }
            )
    return found


def _of_changes(answers: pd.DataFrame) -> dict[str, Any]:
    """By change, against the films as they are."""
    plain = answers[answers["change"] == ""].set_index("image")
    found = {}
    for name in CHANGES:
        after = answers[answers["change"] == name].set_index("image")
        after = after.loc[after.index.intersection(plain.index)]
        before = plain.loc[after.index]
        found[name] = stability_figures(
            before["probability"].to_numpy(np.float64),
            after["probability"].to_numpy(np.float64),
            (before["call"] != after["call"]).to_numpy(),
            before["label"].to_numpy(np.float64),
            before["patient"].to_numpy(),
        )
    return found


def _answers(reader: Reader, series: DrawnSeries) -> dict[str, Sequence[Sequence[float]]]:
    """Probabilities (chests, V) by model, of the models that read the drawn patients."""
    found: dict[str, list[list[float]]] = {}
    for chest in series.specs:
        rows: dict[str, list[float]] = {}
        for spec in chest:
            film = draw(spec)
            for reading in readings_of(
                reader, film, Patient(age_years=film.age_years, view=film.view), (DRAWING,)
            ):
                if reading.finding == series.finding and reading.probability is not None:
                    rows.setdefault(f"{reading.model} {reading.version}", []).append(
                        reading.probability
                    )
        for model, row in rows.items():
            found.setdefault(model, []).append(row)
    return dict(found)
