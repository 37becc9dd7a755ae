"""Deletes a project, or one film of it, so that no byte of it stays in the workspace.

A deletion that was killed is taken up again by the next one: the project is marked first, and no list shows it then.
What a file system keeps of a removed file, in its free blocks, snapshots or backups, is beyond this program.
"""

import contextlib
import shutil
from collections.abc import Iterator

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.errors import FeedbackError
from cxr_core.feedback.films import ProjectFilm, pictures_folder
from cxr_core.feedback.projects import Project
from cxr_core.feedback.store import erase_deleted_rows, feedback_folder, read_store, write_store
from cxr_core.workspace.log import log_task


@perform_action("deletion of a project", Role.ADMIN)
def delete_project(project: Project) -> None:
    """Delete a project with its films, verdicts, queue and adjudications. Label layers and exports stay.

    One that is gone already is no error. Raises FeedbackError when a file cannot be removed.
    """
    with write_store() as store:
        store.execute("UPDATE projects SET deleting = 1 WHERE id = ?", (project.id,))
    finish_deletions()


def finish_deletions() -> None:
    """Delete every project that is marked for it, also those of deletions that were killed."""
    with read_store() as store:
        projects = [row["id"] for row in store.execute("SELECT id FROM projects WHERE deleting")]
    for project in projects:
        _remove_pictures(project)
    with write_store() as store:
        for project in projects:
            store.execute("DELETE FROM films WHERE project = ?", (project,))
            store.execute("DELETE FROM projects WHERE id = ?", (project,))
    erase_deleted_rows()


@log_task("deletion of a film of a project")
def delete_film(film: ProjectFilm) -> None:
    """Delete one film of a project with everything about it. Raises FeedbackError when its file cannot be removed."""
    with _explain_errors():
        film.picture.unlink(missing_ok=True)
    with write_store() as store:
        store.execute("DELETE FROM films WHERE id = ?", (film.id,))
    erase_deleted_rows()


def _remove_pictures(project: str) -> None:
    folder = pictures_folder(project)
    with _explain_errors(), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


@contextlib.contextmanager
def _explain_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FeedbackError(
            f"a film in {feedback_folder()} cannot be removed: {error.strerror}; allow writing there, and delete again"
        ) from error
