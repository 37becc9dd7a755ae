"""Evaluates a classifier's heatmaps on films with hand-drawn boxes, for every method that a reader can choose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cxr_core.data.film_set import load_film_set
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.explanations.evaluate_randomisation import (
    MAX_FILMS,
    evaluate_randomisation,
)
from cxr_core.evaluation.explanations.localisation import (
    compare_method,
    compare_with_boxes,
    map_shape,
    score_controls,
    score_map,
)
from cxr_core.film.preprocess import Placement
from cxr_core.models.figures import Localisation, Randomisation
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.results import EXACT_METHOD, HEATMAP_METHODS, ModelOutput

MIN_TRAINING_BOXES = 10  # for an average box of the training films
NO_BOXES = np.zeros((0, 4))


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxedFilms:
    """The films of one finding that are labelled present and carry its boxes.

    rows: (N,) their positions among all films.  boxes: (K, 4) of each: left, top, right, bottom in fractions of the
    film.  patients: (N,).  not_labelled: films that carry its boxes and are not labelled present.
    """

    rows: np.ndarray
    boxes: list[np.ndarray]
    patients: np.ndarray
    not_labelled: int

    def boxes_of_others(self, index: int) -> np.ndarray:
        """(K, 4) the boxes of all patients but the one of a film."""
        pairs = zip(self.boxes, self.patients, strict=True)
        own = self.patients[index]
        others = [boxes for boxes, patient in pairs if patient != own]
        return np.concatenate([NO_BOXES, *others])


def evaluate_localisation(
    classifier: Classifier,
    films: Manifest,
    outputs: Sequence[ModelOutput],
    dataset: Manifest | None = None,
) -> dict[str, Localisation]:
    """Where the heatmaps of each finding point; only findings that films carry boxes of.

    outputs: of the films, in their order.  dataset: films of all splits, whose training boxes give the average box;
    with fewer than MIN_TRAINING_BOXES it is that of the other evaluated patients.
    """
    localisations = {}
    for key in classifier.card.findings:
        boxed = find_boxed_films(films, key)
        if len(boxed.rows):
            training_boxes = _select_training_boxes(dataset, films, key)
            localisations[key] = _compare_heatmaps(
                classifier, films, outputs, key, boxed, training_boxes
            )
    randomisations = _evaluate_randomisation(classifier, films, tuple(localisations))
    return {
        key: replace(localisation, randomisation=randomisations[key])
        for key, localisation in localisations.items()
    }


def find_boxed_films(films: Manifest, finding: str) -> BoxedFilms:
    """The films that a finding's heatmaps are evaluated on; none where the finding has no labels."""
    by_image = {
        image: _box_edges(rows) for image, rows in _select_boxes(films, finding).groupby("image")
    }
    boxed = films.table["image"].isin(list(by_image)).to_numpy()
    present = np.zeros(len(boxed), bool)
    if finding in films.findings:
        present = films.table[finding].to_numpy() == 1
    rows = np.flatnonzero(boxed & present)
    return BoxedFilms(
        rows=rows,
        boxes=[by_image[image] for image in films.table["image"].iloc[rows]],
        patients=films.table["patient"].to_numpy(str)[rows],
        not_labelled=int((boxed & ~present).sum()),
    )


def _compare_heatmaps(
    classifier: Classifier,
    films: Manifest,
    outputs: Sequence[ModelOutput],
    key: str,
    boxed: BoxedFilms,
    training_boxes: np.ndarray,
) -> Localisation:
    """The maps of every method on the boxed films of one finding, without the randomisation test."""
    sizes = films.table[["height", "width"]].to_numpy(int)[boxed.rows]
    shapes = [map_shape(height, width) for height, width in sizes]
    enough = len(training_boxes) >= MIN_TRAINING_BOXES
    controls = []
    for index, (boxes, shape) in enumerate(zip(boxed.boxes, shapes, strict=True)):
        others = training_boxes if enough else boxed.boxes_of_others(index)
        controls.append(score_controls(boxes, others, shape))
    spec, scale = classifier.card.input_spec, classifier.card.evidence_scale[key]

    def score_method(method: str) -> list[dict[str, float]]:
        unit = scale if method == EXACT_METHOD else None
        scores = []
        for row, shape, boxes in zip(boxed.rows, shapes, boxed.boxes, strict=True):
            cells = classifier.explain(outputs[row], key, method).cells
            on_film = Placement.fit(shape, spec).map_to_film(cells)
            scores.append(score_map(on_film, boxes, unit))
        return scores

    exact = score_method(EXACT_METHOD)
    comparison = compare_with_boxes(exact, controls, boxed.patients)
    rows, columns = outputs[0].attributions[key].cells.shape
    return Localisation(
        films=len(boxed.rows),
        boxes=sum(map(len, boxed.boxes)),
        patients=len(np.unique(boxed.patients)),
        not_labelled=boxed.not_labelled,
        cells=(rows, columns),
        method=HEATMAP_METHODS[EXACT_METHOD],
        scale=scale,
        training_boxes=len(training_boxes) if enough else 0,
        without_evidence=comparison.without_evidence,
        pointing=comparison.pointing,
        inside=comparison.inside,
        overlap=comparison.overlap,
        verdict=comparison.verdict,
        methods={
            method: compare_method(name, score_method(method), exact, controls, boxed.patients)
            for method, name in HEATMAP_METHODS.items()
            if method != EXACT_METHOD
        },
    )


def _evaluate_randomisation(
    classifier: Classifier, films: Manifest, findings: tuple[str, ...]
) -> dict[str, Randomisation]:
    """The randomisation test on the first films that carry boxes of any of the findings."""
    if not findings:
        return {}
    boxed = [find_boxed_films(films, key).rows for key in findings]
    rows = np.unique(np.concatenate(boxed))[:MAX_FILMS]
    grids = load_film_set(films, classifier.card.input_spec).take_grids(rows)
    patients = films.table["patient"].to_numpy(str)[rows]
    return evaluate_randomisation(classifier, grids, patients, findings)


def _select_training_boxes(dataset: Manifest | None, films: Manifest, finding: str) -> np.ndarray:
    """(K, 4) the boxes of training films of patients who are not evaluated."""
    if dataset is None:
        return NO_BOXES
    table = dataset.table
    apart = (table["split"] == "train") & ~table["patient"].isin(films.table["patient"])
    boxes = _select_boxes(dataset, finding)
    return _box_edges(boxes[boxes["image"].isin(table.loc[apart, "image"])])


def _select_boxes(films: Manifest, finding: str) -> pd.DataFrame:
    """The boxes of a finding that have an area."""
    boxes = films.boxes
    return boxes[(boxes["finding"] == finding) & (boxes["width"] > 0) & (boxes["height"] > 0)]


def _box_edges(boxes: pd.DataFrame) -> np.ndarray:
    """(K, 4) left, top, right, bottom, clipped to the film."""
    sides = boxes[["left", "top", "width", "height"]].to_numpy(np.float64)
    corners = np.concatenate([sides[:, :2], sides[:, :2] + sides[:, 2:]], axis=1)
    return np.clip(corners, 0, 1)
