"""The process of a trial: `python -m cxr_core.reading.trial_run.trial_process FOLDER MEMORY_BYTES SECONDS`.

The answer is {"refused": reason}, empty when the model read every drawing as a page, a command and a report need it:
for patients of every age and view, at every operating point, with heatmaps, finite and not the same for every film.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxr_core.errors import ModelError
from cxr_core.film.phantom.phantom import SAMPLES, draw_phantom
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import OPERATING_POINTS
from cxr_core.models.card_file import is_segmenter
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.reading.report.html import render_html_report
from cxr_core.reading.report.report import Report, render_json_report
from cxr_core.reading.results import HEATMAP_METHODS, Examination
from cxr_core.workspace.child_process import connect_to_parent, limit_computing_time, limit_memory

if TYPE_CHECKING:  # they import torch, which is left to the process
    from cxr_core.reading.classifier import Classifier
    from cxr_core.reading.reader import Reader

PATIENTS = (
    Patient(),
    *(Patient(age_years=age, view=view) for age in (0, 4, 17, 45, 100) for view in ("PA", "AP")),
)
# Neither chest nor square, so that a model's numbers must be finite on anything.
ODD_FILMS = (np.full((64, 300), 0.5, np.float32), np.eye(200, dtype=np.float32))


def serve_parent(folder: Path, memory_limit: int, time_limit_s: float) -> None:
    """Try the model of a folder and tell the parent. memory_limit: bytes.  time_limit_s: of computing."""
    limit_computing_time(time_limit_s)
    parent = connect_to_parent()
    limit_memory(memory_limit)
    reason = ""
    try:
        read_drawings(folder)
    except ModelError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a model from elsewhere makes a library raise
        reason = f"the model fails on a drawing: {type(error).__name__}: {error}"
    parent.send({"refused": reason[:2000]})


def read_drawings(folder: Path) -> None:
    """Read the drawings with a model, and with the installed models beside it. Raises ModelError, and anything else."""
    from cxr_core.reading.classifier import Classifier
    from cxr_core.reading.reader import Reader
    from cxr_core.reading.segmenter import Segmenter

    try:
        reader = Reader.installed(backend="torch")  # the limit on memory is made for that
    except ModelError:  # every installed one is damaged, for which this one is not to blame
        reader = Reader.installed([])
    films = [draw_phantom(spec) for spec in SAMPLES.values()]
    films += [Radiograph(pixels=pixels, container="drawing") for pixels in ODD_FILMS]
    if is_segmenter(folder):
        reader = replace(reader, segmenter=Segmenter.load(folder))
    else:
        reader = replace(reader, classifiers=(Classifier.load(folder),))
    examinations = [_read_film(reader, film) for film in films]
    if is_segmenter(folder):
        _require_different([each.segmentation.maps for each in examinations if each.segmentation])
    else:
        _require_different([each.outputs[0].logits for each in examinations])
        _draw_heatmaps(reader.classifiers[0], examinations[0])


def _read_film(reader: "Reader", film: Radiograph) -> Examination:
    from cxr_core.reading.reader import DRAWING

    examination = Examination(
        sha256="",
        film=film,
        concerns=(DRAWING,),
        outputs=tuple(classifier.read(film) for classifier in reader.classifiers),
        segmentation=reader.segmenter.segment(film) if reader.segmenter else None,
        seconds=0.0,
    )
    readings = [
        interpret(examination, patient, point) for patient in PATIENTS for point in OPERATING_POINTS
    ]
    for reading in readings:
        json.dumps(reading.to_json("drawing"), allow_nan=False)
    report = Report(
        reading=readings[0],
        examination=examination,
        file="drawing",
        made=datetime.now(UTC),
        software_version="",
    )
    render_json_report(report)
    render_html_report(report)
    return examination


def _draw_heatmaps(classifier: "Classifier", examination: Examination) -> None:
    (output,), film = examination.outputs, examination.film
    assert film is not None
    for finding in classifier.card.findings:
        for method in HEATMAP_METHODS:
            attribution = classifier.explain(output, finding, method)
            if not np.isfinite(attribution.cells).all():
                raise ModelError(f"the model's heatmap of {finding} by {method} is not finite")
            overlay_heatmap(film.pixels, attribution.on_film(), attribution.scale)


def _require_different(results: Sequence[np.ndarray]) -> None:
    """Raises ModelError when a model's results (L,) or (3, h, w) are the same for every drawing."""
    if all(np.array_equal(results[0], result) for result in results):
        raise ModelError(
            f"the model gives the same result for {len(results)} different drawings, so it has learnt nothing"
        )


if __name__ == "__main__":
    serve_parent(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
