"""The node as a whole: it receives, reads and sends side by side in one process, until it is told to stop.

A thread for each association receives, one reads, one sends. What they share is the queue and the files, so that any of
them may be slow or fail without the others, and the process may end at any moment.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.dicom_io.node.delivery import Delivery
from cxr_core.dicom_io.node.film_queue import WITH_FILES, FilmQueue, QueuedFilm, State
from cxr_core.dicom_io.node.film_reading import FilmReading
from cxr_core.dicom_io.node.film_store import FilmStore
from cxr_core.dicom_io.node.priors import PriorFilms
from cxr_core.dicom_io.node.receiver import NodeReceiver
from cxr_core.dicom_io.node.spool import LOCK, Spool, node_folder
from cxr_core.dicom_io.pacs.archive import Archive
from cxr_core.dicom_io.pacs.open_archive import (
    open_results_archive,
    open_search_archive,
    silence_network_libraries,
)
from cxr_core.dicom_io.pacs.settings import NodeSettings, PacsSettings
from cxr_core.errors import NodeError
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.models.registry.registry import registry_fingerprint
from cxr_core.reading.results import Reading
from cxr_core.site.profile_store import load_profile
from cxr_core.site.watching import WAIT_S, Watcher
from cxr_core.workspace.garbage_collection import load_for_good
from cxr_core.workspace.log import count_details, log_task
from cxr_core.workspace.malloc import release_freed_memory
from cxr_core.workspace.process_lock import hold_lock

if TYPE_CHECKING:  # imports torch
    from cxr_core.reading.reader import Reader

POLL_S = 1.0  # between looks at the queue where nothing has happened
AFTER_DISK_ERROR_S = 30.0
FORGET_EVERY_S = 3600.0


def run_node(
    settings: PacsSettings,
    node: NodeSettings,
    stop: threading.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Work until `stop` is set. on_ready: is called once films are received.

    Raises NodeError where another node works here or the port is taken, SettingsError, and ModelError.
    """
    folder = node_folder()
    spool = _open_spool(folder)
    with hold_lock(folder / LOCK) as is_free:
        if not is_free:
            raise NodeError("a node works in this workspace already; stop it before another starts")
        with log_task("node"), ExitStack() as stack:
            queue = stack.enter_context(FilmQueue(folder))
            _recover(queue, spool)
            silence_network_libraries()
            results = open_results_archive(settings)
            priors = open_search_archive(settings) if node.priors else None
            _Node(node, queue, spool, stop, stack).work(results, priors, on_ready)


class _Node:
    """The parts of a running node."""

    def __init__(
        self,
        settings: NodeSettings,
        queue: FilmQueue,
        spool: Spool,
        stop: threading.Event,
        stack: ExitStack,
    ):
        """stack: closes everything as the node ends."""
        self._settings, self._queue, self._spool = settings, queue, spool
        self._stop, self._stack = stop, stack
        self._reading_wanted, self._sending_wanted = threading.Event(), threading.Event()
        self._watcher = Watcher()
        self._forget_at = 0.0
        store = stack.enter_context(closing(FilmStore(settings, queue, spool)))
        self._receiver = NodeReceiver(settings, store, self._reading_wanted.set)

    def work(self, results: Archive, priors: Archive | None, on_ready: Callable[[], None]) -> None:
        """Receive, read and send. results: where results go.  priors: where priors come from."""
        delivery = Delivery(self._queue, self._spool, results)
        prior_films = None
        if priors is not None:
            prior_films = self._stack.enter_context(closing(PriorFilms(priors)))
        reading = self._stack.enter_context(
            closing(
                FilmReading(
                    self._queue, self._spool, self._settings.objects, prior_films, self._count
                )
            )
        )
        self._receiver.start()
        self._stack.callback(self._receiver.stop)
        on_ready()
        sender = self._stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="sending"))
        sending = sender.submit(self._send_until_stopped, delivery)
        try:
            self._read_until_stopped(reading, sending)
        finally:
            self._stop.set()
            self._sending_wanted.set()
            self._watcher.write(WAIT_S)
        sending.result()

    def _read_until_stopped(self, reading: FilmReading, sending: "Future[None]") -> None:
        decoders = self._stack.enter_context(DecodePool())
        decoders.warm()
        with load_for_good():
            reader, fingerprint = _load_reader(decoders), registry_fingerprint()
        is_memory_kept = True
        while not self._stop.is_set() and not sending.done():
            if registry_fingerprint() != fingerprint:
                reader, fingerprint = _load_reader(decoders), registry_fingerprint()
            try:
                was_ready = reading.read_ready(
                    reader, self._claim, load_profile(), self._stop.is_set
                )
            except (OSError, NodeError):
                self._wait_for_disk()
                continue
            self._watcher.write()
            self._forget_old()
            if was_ready:
                is_memory_kept = True
                continue
            if is_memory_kept:
                release_freed_memory()
                is_memory_kept = False
            self._reading_wanted.wait(POLL_S)
            self._reading_wanted.clear()

    def _send_until_stopped(self, delivery: Delivery) -> None:
        while not self._stop.is_set():
            try:
                delivery.send_due(self._stop.is_set)
            except (OSError, NodeError):
                count_details(disk_errors=1)
                self._stop.wait(AFTER_DISK_ERROR_S)
                continue
            self._sending_wanted.wait(POLL_S)
            self._sending_wanted.clear()

    def _wait_for_disk(self) -> None:
        """Wait after an error of the disk, a full one above all, and read what was being read again."""
        count_details(disk_errors=1)
        self._stop.wait(AFTER_DISK_ERROR_S)
        with suppress(NodeError):
            self._queue.recover()

    def _forget_old(self) -> None:
        if time.monotonic() > self._forget_at:
            self._forget_at = time.monotonic() + FORGET_EVERY_S
            with suppress(NodeError):
                self._queue.forget_old()

    def _claim(self) -> QueuedFilm | None:
        if self._stop.is_set():
            return None
        return self._queue.claim(self._settings.quiet_s, self._receiver.list_open_associations())

    def _count(self, reading: Reading) -> None:
        self._watcher.add(reading)
        self._sending_wanted.set()


def recover(queue: FilmQueue, spool: Spool) -> None:
    """Bring queue and files together again after a process has ended at any moment, or the queue was lost.

    No other node may work in the folder. Raises OSError, NodeError.
    """
    queue.recover()
    by_name = {film.name: film for film in queue.list_films([*WITH_FILES])}
    for name in spool.list_names():
        film = by_name.get(name)
        if film is None and queue.is_done(name):
            spool.remove(name)
        elif film is None:
            queue.restore(name, State.READ if spool.has_results(name) else State.RECEIVED)
        elif film.state == State.RECEIVED and spool.has_results(name):
            queue.mark_read(film, [r.reference.instance_uid for r in spool.read_results(name)])


def _recover(queue: FilmQueue, spool: Spool) -> None:
    try:
        recover(queue, spool)
    except OSError as error:
        raise NodeError(
            f"the films of the node cannot be listed or deleted ({error.strerror}); allow it in the workspace"
        ) from error


def _open_spool(folder: Path) -> Spool:
    try:
        return Spool(folder)
    except OSError as error:
        raise NodeError(
            f"the folder of the node cannot be made ({error.strerror}); free space, or allow writing in the workspace"
        ) from error


def _load_reader(decoders: DecodePool) -> "Reader":
    from cxr_core.reading.reader import Reader

    return Reader.installed(decoders=decoders)
