"""Makes a dataset of a project's kept films, whose labels are what its readers decided."""

from collections import Counter

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.data.prepare import ignore_stage_progress, prepare_dataset
from cxr_core.data.prepare_apart import StageProgress
from cxr_core.data.registry import Dataset
from cxr_core.errors import FeedbackError
from cxr_core.feedback.consensus import list_judgements
from cxr_core.feedback.export import build_export, find_label, list_export_folders
from cxr_core.feedback.films import list_project_films
from cxr_core.feedback.projects import Project
from cxr_core.presentation.wording import finding_in_sentence

MIN_OF_A_CLASS = 3  # films: one each to train on, to validate and to test


@perform_action("dataset of kept films", Role.RESEARCHER)
def register_kept_films(
    project: Project, progress: StageProgress = ignore_stage_progress
) -> Dataset:
    """Export the kept films with a label into the workspace, and check and register them as any dataset.

    Where nothing has changed since the last time, that dataset is prepared again.
    Raises FeedbackError as `export_project` and `list_teachable` do, DataError as `prepare_dataset` does and while a
    blocking issue is open.
    """
    list_teachable(project)
    export = build_export(project, only_decided=True)
    for folder in list_export_folders(project):
        if export.lies_in(folder):
            break
        if not folder.exists():
            export.write(folder)
            break
    dataset = prepare_dataset([folder], progress=progress)
    dataset.require_sound()
    return dataset


def list_teachable(project: Project) -> tuple[str, ...]:
    """The findings that a model can learn from the kept films: with enough films of both classes.

    Raises FeedbackError with the counts where there is none, and for a review of a dataset.
    """
    if project.dataset:
        raise FeedbackError(
            f"{project.name} reviews {project.dataset} and holds no films of its own; make a label layer of it"
        )
    kept = {film.id for film in list_project_films(project) if film.is_kept}
    counts = Counter(
        (one.finding, find_label(one)) for one in list_judgements(project) if one.film in kept
    )
    teachable = tuple(
        key for key in project.findings if min(counts[key, 1], counts[key, 0]) >= MIN_OF_A_CLASS
    )
    if teachable:
        return teachable
    found = "; ".join(
        f"{finding_in_sentence(key)}: {counts[key, 1]:,} with, {counts[key, 0]:,} without"
        for key in project.findings
    )
    raise FeedbackError(
        f"no model can learn from the films that {project.name} keeps: a finding needs at least {MIN_OF_A_CLASS} films "
        f"with it and {MIN_OF_A_CLASS} without, on which readers agree. Found {found}. Keep and judge more films"
    )
