"""Measures how far the installed models' answers move when a film changes in ways that should not matter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.metrics import auroc
from cxr_core.evaluation.robustness.film_changes import FILM_CHANGES
from cxr_core.evaluation.robustness.phantom_series import (
    PhantomResponse,
    PhantomSeries,
    build_heart_series,
    build_opacity_series,
    measure_response,
)
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.phantom.phantom import draw_phantom
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.figures import Figure
from cxr_core.models.resolution import ResolutionFigures
from cxr_core.reading.interpret import interpret
from cxr_core.reading.opinions import split_opinions
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import DRAWING, Reader
from cxr_core.reading.results import Examination, FindingReading
from cxr_core.workspace.json_record import JsonRecord
from cxr_core.workspace.outside_files import read_outside_file

OPERATING_POINT = "youden"
CHILD_AGE_YEARS, ADULT_AGE_YEARS = 3.0, 50.0  # of the phantoms
UNCHANGED = ""


@dataclass(frozen=True, kw_only=True)
class StabilityFigures(JsonRecord):
    """How far the probabilities of the same films moved after one change, with 95 % intervals over patients.

    mean_change: of the probability, without sign.  calls_changed: share of films whose call changed.
    auroc_change: after - before, on films with a label; None without any.  largest_change: of a single film.
    """

    mean_change: Figure
    calls_changed: Figure
    auroc_change: Figure | None = None
    largest_change: float
    n: int


@dataclass(frozen=True, kw_only=True)
class FindingStability:
    """The stability of one model on one finding, by change. model: name and version."""

    model: str
    finding: str
    changes: Mapping[str, StabilityFigures]


@dataclass(frozen=True, kw_only=True)
class StabilityMetrics(JsonRecord):
    """metrics.json of a stability study. films: how many were sampled.  seed: of the sample.  data: hash of the films.

    models: figures by model, finding and change.  resolution: by model and finding, of films in sizes and formats.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"split": "part"}

    split: str
    films: int
    seed: int
    data: str
    models: Mapping[str, Mapping[str, Mapping[str, StabilityFigures]]]
    resolution: Mapping[str, Mapping[str, ResolutionFigures]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelResponse:
    """The response of one model to one phantom series. model: name and version."""

    model: str
    series: str
    response: PhantomResponse


@dataclass(frozen=True, kw_only=True)
class _FilmAnswer:
    """One model's answer on one film after one change. image: the path of the film.  label: 1, 0 or NaN."""

    image: str
    patient: str
    change: str
    model: str
    version: str
    finding: str
    probability: float
    call: str | None
    label: float


def evaluate_stability(
    reader: Reader,
    films: Manifest,
    count: int,
    seed: int = 0,
    progress: Progress = ignore_progress,
) -> tuple[FindingStability, ...]:
    """The stability of every installed model on `count` films sampled at random.

    films: usable and decoded. Raises DataError when no model reads any of the sampled films.
    """
    sample = np.sort(np.random.default_rng(seed).permutation(len(films.table))[:count])
    answers: list[_FilmAnswer] = []
    for done, index in enumerate(sample, 1):
        answers += _read_changed_film(reader, films.paths[index], films.table.iloc[index])
        progress(done, len(sample))
    if not answers:
        raise DataError(
            "no installed model reads any of these films; the Models page shows for whom each model is"
        )
    table = pd.DataFrame(answers)
    return tuple(
        FindingStability(
            model=f"{model} {version}", finding=finding, changes=_compare_changes(rows)
        )
        for (model, version, finding), rows in table.groupby(["model", "version", "finding"])
    )


def evaluate_phantoms(
    reader: Reader, progress: Progress = ignore_progress
) -> tuple[ModelResponse, ...]:
    """The response of every installed model to phantoms, on the findings that it answers."""
    series = [
        build(age)
        for build in (build_heart_series, build_opacity_series)
        for age in (CHILD_AGE_YEARS, ADULT_AGE_YEARS)
    ]
    responses = []
    for done, one in enumerate(series, 1):
        for model, probabilities in _read_series(reader, one).items():
            response = measure_response(one, probabilities)
            responses.append(ModelResponse(model=model, series=one.name, response=response))
        progress(done, len(series))
    return tuple(responses)


def compute_stability(
    before: np.ndarray,
    after: np.ndarray,
    call_changed: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
) -> StabilityFigures:
    """Compare the answers to the same films before and after one change.

    before, after: probabilities (N,).  call_changed: (N,) bool.  labels: (N,) 1, 0 or NaN.  patients: (N,).
    """
    movement = np.abs(after - before)
    labelled = ~np.isnan(labels)

    def measure_movement(resamples: Resamples) -> dict[str, np.ndarray]:
        weights = resamples.to_weights()
        total = weights.sum(axis=1)
        return {
            "mean_change": weights @ movement / total,
            "calls_changed": weights @ call_changed / total,
        }

    def measure_auroc(resamples: Resamples) -> dict[str, np.ndarray]:
        weights = resamples.to_weights()
        auroc_after = auroc(after[labelled], labels[labelled], weights)
        return {"auroc_change": auroc_after - auroc(before[labelled], labels[labelled], weights)}

    figures = to_figures(bootstrap_patients(measure_movement, patients, by_film=True), labels)
    if labelled.any():
        values = bootstrap_patients(measure_auroc, patients[labelled], by_film=True)
        figures |= to_figures(values, labels[labelled])
    return StabilityFigures(
        mean_change=figures["mean_change"],
        calls_changed=figures["calls_changed"],
        auroc_change=figures.get("auroc_change"),
        largest_change=round(float(movement.max()), 6),
        n=len(before),
    )


def format_stability(changes: Mapping[str, StabilityFigures]) -> str:
    """The figures of each change as a Markdown table."""
    lines = [
        "| change | films | mean change | largest | calls changed | AUROC change |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in changes.items():
        cells = [
            name,
            str(figures.n),
            _format_figure(figures.mean_change),
            f"{figures.largest_change:.3f}",
            _format_figure(figures.calls_changed),
            _format_figure(figures.auroc_change),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _format_figure(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "undefined"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _read_changed_film(reader: Reader, path: Path, row: pd.Series) -> Iterator[_FilmAnswer]:
    """Every model's answers to a film as it is and after each change."""
    film = decode_film(read_outside_file(path, MAX_BYTES))
    patient = patient_of_row(row)
    films = {UNCHANGED: film, **{name: change(film) for name, change in FILM_CHANGES.items()}}
    for change, changed_film in films.items():
        flags = find_quality_flags(changed_film)
        for reading in read_film(reader, changed_film, patient, flags):
            if reading.probability is None or reading.model is None:
                continue
            yield _FilmAnswer(
                image=str(path),
                patient=row["patient"],
                change=change,
                model=reading.model,
                version=reading.version or "",
                finding=reading.finding,
                probability=reading.probability,
                call=reading.call,
                label=row.get(reading.finding, np.nan),
            )


def patient_of_row(row: pd.Series) -> Patient:
    """Age and view as a manifest's row has them."""
    age, view = row["age"], row["view"]
    return Patient(
        age_years=None if pd.isna(age) else float(age),
        view=view if view in ("PA", "AP", "LATERAL") else None,
    )


def read_film(
    reader: Reader, film: Radiograph, patient: Patient, concerns: tuple[QualityFlag, ...]
) -> list[FindingReading]:
    """The findings that a reading of this film shows, at the balanced operating point: one of each model.

    concerns: its quality flags, as they count for the measured ratio.
    """
    examination = Examination(
        sha256="",
        film=film,
        concerns=concerns,
        outputs=tuple(classifier.read(film) for classifier in reader.classifiers),
        segmentation=reader.segmenter.segment(film) if reader.segmenter else None,
        seconds=0.0,
    )
    return split_opinions(interpret(examination, patient, OPERATING_POINT).findings)


def _read_series(reader: Reader, series: PhantomSeries) -> dict[str, list[list[float]]]:
    """Probabilities (chests, V) by model, of the models that read these phantoms."""
    by_model: dict[str, list[list[float]]] = {}
    for chest in series.chests:
        rows: dict[str, list[float]] = {}
        for spec in chest:
            film = draw_phantom(spec)
            patient = Patient(age_years=film.age_years, view=film.view)
            for reading in read_film(reader, film, patient, (DRAWING,)):
                if reading.finding == series.finding and reading.probability is not None:
                    model = f"{reading.model} {reading.version}"
                    rows.setdefault(model, []).append(reading.probability)
        for model, row in rows.items():
            by_model.setdefault(model, []).append(row)
    return by_model


def _compare_changes(answers: pd.DataFrame) -> dict[str, StabilityFigures]:
    """By change, against the unchanged films. answers: of one model and finding."""
    unchanged = answers[answers["change"] == UNCHANGED].set_index("image")
    figures = {}
    for change in FILM_CHANGES:
        after = answers[answers["change"] == change].set_index("image")
        after = after.loc[after.index.intersection(unchanged.index)]
        before = unchanged.loc[after.index]
        figures[change] = compute_stability(
            before["probability"].to_numpy(np.float64),
            after["probability"].to_numpy(np.float64),
            (before["call"] != after["call"]).to_numpy(),
            before["label"].to_numpy(np.float64),
            before["patient"].to_numpy(),
        )
    return figures
