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
from cxr_core.evaluation.metrics.curves import compute_finding_curves
from cxr_core.evaluation.metrics.figures import compute_finding_figures
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.loaded import load_evaluation, compute_finding_view
from cxr_core.models.card import OperatingPoint

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
        moves = np.random.default_rng(0).integers(1, 999, RERUNS) / 1000
        times = [milliseconds(app.slider[0].set_value(float(move)).run) for move in moves]
        opening = (
            milliseconds(lambda: compute_finding_view(load_evaluation(load_record(folder)), "cardiomegaly", None))
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
    from pages.components import session
    from pages.components.evaluation.tabs.threshold import show_threshold

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
    arrays = (table["probability"].to_numpy(), label, table["patient"].to_numpy(str))
    head = {
        "schema": 1,
        "model": "none",
        "version": "0",
        "part": "test",
        "data": {},
        "made": "2026-01-01",
    }
    few = tuple(each[:500] for each in arrays)  # the page reads figures, and computes none
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        table.to_csv(place / "predictions.csv", index=False)
        curves = {"cardiomegaly": compute_finding_curves(*few, POINTS).to_json()}
        (place / "curves.json").write_text(json.dumps({"findings": curves, "training": None}))
        figures = {"cardiomegaly": compute_finding_figures(*few, POINTS)}
        (place / "metrics.json").write_text(json.dumps(head | {"findings": figures}))
        yield place
