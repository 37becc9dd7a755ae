"""A classifier's heatmaps on films with hand-drawn boxes, for every method that a reader can ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.film_set import load_films
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.explanations.evaluate_randomisation import FILMS, randomisation
from cxr_core.evaluation.explanations.localisation import (
    control_scores,
    localisation_figures,
    map_scores,
    method_figures,
    shown_shape,
)
from cxr_core.film.preprocess import Placement
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.methods import EXACT, METHODS
from cxr_core.reading.results import ModelOutput

ENOUGH_BOXES = 10  # of training films, to take the average box from them


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxedFilms:
    """The films of one finding that are labelled present and carry its boxes."""

    rows: np.ndarray  # (N,) positions among the films
    boxes: list[np.ndarray]  # (K, 4) of each: left, top, right, bottom in fractions of the film
    patients: np.ndarray  # (N,)
    unlabelled: int  # films that carry its boxes, but are not labelled present

    def others(self, index: int) -> np.ndarray:
        """(K, 4) the boxes of all patients but the one of a film."""
        theirs = [
            boxes
            for boxes, who in zip(self.boxes, self.patients, strict=True)
            if who != self.patients[index]
        ]
        return np.concatenate([np.zeros((0, 4)), *theirs])


def localise(
    classifier: Classifier,
    films: Manifest,
    outputs: Sequence[ModelOutput],
    learnt: Manifest | None = None,
) -> dict[str, dict[str, Any]]:
    """The figures of each of the model's findings that films carry boxes of; nothing where there are none.

    outputs: of the films, in their order.  learnt: films with a part "train", whose boxes give the average box; where
    they have fewer than ENOUGH_BOXES, it is that of the other patients measured.
    """
    found = {}
    for key in classifier.card.findings:
        boxed = boxed_films(films, key)
        if len(boxed.rows):
            found[key] = _localised(
                classifier, films, outputs, key, boxed, _boxes_learnt(learnt, films, key)
            )
    for key, figures in _randomised(classifier, films, tuple(found)).items():
        found[key]["randomisation"] = figures
    return found


def boxed_films(films: Manifest, finding: str) -> BoxedFilms:
    """The films to measure a finding's maps on; none where the finding has no labels."""
    of_image = {image: _edges(rows) for image, rows in _boxes_of(films, finding).groupby("image")}
    boxed = films.table["image"].isin(list(of_image)).to_numpy()
    present = (
        films.table[finding].to_numpy() == 1
        if finding in films.findings
        else np.zeros(len(boxed), bool)
    )
    rows = np.flatnonzero(boxed & present)
    return BoxedFilms(
        rows=rows,
        boxes=[of_image[image] for image in films.table["image"].iloc[rows]],
        patients=films.table["patient"].to_numpy(str)[rows],
        unlabelled=int((boxed & ~present).sum()),
    )


def _localised(
    classifier: Classifier,
    films: Manifest,
    outputs: Sequence[ModelOutput],
    key: str,
    boxed: BoxedFilms,
    from_training: np.ndarray,
) -> dict[str, Any]:
    sizes = films.table[["height", "width"]].to_numpy(int)[boxed.rows]
    shapes = [shown_shape(height, width) for height, width in sizes]
    training = len(from_training) >= ENOUGH_BOXES
    controls = [
        control_scores(boxes, from_training if training else boxed.others(i), shape)
        for i, (boxes, shape) in enumerate(zip(boxed.boxes, shapes, strict=True))
    ]
    scale = classifier.card.evidence_scale[key]

    def scores(method: str) -> list[dict[str, float]]:
        unit = scale if method == EXACT else None
        spec = classifier.card.input_spec
        maps = (classifier.explain(outputs[row], key, method).cells for row in boxed.rows)
        return [
            map_scores(Placement.fit(shape, spec).map_to_film(cells), boxes, unit)
            for cells, shape, boxes in zip(maps, shapes, boxed.boxes, strict=True)
        ]

    exact = scores(EXACT)
    others = {
        method: {"name": name, **method_figures(scores(method), exact, controls, boxed.patients)}
        for method, name in METHODS.items()
        if method != EXACT
    }
    return {
        "films": len(boxed.rows),
        "boxes": sum(map(len, boxed.boxes)),
        "patients": len(np.unique(boxed.patients)),
        "boxed_but_not_labelled": boxed.unlabelled,
        "cells": list(outputs[0].evidence[key].cells.shape),
        "method": METHODS[EXACT],
        "scale": scale,
        "average_box_from_training": len(from_training)
        if training
        else 0,  # boxes; 0: of the other patients
        **localisation_figures(exact, controls, boxed.patients),
        "methods": others,
    }


def _randomised(
    classifier: Classifier, films: Manifest, findings: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """On the first films that are measured for any of the findings."""
    if not findings:
        return {}
    rows = np.unique(np.concatenate([boxed_films(films, key).rows for key in findings]))[:FILMS]
    grids = load_films(films, classifier.card.input_spec).grids_of(rows)
    return randomisation(classifier, grids, films.table["patient"].to_numpy(str)[rows], findings)


def _boxes_learnt(learnt: Manifest | None, films: Manifest, finding: str) -> np.ndarray:
    """(K, 4) the boxes of training films of patients who are not measured."""
    if learnt is None:
        return np.zeros((0, 4))
    table = learnt.table
    apart = (table["split"] == "train") & ~table["patient"].isin(films.table["patient"])
    boxes = _boxes_of(learnt, finding)
    return _edges(boxes[boxes["image"].isin(table.loc[apart, "image"])])


def _boxes_of(films: Manifest, finding: str) -> pd.DataFrame:
    """The boxes of a finding that have an area."""
    boxes = films.boxes
    return boxes[(boxes["finding"] == finding) & (boxes["width"] > 0) & (boxes["height"] > 0)]


def _edges(boxes: pd.DataFrame) -> np.ndarray:
    sides = boxes[["left", "top", "width", "height"]].to_numpy(np.float64)
    return np.clip(np.concatenate([sides[:, :2], sides[:, :2] + sides[:, 2:]], axis=1), 0, 1)
