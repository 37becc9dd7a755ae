"""Reviews the labels of a registered dataset: its films enter a project by hash, with labels and a model's answers.

What a model says comes from an evaluation of films that it was not trained on, such as the out-of-fold predictions of
a cross-validation: of its own training films it remembers the labels, right or wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import Dataset, find_dataset
from cxr_core.errors import DataError, FeedbackError
from cxr_core.evaluation.metrics.figures import BALANCED
from cxr_core.evaluation.store.loaded import LoadedEvaluation
from cxr_core.evaluation.store.provenance import read_training_hashes
from cxr_core.feedback.films import FilmProperties, add_dataset_films
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.review.candidates import find_candidates
from cxr_core.feedback.review.queue import (
    FindingAnswer,
    fill_queue,
    find_reader_candidates,
    keep_answers,
)
from cxr_core.feedback.store import write_store
from cxr_core.feedback.verdicts import ProgramAnswer
from cxr_core.film.limits import MAX_BYTES
from cxr_core.inference import FilmRatios
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.outside_files import read_outside_file

COLUMNS = ("sha256", "finding", "probability", "logit")


@dataclass(frozen=True, kw_only=True)
class FilledQueue:
    """How a queue was filled. cases: its length.  notes: what to know about it, in sentences."""

    cases: int
    notes: tuple[str, ...] = ()


def create_review(
    name: str,
    dataset: Dataset,
    findings: Sequence[str],
    *,
    read_first: bool = False,
    reads: int = 1,
    note: str = "",
) -> Project:
    """Begin a project that reviews a dataset's labels. The films stay where they are, and the labels as they are.

    Raises DataError for a dataset that is not sound, FeedbackError as `create_project` does.
    """
    dataset.require_sound()
    films = dataset.load_manifest().select_usable()
    project = create_project(
        name,
        findings,
        read_first=read_first,
        reads=reads,
        dataset=dataset.name,
        data_sha256=films.data_sha256(),
        note=note,
    )
    table = films.table.drop_duplicates("sha256")
    with write_store() as store:
        add_dataset_films(store, project.id, table["sha256"].tolist(), _list_properties(table))
    return project


def fill_from_evaluation(
    project: Project, evaluation: LoadedEvaluation, ratios: pd.DataFrame | None = None
) -> FilledQueue:
    """Fill the queue of a review by what a model answered in an evaluation, and by hearts that were measured.

    ratios: as of `tabulate_ratios`. Raises FeedbackError when the evaluation has none of the project's films.
    """
    films = open_review_films(project)
    table = _join_predictions(films, evaluation.predictions, project.findings)
    head = evaluation.record.head
    if table.empty:
        raise FeedbackError(
            f"the evaluation {evaluation.record.name} has no film of {project.dataset} with a probability of "
            f"{', '.join(project.findings)}; evaluate a model on this dataset"
        )
    if ratios is not None:
        table = table.merge(ratios, on="sha256", how="left")
    keep_answers(project, _list_answers(table, head.model, head.version, evaluation.thresholds))
    cases = fill_queue(project, [*find_candidates(table), *find_reader_candidates(project)])
    return FilledQueue(cases=cases, notes=tuple(_list_notes(project, films, table, evaluation)))


def open_review_films(project: Project) -> Manifest:
    """The usable films of the dataset that a project reviews, as it was prepared last; one row for each picture.

    Raises FeedbackError when the dataset is gone.
    """
    try:
        films = find_dataset(project.dataset).load_manifest().select_usable()
    except DataError as error:
        raise FeedbackError(
            f"the films of {project.name} cannot be opened: {error}. Register the dataset again"
        ) from error
    return films.with_table(films.table.drop_duplicates("sha256"))


def read_review_film(films: Manifest, pixels_sha256: str) -> bytes:
    """The file of one film of a review. films: of `open_review_films`.

    Raises FeedbackError for a film that was removed from the dataset or changed, FileRefused for one that is not there.
    """
    rows = films.table[films.table["sha256"] == pixels_sha256]
    if rows.empty:
        raise FeedbackError(
            "this film is no longer in the dataset: it was removed, excluded or changed; take the next one"
        )
    return read_outside_file(rows["image"].iloc[0], MAX_BYTES)


def tabulate_ratios(films: Manifest, ratios: FilmRatios) -> pd.DataFrame:
    """Measured hearts as `fill_from_evaluation` takes them. films: those that were measured, in their order."""
    return pd.DataFrame(
        {
            "sha256": films.table["sha256"].to_numpy(),
            "ratio": ratios.values,
            "ratio_error": ratios.standard_errors,
        }
    ).drop_duplicates("sha256")


def _list_properties(table: pd.DataFrame) -> list[FilmProperties]:
    """What the queue needs of each film of a dataset: its size and its view. The dataset holds the rest."""
    columns = zip(table["width"], table["height"], table["view"], strict=True)
    return [
        FilmProperties(
            width=int(width), height=int(height), view=view if isinstance(view, str) else None
        )
        for width, height, view in columns
    ]


def _join_predictions(
    films: Manifest, predictions: pd.DataFrame, findings: Sequence[str]
) -> pd.DataFrame:
    """The predictions of the films of a review, with the labels that the dataset has now."""
    missing = [name for name in COLUMNS if name not in predictions]
    if missing:
        raise FeedbackError(
            "this evaluation does not know its films by their pixels, as those of earlier versions; evaluate again"
        )
    rows = predictions[predictions["finding"].isin(findings)]
    rows = rows[["sha256", "finding", "probability"]].drop_duplicates(["sha256", "finding"])
    table = rows.merge(films.table[["sha256", "view"]], on="sha256")
    labels = films.table.reindex(columns=["sha256", *findings]).melt(
        id_vars="sha256", var_name="finding", value_name="label"
    )
    return table.merge(labels, on=["sha256", "finding"], how="left")


def _list_answers(
    table: pd.DataFrame, model: str, version: str, thresholds: Mapping[str, Mapping[str, float]]
) -> list[FindingAnswer]:
    """The model's probabilities, with the calls of its balanced threshold."""
    points = {key: of_finding.get(BALANCED, 0.5) for key, of_finding in thresholds.items()}
    columns = zip(
        table["sha256"], table["finding"], table["probability"], table["label"], strict=True
    )
    return [
        FindingAnswer(
            film=sha256,
            finding=finding,
            answer=ProgramAnswer(
                model=model,
                version=version,
                probability=float(probability),
                call="present" if probability >= points.get(finding, 0.5) else "absent",
            ),
            label=None if np.isnan(label) else int(label),
        )
        for sha256, finding, probability, label in columns
    ]


def _list_notes(
    project: Project, films: Manifest, table: pd.DataFrame, evaluation: LoadedEvaluation
) -> list[str]:
    notes = []
    known = int(table["sha256"].nunique())
    if known < len(films.table):
        notes.append(
            f"The evaluation has {known:,} of the {format_count(len(films.table), 'films')} of {project.dataset}; the "
            "others are not in the queue."
        )
    learnt = read_training_hashes(evaluation.record.folder)
    if learnt is not None and (own := len(learnt & set(table["sha256"]))):
        notes.append(
            f"The model was trained or tuned on {format_count(own, 'films')} of these, whose labels it may remember; "
            "the predictions of a cross-validation are better."
        )
    unlabelled = [key for key in project.findings if key not in films.findings]
    if unlabelled:
        notes.append(f"The dataset has no labels of {', '.join(unlabelled)}.")
    return notes
