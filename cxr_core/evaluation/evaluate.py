"""An installed model on one part of a dataset: predictions, and figures with their intervals."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.films import load_films
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.figures import finding_figures
from cxr_core.models.card import ModelCard
from cxr_core.models.store import CARD
from cxr_core.reading.classifier import Classifier

BATCH = 32


def predictions(classifier: Classifier, films: Manifest) -> pd.DataFrame:
    """One row per film and finding: image, patient, view, finding, label (NaN = unknown), logit, probability."""
    spec = classifier.card.input_spec
    outputs = []
    for grids in load_films(films, spec).batches(BATCH):
        outputs += classifier.read_grids(grids, [(spec.side, spec.side)] * len(grids))
    facts = films.table[["image", "patient", "view", "age"]].assign(image=films.names)
    tables = []
    for index, key in enumerate(classifier.card.findings):
        known = key in films.table.columns
        tables.append(
            facts.assign(
                finding=key,
                label=films.table[key] if known else np.nan,
                logit=[float(output.logits[index]) for output in outputs],
                probability=[float(output.probabilities[index]) for output in outputs],
                unfamiliarity=[output.unfamiliarity for output in outputs],
            )
        )
    return pd.concat(tables, ignore_index=True)


def figures(card: ModelCard, table: pd.DataFrame) -> dict[str, Any]:
    """The figures of every finding that has labels: over all films, and for PA and AP apart where both occur.

    Raises DataError when the part has no label for any of the model's findings.
    """
    found: dict[str, Any] = {}
    for key in card.findings:
        rows = table[(table["finding"] == key) & table["label"].notna()]
        if rows.empty:
            continue
        found[key] = _figures_of(card, key, rows)
        views = [view for view in ("PA", "AP") if (rows["view"] == view).any()]
        if len(views) > 1:
            found[key]["views"] = {view: _figures_of(card, key, rows[rows["view"] == view]) for view in views}
    if not found:
        raise DataError(f"the data has no labels for {', '.join(card.findings)}, so nothing can be measured")
    return found


def write_evaluation(out: Path, part: str, card: ModelCard, table: pd.DataFrame, found: dict[str, Any]) -> Path:
    """predictions.csv and metrics.json in a folder. Returns the path of metrics.json."""
    out.mkdir(parents=True, exist_ok=True)
    table.drop(columns=["age", "view"]).to_csv(out / "predictions.csv", index=False)
    summary = {"model": card.model, "version": card.version, "part": part, "findings": found}
    path = out / "metrics.json"
    path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return path


def record_in_card(folder: Path, card: ModelCard, part: str, found: dict[str, Any]) -> None:
    """Write the figures of a part into the card of a model folder, in one step."""
    updated = replace(card, metrics={**card.metrics, part: found})
    draft = folder / f".{CARD}"
    draft.write_text(updated.to_json(), encoding="utf-8")
    draft.replace(folder / CARD)


def _figures_of(card: ModelCard, key: str, rows: pd.DataFrame) -> dict[str, Any]:
    return finding_figures(
        rows["probability"].to_numpy(np.float64),
        rows["label"].to_numpy(np.float64),
        rows["patient"].to_numpy(),
        card.operating_points[key],
    )
