"""What each verb of `train.review` does."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from cxr_core.errors import FeedbackError
from cxr_core.feedback.projects import create_project, find_project, list_projects
from cxr_core.feedback.readers import find_reader, list_readers, register_reader, rename_reader
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.paths import printable
from train.command_line.progress import ProgressBar, create_event_display, report_progress

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from cxr_core.feedback.films import ProjectFilm
    from cxr_core.feedback.projects import Project
    from cxr_core.feedback.review.queue import Case
    from cxr_core.models.figures import MeanFigure

HASH_DIGITS = 12  # of a film, as it is printed; any beginning that no other film has is taken


def _create(given: argparse.Namespace) -> None:
    from cxr_core.data.registry import find_dataset
    from cxr_core.feedback.review.dataset_review import create_review

    if given.data:
        project = create_review(
            given.project,
            find_dataset(given.data),
            given.finding,
            read_first=given.read_first,
            reads=given.reads,
            note=given.note,
        )
    else:
        project = create_project(
            given.project,
            given.finding,
            read_first=given.read_first,
            reads=given.reads,
            note=given.note,
        )
    print(project.name)


def _list(given: argparse.Namespace) -> None:
    """Every project with its counts; or a page of one project's queue."""
    from cxr_core.feedback.review.queue import list_queue

    if given.project is None:
        for project in list_projects():
            print(_describe_project(project))
        return
    page = list_queue(find_project(given.project), after=given.after, count=given.count)
    for case in page.cases:
        print(_describe_case(case))
    print(f"{page.open:,} of {format_count(page.total, 'cases')} open", file=sys.stderr)
    if page.after is not None:
        print(f"the next page: --after {page.after}", file=sys.stderr)


def _fill(given: argparse.Namespace) -> None:
    from cxr_core.evaluation.store.catalogue import load_record
    from cxr_core.evaluation.store.loaded import load_evaluation
    from cxr_core.feedback.review.dataset_review import fill_from_evaluation
    from cxr_core.feedback.review.queue import fill_queue, find_reader_candidates

    project = find_project(given.project)
    if given.evaluation is None:
        cases = fill_queue(project, find_reader_candidates(project))
    else:
        evaluation = load_evaluation(load_record(given.evaluation))
        ratios = _measure_ratios(project) if given.measure_hearts else None
        filled = fill_from_evaluation(project, evaluation, ratios)
        cases = filled.cases
        for note in filled.notes:
            print(note, file=sys.stderr)
    print(f"{format_count(cases, 'cases')} in the queue")


def _measure_ratios(project: Project) -> pd.DataFrame:
    """The hearts of a review's films, measured by the segmentation model in use."""
    from cxr_core.feedback.review.measured_hearts import measure_hearts

    with report_progress() as progress:
        return measure_hearts(project, partial(progress, "measuring hearts"))


def _next(given: argparse.Namespace) -> None:
    """The next case for a reader, and the file to look at."""
    from cxr_core.feedback.review.dataset_review import open_review_films
    from cxr_core.feedback.review.queue import take_next_case

    project = find_project(given.project)
    case = take_next_case(project, register_reader(given.reader).id, after=given.after)
    if case is None:
        print("nothing is left for this reader", file=sys.stderr)
        return
    print(_describe_case(case))
    if project.dataset:
        films = open_review_films(project).table
        paths = films.loc[films["sha256"] == case.pixels_sha256, "image"]
        print(printable(paths.iloc[0]) if len(paths) else "this film is no longer in the dataset")
    else:
        from cxr_core.feedback.films import load_film

        print(printable(load_film(case.film).picture))


def _decide(given: argparse.Namespace) -> None:
    from cxr_core.feedback.review.queue import find_answer
    from cxr_core.feedback.verdicts import NewVerdict, current_verdicts, record_verdict

    project = find_project(given.project)
    reader, film = register_reader(given.reader), _find_film(project, given.film)
    former = current_verdicts(film.id, reader.id).get(given.finding)
    saved = record_verdict(
        NewVerdict(
            film=film.id,
            reader=reader.id,
            finding=given.finding,
            answer=given.answer,
            comment=given.comment,
            program=find_answer(film.id, given.finding),
            seen=former.id if former else 0,
        )
    )
    print(f"saved: verdict {saved.verdict.id}")


def _adjudicate(given: argparse.Namespace) -> None:
    """Settle a case, or list those that readers differ on."""
    from cxr_core.feedback.adjudication import adjudicate, list_disputes

    project, reader = find_project(given.project), register_reader(given.reader)
    if given.film is None:
        for dispute in list_disputes(project, reader.id):
            answers = ", ".join(verdict.answer for verdict in dispute.verdicts)
            print(f"{dispute.pixels_sha256[:HASH_DIGITS]}  {dispute.finding}  {answers}")
        return
    if given.finding is None or given.answer is None:
        raise FeedbackError(
            "give a film, a finding and an answer; or none of them to list what is open"
        )
    film = _find_film(project, given.film)
    adjudicate(project, film.id, given.finding, reader.id, given.answer, given.comment)
    print("settled")


