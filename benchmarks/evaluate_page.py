"""How soon the Evaluate page answers to a moved threshold, with the 25,596 films of NIH CXR8's official test list."""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from streamlit.testing.v1 import AppTest

from benchmarks.table import Row, milliseconds, p95
from cxr_core.evaluation.metrics.curves import EvaluationCurves, compute_finding_curves
from cxr_core.evaluation.metrics.figures import compute_finding_figures
from cxr_core.evaluation.metrics.results import (
    EvaluatedData,
    EvaluationHead,
    EvaluationMetrics,
)
from cxr_core.evaluation.metrics.sweep import THRESHOLD_STEPS
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.folder import CURVES, PREDICTIONS, SCHEMA, write_files
from cxr_core.evaluation.store.loaded import compute_finding_view, load_evaluation
from cxr_core.models.card import OperatingPoint
from cxr_core.version import VERSION

FILMS, PATIENTS, SHARE = 25_596, 2_797, 0.04
RERUNS = 40
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"FILMS": 600, "PATIENTS": 100, "RERUNS": 2}
POINTS = (OperatingPoint(name="youden", threshold=0.1, source="a benchmark"),)


def rows() -> list[Row]:
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    with _evaluation() as folder:
        view = compute_finding_view(load_evaluation(load_record(folder)), "cardiomegaly", None)
        app = AppTest.from_function(_fragment, args=(view,), default_timeout=120).run()
        moves = np.random.default_rng(0).choice(THRESHOLD_STEPS, RERUNS)
        times = [milliseconds(app.select_slider[0].set_value(float(move)).run) for move in moves]
        opening = (
            milliseconds(
                lambda: compute_finding_view(
                    load_evaluation(load_record(folder)), "cardiomegaly", None
                )
            )
            / 1000
        )
    return [
        Row(
            f"Evaluate page: the threshold moved, {FILMS:,} films, on the server, p95",
            p95(times),
            "ms",
            "<= 100",
        ),
        Row(
            f"Evaluate page: curves and bands of {FILMS:,} films, 1,000 resamples, once",
            opening,
            "s",
            "",
        ),
    ]


def _fragment(view):  # type: ignore[no-untyped-def]
    """What a fragment rerun runs, and nothing else; its imports are its own, since Streamlit runs its text alone."""
    from pages.components.evaluation.tabs.threshold import show_threshold
    from pages.components.session import evaluate_page_state

    show_threshold(evaluate_page_state(), view)


@contextmanager
def _evaluation() -> Iterator[Path]:
    """An evaluation folder with made-up probabilities."""
    chance = np.random.default_rng(0)
    label = (chance.random(FILMS) < SHARE).astype(float)
    logit = chance.normal(1.8 * label - 3.2, 1.0)
    table = pd.DataFrame(
        {
            "image": [f"{number:08}.png" for number in range(FILMS)],
            "patient": chance.integers(0, PATIENTS, FILMS).astype(str),
            "finding": "cardiomegaly",
            "label": label,
            "logit": logit,
            "probability": 1 / (1 + np.exp(-logit)),
            "view": "PA",
            "age": 50.0,
            "sex": "F",
        }
    )
    few = table.head(500)  # the page reads figures, and computes none
    arrays = (
        few["probability"].to_numpy(),
        few["label"].to_numpy(),
        few["patient"].to_numpy(str),
    )
    head = EvaluationHead(
        schema=SCHEMA,
        model="none",
        version="0",
        weights_sha256="",
        split="test",
        data=EvaluatedData(
            films=FILMS, patients=PATIENTS, data_sha256="", split_sha256="", terms=""
        ),
        made="2026-01-01",
        software=VERSION,
    )
    metrics = EvaluationMetrics(
        **head.as_keywords(),
        operating_point=POINTS[0].name,
        findings={"cardiomegaly": compute_finding_figures(*arrays, POINTS)},
        classification_report={},
    )
    curves = EvaluationCurves(
        **head.as_keywords(),
        findings={"cardiomegaly": compute_finding_curves(*arrays, POINTS)},
        training=None,
    )
    with tempfile.TemporaryDirectory() as folder:
        contents = {
            PREDICTIONS: table.to_csv(index=False),
            CURVES: json.dumps(curves.to_json()),
        }
        write_files(Path(folder), contents, metrics)
        yield Path(folder)
