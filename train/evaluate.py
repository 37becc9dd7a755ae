"""python -m train.evaluate MODEL_OR_RUN --data DIR: predictions, figures with 95 % intervals, curves, report.

The test split of a run is the one that its recipe made, or the data's own when the recipe says split = "given". A
segmentation model is measured against masks, and its ratio against labels of cardiomegaly, as far as the data has them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.errors import DataError, ModelError
from cxr_core.presentation.wording import SPLIT_NAMES, format_count
from cxr_core.workspace.log import add_details, log_task
from cxr_core.workspace.paths import workspace
from train.command_line.arguments import (
    METHODS,
    Parser,
    add_model_and_data,
    parse_name_or_path,
    parse_path_argument,
    parse_recalibration,
)
from train.command_line.command import command
from train.command_line.progress import report_progress

if TYPE_CHECKING:
    from cxr_core.data.manifest import Manifest
    from cxr_core.data.prepare_apart import StageProgress
    from cxr_core.evaluation.metrics.coverage import ValidationSample
    from cxr_core.evaluation.population import PopulationFilms
    from cxr_core.evaluation.segmentation.evaluate import SegmenterEvaluation
    from cxr_core.evaluation.store.folder import Evaluation
    from cxr_core.reading.classifier import Classifier
    from cxr_core.reading.segmenter import Segmenter
    from cxr_core.training.runs.run_folder import RunFolder
    from cxr_core.workspace.json_files import JsonObject

FIT_ON = ("val", "train")


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What a model is evaluated with. Models are given by name or folder; None for the installed one.

    comparator: a classifier to compare a measured ratio with.
    segmenter: whose contours heatmaps are compared with.  recalibrate: the method of a recalibration that is reported
    apart; None for none.  outside_population: whether films of patients whom the model is not for are measured apart.
    scoring: the folder of a scoring whose numbers are taken instead of running the network; None runs it.
    """

    comparator: str | None = None
    segmenter: str | None = None
    recalibrate: str | None = None
    outside_population: bool = False
    scoring: Path | None = None


DEFAULT_OPTIONS = EvaluationOptions()


@command("train.evaluate")
def main(arguments: list[str] | None = None) -> None:
    """Parse, evaluate, print the path of metrics.json."""
    given = _parser().parse_args(arguments)
    options = EvaluationOptions(
        comparator=given.beside,
        segmenter=given.outlines,
        recalibrate=given.recalibrate,
        outside_population=given.outside_population,
        scoring=given.scoring,
    )
    with report_progress() as progress:
        path = evaluate(
            given.model,
            given.data,
            given.split,
            out=given.out,
            record=given.record,
            options=options,
            progress=progress,
        )
    print(path)


@log_task("evaluation")
def evaluate(
    name: str,
    data: Sequence[str | Path],
    split: str,
    *,
    out: Path | None = None,
    record: str = "",
    options: EvaluationOptions = DEFAULT_OPTIONS,
    progress: StageProgress,
) -> Path:
    """Evaluate a run, a model folder or an installed model, and write it down. Returns the path of metrics.json."""
    from cxr_core.data.prepare import open_data, resolve_data
    from cxr_core.evaluation.evaluate import record_in_card
    from cxr_core.evaluation.population import select_population
    from cxr_core.evaluation.store.provenance import record_test_use
    from cxr_core.models.card_file import is_segmenter
    from cxr_core.reading.classifier import Classifier
    from cxr_core.reading.segmenter import Segmenter
    from cxr_core.training.run_data import films_of_split, find_run
    from train.command_line.model_names import find_model_folder

    run, folder = find_run(Path(name)), find_model_folder(name)
    model = Segmenter.load(folder) if is_segmenter(folder) else Classifier.load(folder)
    dataset = open_data(data, progress)
    add_details(model=model.card.model, version=model.card.version, split=split)
    films = films_of_split(run, dataset, split) if run else dataset.select_split(split)
    selected = select_population(films, model.card.population)
    evaluation = _evaluate_model(model, dataset, selected, split, run, options, progress)
    # The folders are kept so that the page can show the films again.
    films_facts = replace(
        evaluation.data,
        folders=resolve_data(data),
        population=selected.record,
        split_by="data" if run is None or _is_own_split(films, dataset, split) else "run",
    )
    evaluation = replace(evaluation, data=films_facts)
    _print_notes(evaluation)
    path = evaluation.write(out or _default_folder(model, run, split))
    if split == "test":
        record_test_use(evaluation.data, evaluation.card, "train.evaluate")
    if record:
        record_in_card(folder, model.card, record, evaluation.figures_for_card())
    return path


