"""What a page or a command shows of the node, and what people decide about its dead films."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.dicom_io.node.film_queue import FILE, WAITING, FilmQueue, QueuedFilm, State
from cxr_core.dicom_io.node.spool import LOCK, Spool, node_folder
from cxr_core.dicom_io.pacs.settings import NodeSettings, PacsSettings, read_pacs_settings
from cxr_core.errors import NodeError, SettingsError
from cxr_core.workspace.process_id import ProcessId
from cxr_core.workspace.process_lock import find_lock_holder

# Why a film is dead, by code. Other codes are those of films that do not decode.
REASONS = {
    "archive_refused": "the archive refuses the results",
    "not_confirmed": "the archive accepted the results and does not show them",
    "results_missing": "the files of the results are gone",
    "film_missing": "the file of the film is gone",
    "header_disagrees": "the header gives another size than the pixels have",
    "no_dicom_result": "the header does not say whose film it is",
    "reading_failed": "the node ended several times while it read this film",
    "archive_unreachable": "the archive does not answer",
}


@dataclass(frozen=True, kw_only=True)
class NodeOverview:
    """The node at one moment. process: None while it does not run.  dead: films that need a person."""

    process: ProcessId | None
    counts: dict[State, int]
    dead: tuple[QueuedFilm, ...]
    waiting: tuple[QueuedFilm, ...]

    @property
    def problem(self) -> str:
        """The code of what keeps results from being sent; empty where nothing does."""
        reasons = [film.reason for film in self.waiting if film.state != State.RECEIVED]
        return next(filter(None, reasons), "")


def require_node_settings() -> tuple[PacsSettings, NodeSettings]:
    """The settings of the workspace's node. Raises SettingsError that says what is missing."""
    settings = read_pacs_settings()
    if settings is None:
        raise SettingsError(
            "there is no pacs.toml in the workspace, so nobody may send films and results have no archive; write one "
            "as docs/pacs.md shows"
        )
    if settings.node is None:
        raise SettingsError(
            "pacs.toml has no table [node]; add one that says who may send films, as docs/node.md shows"
        )
    return settings, settings.node


def find_node_process() -> ProcessId | None:
    """The process of this workspace's node; None while none runs."""
    return find_lock_holder(node_folder() / LOCK)


def look_at_node() -> NodeOverview:
    """The node of this workspace. Raises NodeError where its queue cannot be read."""
    counts: dict[State, int] = {}
    dead: list[QueuedFilm] = []
    waiting: list[QueuedFilm] = []
    if os.path.lexists(node_folder() / FILE):
        with FilmQueue(node_folder()) as queue:
            counts, dead = queue.count_states(), queue.list_films([State.DEAD])
            waiting = queue.list_films(WAITING)
    return NodeOverview(
        process=find_node_process(), counts=counts, dead=tuple(dead), waiting=tuple(waiting)
    )


def retry_films(ids: list[int] | None = None) -> int:
    """Have dead films tried again: read, or sent where they were read. ids: None = all. How many.

    One that somebody else decides about at the same moment is left alone and not counted. Raises NodeError for a film
    that is not dead.
    """

    def retry(film: QueuedFilm, queue: FilmQueue, spool: Spool) -> bool:
        return queue.revive(film, State.READ if spool.has_results(film.name) else State.RECEIVED)

    return _for_dead_films("retry of dead films", ids, retry)


def discard_films(ids: list[int] | None = None) -> int:
    """Delete dead films with their results, and forget them. ids: None = all. How many.

    One that somebody else decides about at the same moment is left alone and not counted. Raises NodeError for a film
    that is not dead, or where files cannot be deleted.
    """

    def discard(film: QueuedFilm, queue: FilmQueue, spool: Spool) -> bool:
        return queue.forget(film, lambda: spool.remove(film.name))

    return _for_dead_films("discard of dead films", ids, discard)


def describe_reason(code: str) -> str:
    """Why a film is dead or waits, in words."""
    return REASONS.get(code, f"the film is not read ({code.replace('_', ' ')})")


def _for_dead_films(
    task: str, ids: list[int] | None, act: Callable[[QueuedFilm, FilmQueue, Spool], bool]
) -> int:
    """Act on dead films, and count those for which `act` says that they were still dead."""
    if not os.path.lexists(node_folder() / FILE):
        raise NodeError("this workspace has no node yet, so there is no dead film")
    with perform_action(task, Role.ADMIN) as log, FilmQueue(node_folder()) as queue:
        dead = {film.id: film for film in queue.list_films([State.DEAD])}
        chosen = list(dead) if ids is None else ids
        if unknown := [film_id for film_id in chosen if film_id not in dead]:
            raise NodeError(f"film {unknown[0]} is not dead; --list shows those that are")
        count, spool = 0, Spool(node_folder())
        try:
            for film_id in chosen:
                count += act(dead[film_id], queue, spool)
        except OSError as error:
            raise NodeError(f"a film's files cannot be deleted ({error.strerror})") from error
        finally:
            log.add(films=count)
    return count
