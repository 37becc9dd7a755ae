"""A model on one part of a dataset: predictions, figures with their intervals, curves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, quiet
from cxr_core.data.film_set import load_films
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.explanations.evaluate_attribution import heat_in_chest
from cxr_core.evaluation.explanations.evaluate_localisation import localise
from cxr_core.evaluation.metrics.curves import FindingCurves, finding_curves, training_curves
from cxr_core.evaluation.metrics.figures import (
    BALANCED,
    classification_report,
    finding_figures,
    macro_figures,
)
from cxr_core.evaluation.metrics.subgroups import subgroups
from cxr_core.evaluation.store.folder import Evaluation
from cxr_core.models.card import ModelCard
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import change_card, load_card, load_segmenter_card
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.results import ModelOutput
from cxr_core.reading.segmenter import Outliner

BATCH = 32


def evaluate(
    classifier: Classifier,
    films: Manifest,
    part: str,
    *,
    events: Iterable[Mapping[str, Any]] = (),
    outliner: Outliner | None = None,
    learnt: Manifest | None = None,
    progress: Progress = quiet,
) -> Evaluation:
    """All that one evaluation finds. films: of that part alone.  events: the progress of the model's run, if any.

    outliner: what outlines heart and lungs, to tell how much of the evidence lies inside them; None leaves that out.
    learnt: films with a part "train", whose boxes give the average box that heatmaps are compared with.
    progress: told (films read, films). Raises DataError without labels, ReadingError for a logit that is no number.
    """
    card, outputs = classifier.card, read_films(classifier, films, progress)
    table = table_of(card, films, outputs)
    found = figures(card, table)
    if outliner:
        evidence = {key: [output.evidence[key].cells for output in outputs] for key in found}
        for key, heat in heat_in_chest(
            outliner, films, evidence, card.input_spec, progress
        ).items():
            found[key]["heat_in_chest"] = heat
    for key, where in localise(classifier, films, outputs, learnt).items():
        found[key]["localisation"] = where
    labelled = _labelled(card, table)
    return Evaluation(
        card=card,
        part=part,
        data=data_facts(films),
        table=table,
        figures=found,
        reports={key: _report_of(card, key, rows) for key, rows in labelled.items()},
        curves={key: _curves_of(card, key, rows) for key, rows in labelled.items()},
        training=training_curves(events),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        macro=macro_figures({key: _arrays(rows) for key, rows in labelled.items()})
        if len(labelled) > 1
        else None,
    )


def data_facts(films: Manifest) -> dict[str, Any]:
    """What was measured on: films, patients, hashes, and the terms of the data."""
    return {
        "films": len(films.table),
        "patients": int(films.table["patient"].nunique()),
        "data_sha256": films.data_sha256(),
        "split_sha256": films.split_sha256(),
        "terms": films.terms,
    }


def predictions(
    classifier: Classifier, films: Manifest, progress: Progress = quiet
) -> pd.DataFrame:
    """What a classifier says of films, as `table_of` has it."""
    return table_of(classifier.card, films, read_films(classifier, films, progress))


def read_films(
    classifier: Classifier, films: Manifest, progress: Progress = quiet
) -> list[ModelOutput]:
    """A classifier's answers to films from the pixel cache, in their order."""
    spec = classifier.card.input_spec
    outputs: list[ModelOutput] = []
    for grids in load_films(films, spec).batches(BATCH):
        outputs += classifier.read_grids(grids, [(spec.side, spec.side)] * len(grids))
        progress(len(outputs), len(films.table))
    return outputs


def table_of(card: ModelCard, films: Manifest, outputs: Sequence[ModelOutput]) -> pd.DataFrame:
    """One row per film and finding: image, patient, finding, label (NaN = unknown), logit, probability, then facts."""
    tables = []
    for index, key in enumerate(card.findings):
        tables.append(
            pd.DataFrame(
                {
                    "image": films.names,
                    "patient": films.table["patient"],
                    "finding": key,
                    "label": films.table[key] if key in films.table.columns else np.nan,
                    "logit": [float(output.logits[index]) for output in outputs],
                    "probability": [float(output.probabilities[index]) for output in outputs],
                    "unfamiliarity": [output.unfamiliarity for output in outputs],
                    **{
                        name: films.table[name]
                        for name in ("view", "age", "sex", "source", "sha256")
                    },
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def figures(card: ModelCard, table: pd.DataFrame) -> dict[str, Any]:
    """The figures of every finding that has labels: over all films, PA and AP apart where both occur, and by subgroup.

    Raises DataError when the part has no label for any of the model's findings.
    """
    found: dict[str, Any] = {}
    for key, rows in _labelled(card, table).items():
        found[key] = _figures_of(card, key, rows)
        views = [view for view in ("PA", "AP") if (rows["view"] == view).any()]
        if len(views) > 1:
            found[key]["views"] = {
                view: _figures_of(card, key, rows[rows["view"] == view]) for view in views
            }
        found[key]["subgroups"] = subgroups(rows, card.operating_point(key, BALANCED)).to_json()
    return found


def record_in_card(
    folder: Path, card: ModelCard | SegmenterCard, part: str, found: Mapping[str, Any]
) -> None:
    """Write the figures of a part into the card of a model folder, beside what others have written there by now."""
    load = load_segmenter_card if isinstance(card, SegmenterCard) else load_card
    change_card(folder, lambda now: replace(now, metrics={**now.metrics, part: dict(found)}), load)


def _labelled(card: ModelCard, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows with a known label, of each of the model's findings that has any."""
    known = table[table["label"].notna()]
    found = {
        key: known[known["finding"] == key]
        for key in card.findings
        if (known["finding"] == key).any()
    }
    if not found:
        raise DataError(
            f"the data has no labels for {', '.join(card.findings)}, so nothing can be measured"
        )
    return found


def _figures_of(card: ModelCard, key: str, rows: pd.DataFrame) -> dict[str, Any]:
    return finding_figures(*_arrays(rows), card.operating_points[key])


def _report_of(card: ModelCard, key: str, rows: pd.DataFrame) -> dict[str, Any]:
    return classification_report(*_arrays(rows), card.operating_point(key, BALANCED))


def _curves_of(card: ModelCard, key: str, rows: pd.DataFrame) -> FindingCurves:
    return finding_curves(*_arrays(rows), card.operating_points[key])


def _arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels and patients, (N,) each."""
    return (
        rows["probability"].to_numpy(np.float64),
        rows["label"].to_numpy(np.float64),
        rows["patient"].to_numpy(),
    )