def _is_own_split(films: Manifest, dataset: Manifest, split: str) -> bool:
    """Whether a run's test or validation films are those that the data itself puts there; it may have carved them."""
    own = dataset.table["image"][dataset.table["split"] == split]
    return split != "train" and bool(films.table["image"].isin(own).all())


def _print_notes(evaluation: Evaluation | SegmenterEvaluation) -> None:
    """Say on stderr which films were left out, and what is wrong with the figures; stdout has the path alone."""
    from cxr_core.data.label_layers import describe_applied
    from cxr_core.evaluation.population import describe_population
    from cxr_core.evaluation.report.notes import list_notes
    from cxr_core.evaluation.store.folder import Evaluation

    print(describe_population(evaluation.data), file=sys.stderr)
    for layer in evaluation.data.label_layers:
        print(describe_applied(layer), file=sys.stderr)
    if isinstance(evaluation, Evaluation):
        for note in list_notes(evaluation.figures, evaluation.calibrated_here):
            print(note, file=sys.stderr)


def _evaluate_model(
    model: Classifier | Segmenter,
    dataset: Manifest,
    selected: PopulationFilms,
    split: str,
    run: RunFolder | None,
    options: EvaluationOptions,
    progress: StageProgress,
) -> Evaluation | SegmenterEvaluation:
    """Evaluate a model on the films of a split that are of its population. dataset: all usable films.

    Raises DataError when a segmentation model is to be recalibrated, or no finding can be.
    """
    from cxr_core.evaluation.add_coverage import add_coverage
    from cxr_core.evaluation.evaluate import (
        evaluate_classifier,
        is_calibrated_on,
        measure_outside_population,
    )
    from cxr_core.evaluation.metrics.figures import BALANCED
    from cxr_core.evaluation.metrics.recalibrate import recalibrate, require_recalibratable
    from cxr_core.reading.segmenter import Segmenter
    from train.command_line.model_names import load_segmenter_named

    if isinstance(model, Segmenter):
        return _evaluate_segmenter(model, selected.inside, split, options, progress)
    if options.recalibrate:
        require_recalibratable(options.recalibrate, model.card)
    events = run.read_events() if run else []
    if options.scoring is not None:
        evaluation = _evaluate_scored(model, selected.inside, split, events, options.scoring)
    else:
        evaluation = evaluate_classifier(
            model,
            selected.inside,
            split,
            events=events,
            segmenter=load_segmenter_named(options.segmenter),
            dataset=dataset,
            progress=partial(progress, "reading films"),
        )
    evaluation = replace(
        add_coverage(evaluation, _find_validation_samples(model)),
        calibrated_here=is_calibrated_on(model.card, dataset, split, of_run=bool(run)),
    )
    if options.outside_population and selected.outside is not None:
        outside = measure_outside_population(
            model, selected.outside, partial(progress, "reading films outside the population")
        )
        evaluation = replace(evaluation, outside=outside)
    if not options.recalibrate:
        return evaluation
    recalibration = recalibrate(evaluation.card, evaluation.table, options.recalibrate, BALANCED)
    return replace(evaluation, recalibration=recalibration)


