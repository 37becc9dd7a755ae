"""An evaluation read back from its folder, and all that is drawn of one finding in one view of its films."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bands import Bands, bands
from cxr_core.evaluation.charts.base import Chart
from cxr_core.evaluation.charts.threshold import distribution_chart, threshold_chart
from cxr_core.evaluation.metrics.curves import CalibrationBin, TrainingCurves, finding_curves
from cxr_core.evaluation.metrics.sweep import THRESHOLDS, Distribution, Sweep, distribution, sweep
from cxr_core.evaluation.store.catalogue import Shelved
from cxr_core.evaluation.store.folder import CURVES, PREDICTIONS, RECALIBRATION, REPORT

COLUMNS = ("image", "patient", "finding", "label", "logit", "probability", "view", "age", "sex")
TEXTS = ("image", "patient", "sex", "view", "source", "sha256")
VIEWS = ("PA", "AP")


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """One evaluation. predictions: as predictions.csv has them, image and patient as text.

    thresholds: by finding, each operating point's.  training: of the run, if the model is one's.
    recalibrated: as `adapt.adapted` gives it, where it was asked for.
    """

    shelved: Shelved
    predictions: pd.DataFrame
    thresholds: Mapping[str, Mapping[str, float]]
    training: TrainingCurves | None
    recalibrated: Mapping[str, Any] | None = None

    @property
    def metrics(self) -> Mapping[str, Any]:
        """metrics.json."""
        return self.shelved.metrics

    @property
    def findings(self) -> tuple[str, ...]:
        """Those that have labels, and so figures."""
        return tuple(self.metrics["findings"])

    def views(self, finding: str) -> tuple[str, ...]:
        """The views that have figures of their own."""
        return tuple(self.metrics["findings"][finding].get("views", ()))

    def figures(self, finding: str, view: str | None) -> Mapping[str, Any]:
        """The figures of a finding, over all films or one view's."""
        found: Mapping[str, Any] = self.metrics["findings"][finding]
        return found if view is None else found["views"][view]

    def films(self, finding: str, view: str | None) -> pd.DataFrame:
        """The predictions of one finding with a known label, of all views or one."""
        table = self.predictions
        kept = (table["finding"] == finding) & table["label"].notna()
        if view is not None:
            kept &= table["view"] == view
        return table[kept].reset_index(drop=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class FindingView:
    """What is drawn of one finding. films: a row per film, as `Opened.films`; points: operating point -> threshold."""

    films: pd.DataFrame
    points: Mapping[str, float]
    sweep: Sweep
    bands: Bands
    calibration: tuple[CalibrationBin, ...]
    distribution: Distribution

    @cached_property
    def distribution_chart(self) -> Chart:
        """Both classes' probabilities, drawn once: a threshold that moves only adds a line."""
        return distribution_chart(self.distribution)

    @cached_property
    def threshold_chart(self) -> Chart:
        """Figures against the threshold, drawn once as well."""
        return threshold_chart(self.bands.at_thresholds)


def open_evaluation(shelved: Shelved) -> Opened:
    """Read an evaluation's predictions and curves. Raises DataError when they are missing or damaged."""
    try:
        table = pd.read_csv(shelved.folder / PREDICTIONS, dtype=dict.fromkeys(TEXTS, str))
        curves = json.loads((shelved.folder / CURVES).read_text(encoding="utf-8"))
        lacking = [name for name in COLUMNS if name not in table]
        if lacking:
            raise ValueError(f"{PREDICTIONS} has no column {', '.join(lacking)}")
        training = curves["training"]
        return Opened(
            shelved=shelved,
            predictions=table,
            thresholds={
                key: {name: float(calls["threshold"]) for name, calls in found["confusion"].items()}
                for key, found in curves["findings"].items()
            },
            training=TrainingCurves(**training) if training else None,
            recalibrated=_recalibrated(shelved),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the evaluation in {shelved.folder} cannot be read ({error}); evaluate again"
        ) from error


def view_of(opened: Opened, finding: str, view: str | None) -> FindingView:
    """Compute all that is drawn. A second or two for 25,000 films: the bands are of 1,000 resamples."""
    films, points = opened.films(finding, view), opened.thresholds[finding]
    probabilities, labels = (
        films["probability"].to_numpy(np.float64),
        films["label"].to_numpy(np.float64),
    )
    patients = films["patient"].to_numpy(str)
    return FindingView(
        films=films,
        points=points,
        sweep=sweep(probabilities, labels),
        bands=bands(probabilities, labels, patients, np.unique([*THRESHOLDS, *points.values()])),
        calibration=finding_curves(probabilities, labels, patients, ()).calibration,
        distribution=distribution(probabilities, labels),
    )


def _recalibrated(shelved: Shelved) -> Mapping[str, Any] | None:
    path = shelved.folder / RECALIBRATION
    if not path.is_file():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found["findings"], dict):
        raise ValueError(f"{RECALIBRATION} names no findings")
    return found


def report_of(shelved: Shelved) -> str | None:
    """The page that was written with an evaluation; None without one."""
    try:
        return (shelved.folder / REPORT).read_text(encoding="utf-8")
    except OSError:
        return None