def _layer(given: argparse.Namespace) -> None:
    """Make a label layer, and say what it changes and what the dataset checks report with it."""
    from cxr_core.data.checks.label_layers import list_changed_issues
    from cxr_core.data.registry import find_dataset
    from cxr_core.feedback.layer import list_undecided, make_layer

    project = find_project(given.project)
    layer = make_layer(project, given.name, given.note)
    print(layer.reference)
    print(f"{layer.sentence}.", file=sys.stderr)
    if undecided := list_undecided(project):
        print(
            f"Left out: {format_count(undecided, 'cases')} on which readers differ.",
            file=sys.stderr,
        )
    manifest = find_dataset(project.dataset).load_manifest()
    for word, issues in zip(("new", "gone"), list_changed_issues(manifest, layer), strict=True):
        for issue in issues:
            print(f"dataset checks, {word}: {issue.code}: {issue.message}", file=sys.stderr)


def _export(given: argparse.Namespace) -> None:
    from cxr_core.feedback.export import export_project

    print(export_project(find_project(given.project), given.out))


def _delete(given: argparse.Namespace) -> None:
    from cxr_core.feedback.deletion import delete_film, delete_project

    project = find_project(given.project)
    if given.film is None:
        delete_project(project)
    else:
        delete_film(_find_film(project, given.film))


def _kappa(given: argparse.Namespace) -> None:
    """The agreement of the readers, a line each."""
    from cxr_core.feedback.agreement import compare_readers

    project = find_project(given.project)
    names = {reader.id: reader.name for reader in list_readers()}
    for finding in given.finding or project.findings:
        agreement = compare_readers(project, finding, after=given.after)
        print(f"{finding}: {format_count(agreement.films, 'films')} with two readers or more")
        for pair in agreement.pairs:
            first, second = (names[reader] for reader in pair.readers)
            print(f"  {first} and {second}: Cohen's kappa {_format(pair.kappa)}")
        if agreement.fleiss is not None:
            films = format_count(agreement.fleiss_films, "films")
            print(f"  all readers: Fleiss' kappa {_format(agreement.fleiss)}, {films}")
        for one in agreement.readers:
            print(
                f"  {names[one.reader]} against the other readers: sensitivity {_format(one.sensitivity)}, "
                f"specificity {_format(one.specificity)}"
            )
            if one.model_sensitivity is not None and one.model_specificity is not None:
                print(
                    f"    the model on the same films: sensitivity {_format(one.model_sensitivity)}, "
                    f"specificity {_format(one.model_specificity)}"
                )
        for reason in agreement.explain_missing():
            print(f"  {reason}")


def _rename(given: argparse.Namespace) -> None:
    print(rename_reader(find_reader(given.reader).id, given.name).name)


def _train(given: argparse.Namespace) -> None:
    """Plan the next model, from a label layer or from kept films, and train it."""
    from cxr_core.promotion.next_model import plan_from_kept_films, plan_next_model
    from cxr_core.training.fit import FitOptions, fit
    from cxr_core.training.recipe.recipe_file import apply_overrides

    project = find_project(given.project)
    if not project.dataset and given.labels:
        raise FeedbackError(
            f"{project.name} holds films of its own, whose labels are what its readers decided; leave --labels out"
        )
    if project.dataset:
        data = [project.dataset, *(f"labels:{name}" for name in given.labels)]
        planned = plan_next_model(data, project.findings, model=given.model, recipe=given.recipe)
    else:
        with report_progress() as progress:
            planned = plan_from_kept_films(
                project, model=given.model, recipe=given.recipe, progress=progress
            )
    print(planned.sentence, file=sys.stderr)
    recipe = apply_overrides(planned.recipe, dict(given.set))
    with ProgressBar() as bar:
        options = FitOptions(report=create_event_display(bar), device=given.device)
        model = fit(recipe, planned.data, options, run=given.run, version=given.version)
    print(model)


def _find_film(project: Project, sha256: str) -> ProjectFilm:
    from cxr_core.feedback.films import find_film

    film = find_film(project, sha256)
    if film is None:
        raise FeedbackError(f"{project.name} has no film whose hash begins with {sha256!r:.70}")
    return film


def _describe_project(project: Project) -> str:
    from cxr_core.feedback.films import count_project_films
    from cxr_core.feedback.review.queue import list_queue

    page = list_queue(project, count=1)
    films = format_count(count_project_films(project), "films")
    what = f"labels of {project.dataset}" if project.dataset else "kept films"
    first = ", read first" if project.read_first else ""
    return (
        f"{project.name}: {what}, {', '.join(project.findings)}, {films}, "
        f"{page.open:,} of {format_count(page.total, 'cases')} open, {format_count(project.reads, 'reads')}{first}"
    )


def _describe_case(case: Case) -> str:
    words = [str(case.position), case.pixels_sha256[:HASH_DIGITS], case.finding]
    if case.value is not None:
        words += [f"{case.value:.2f}", ",".join(case.reasons), case.detail]
    return "  ".join(words)


def _format(figure: MeanFigure) -> str:
    if figure.value is None:
        return "undefined"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


VERBS: dict[str, Callable[[argparse.Namespace], None]] = {
    "create": _create,
    "list": _list,
    "fill": _fill,
    "next": _next,
    "decide": _decide,
    "adjudicate": _adjudicate,
    "layer": _layer,
    "export": _export,
    "delete": _delete,
    "kappa": _kappa,
    "rename": _rename,
    "train": _train,
}