def _evaluate_scored(
    model: Classifier, films: Manifest, split: str, events: list[JsonObject], scoring: Path
) -> Evaluation:
    """An evaluation of what a scoring holds; a note on stderr says what it leaves out."""
    from cxr_core.evaluation.evaluate import evaluate_predictions
    from cxr_core.scale.scoring.scored_outputs import predict_from_scoring

    read, table = predict_from_scoring(scoring, model.card, films)
    refused = len(films.table) - len(read.table)
    note = "figures of heatmaps and of a fused ratio need the networks and are left out"
    if refused:
        note += f", and so are {format_count(refused, 'films')} that the scoring refused"
    print(f"From a scoring: {note}.", file=sys.stderr)
    return evaluate_predictions(model.card, table, read, split, events=events)


def _find_validation_samples(model: Classifier) -> dict[str, ValidationSample]:
    """The validation films that a model's folder records, by finding; a note on stderr where there are none."""
    from cxr_core.evaluation.metrics.coverage import ClassSample, ValidationSample
    from cxr_core.site.validation_scores import read_validation_scores

    assert model.folder is not None
    try:
        scores = read_validation_scores(model.folder, model.card)
    except ModelError as error:
        print(f"Coverage is shown without the conformal rule: {error}", file=sys.stderr)
        return {}
    samples = {}
    for key, of_finding in scores.findings.items():
        calibration = model.card.calibration[key]
        present, absent = (
            ClassSample(log_odds=one.log_odds(calibration), films=one.films)
            for one in (of_finding.present, of_finding.absent)
        )
        samples[key] = ValidationSample(present=present, absent=absent)
    return samples


def _evaluate_segmenter(
    model: Segmenter,
    films: Manifest,
    split: str,
    options: EvaluationOptions,
    progress: StageProgress,
) -> SegmenterEvaluation:
    from cxr_core.evaluation.segmentation.evaluate import evaluate_segmenter
    from cxr_core.evaluation.segmentation.ratio import has_labels_to_score

    if options.recalibrate:
        raise DataError(
            f"{model.card.model} segments films, so it has no probabilities to recalibrate; leave out --recalibrate"
        )
    comparator = None
    if options.comparator or has_labels_to_score(films):
        comparator = _load_comparator(options.comparator)
    return evaluate_segmenter(
        model, films, split, comparator=comparator, progress=partial(progress, "segmenting films")
    )


def _default_folder(model: Classifier | Segmenter, run: RunFolder | None, split: str) -> Path:
    if run is None:
        return workspace() / "evaluations" / f"{model.card.model}-{split}"
    return run.evaluation if split == "test" else run.evaluation / split


def _load_comparator(name: str | None) -> Classifier | None:
    """The classifier of that name or folder, or the installed one that answers cardiomegaly; None without any."""
    from cxr_core.evaluation.segmentation.ratio import load_installed_comparator
    from cxr_core.reading.classifier import Classifier
    from train.command_line.model_names import find_model_folder

    return Classifier.load(find_model_folder(name)) if name else load_installed_comparator()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.evaluate", description=__doc__)
    add_model_and_data(parser)
    parser.add_argument("--split", default="test", choices=tuple(SPLIT_NAMES))
    parser.add_argument(
        "--out",
        type=parse_path_argument,
        help="where to write (default: in the run, or under the workspace)",
    )
    parser.add_argument(
        "--record",
        default="",
        metavar="NAME",
        help="also write the figures into the model's card under this name",
    )
    parser.add_argument(
        "--beside",
        type=parse_name_or_path,
        metavar="MODEL",
        help="a classifier to compare a ratio with (default: installed)",
    )
    parser.add_argument(
        "--fit-on",
        choices=FIT_ON,
        help="ignored: the fusion in the classifier's card is scored",
    )
    parser.add_argument(
        "--outlines",
        type=parse_name_or_path,
        metavar="MODEL",
        help="a segmenter to compare heatmaps with (default: installed)",
    )
    parser.add_argument(
        "--outside-population",
        action="store_true",
        help="also measure, apart, the films of patients whom the model is not for",
    )
    parser.add_argument(
        "--scoring",
        type=parse_path_argument,
        metavar="DIR",
        help="take the numbers from a scoring of these films (cxr_core score) instead of running the network",
    )
    parser.add_argument("--recalibrate", type=parse_recalibration, metavar="METHOD", help=METHODS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
