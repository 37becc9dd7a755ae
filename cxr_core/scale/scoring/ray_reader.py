"""Reads the films of an archive on a Ray cluster: decoders and networks are processes of their own on its nodes.

    films -> batches -> decoder (any node) -> hashes here, films in Ray's store -> network (any node) -> rows here

A batch that a process or a node takes with it when it ends goes to another one. No more batches are under way than the
processes can hold, so a slow network holds up the decoders, and nothing fills the memory.
Source: https://docs.ray.io/en/latest/ray-core/patterns/index.html
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

from cxr_core.errors import ScaleError, SilhouetteError
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.reading.reader import BATCH, Reader
from cxr_core.scale.cluster import connect_to_cluster
from cxr_core.scale.scoring.columns import Row
from cxr_core.scale.scoring.film_files import FilmFile, name_reading
from cxr_core.scale.scoring.local_reader import RepeatedFilm
from cxr_core.scale.scoring.ray_decoder import RayDecoder
from cxr_core.scale.scoring.ray_scorer import FilmScorer
from cxr_core.scale.scoring.scoring_folder import ScoringRecord

PURPOSE = "scoring on a cluster"
# Two batches of the reader at once would share one core: a sixth fewer films a second.
FILMS_OF_A_BATCH = BATCH
BATCHES_OF_A_WORKER = 2  # under way at once: one at work, one that waits
CORES_OF_A_WORKER = 0.5  # a core has a decoder and a network
WAIT_S, LOST_S = 1.0, 120.0  # without any process, the cluster counts as lost
MAX_TRIES = 5  # of one batch that ends its processes again and again


@contextmanager
def open_ray_reader(
    address: str, describe: Callable[[Reader], ScoringRecord]
) -> Iterator[tuple[ScoringRecord, RayReader]]:
    """A reader on a cluster, and what it scores with. describe: the record of the models of this machine.

    Raises ScaleError where there is no such cluster.
    """
    with connect_to_cluster(address, PURPOSE) as ray:

        def describe_own() -> ScoringRecord:
            with Reader.installed(decoders=DecodePool(1)) as own:
                return describe(own)

        reader = RayReader(ray, describe_own)
        yield reader.record, reader


@dataclass(eq=False)
class _Batch:
    """Some films under way. decoded: where Ray keeps them.  kept: the places of those to be read."""

    films: Sequence[FilmFile]
    tries: int = 0
    decoded: Any = None
    kept: list[int] = field(default_factory=list)


@dataclass(eq=False)
class _Worker:
    """A process on a node. is_ready: once it has started.  batches: under way in it."""

    actor: Any
    is_ready: bool = False
    batches: int = 0


@dataclass(frozen=True, eq=False)
class _Task:
    """A call under way. batch: None of a start."""

    worker: _Worker
    pool: _Pool
    batch: _Batch | None = None


class _Pool:
    """The processes of one kind. One that ends is replaced, and the others take over its films."""

    def __init__(
        self,
        create: Callable[[], Any],
        start: Callable[[Any], Any],
        count: int,
        tasks: dict[Any, _Task],
    ):
        """create: makes a process.  start: calls the `start` of one, with what it needs."""
        self._create, self._start, self._tasks = create, start, tasks
        self.workers: list[_Worker] = []
        for actor in [create() for _ in range(count)]:
            self._add(actor)

    def _add(self, actor: Any) -> None:
        """Start a process. It is used once it answers: a cluster without room lets it wait."""
        worker = _Worker(actor)
        self.workers.append(worker)
        self._tasks[self._start(actor)] = _Task(worker, self)

    def find_free(self) -> _Worker | None:
        """The process with the fewest batches, if it takes one more."""
        ready = [worker for worker in self.workers if worker.is_ready]
        free = min(ready, key=lambda worker: worker.batches, default=None)
        return free if free is not None and free.batches < BATCHES_OF_A_WORKER else None

    def replace(self, worker: _Worker) -> None:
        """Start another process for one that has ended."""
        if worker in self.workers:
            self.workers.remove(worker)
            self._add(self._create())

    @property
    def is_alive(self) -> bool:
        """Whether any process answers."""
        return any(worker.is_ready for worker in self.workers)


class RayReader:
    """Reads films on a cluster, for one scoring."""

    def __init__(self, ray: ModuleType, describe: Callable[[], ScoringRecord]):
        """describe: what this machine scores with; it is asked while the processes of the cluster load their models."""
        self._ray, self._describe = ray, describe
        self._tasks: dict[Any, _Task] = {}
        resources = ray.cluster_resources()
        cores, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
        decoder, scorer = ray.remote(RayDecoder), ray.remote(FilmScorer)
        options = {"num_cpus": CORES_OF_A_WORKER, "scheduling_strategy": "SPREAD"}
        of_networks = {**options, "num_gpus": 1} if gpus else options
        self._decoders = _Pool(
            lambda: decoder.options(**options).remote(),
            lambda actor: actor.start.remote(),
            max(1, cores),
            self._tasks,
        )
        self._scorers = _Pool(
            lambda: scorer.options(**of_networks).remote(),
            lambda actor: actor.start.remote(self.record),
            max(1, gpus or cores),
            self._tasks,
        )
        self._waiting: deque[_Batch] = deque()  # to be decoded again
        self._decoded: deque[_Batch] = deque()  # to be read
        self._last_sign = time.monotonic()

    @cached_property
    def record(self) -> ScoringRecord:
        """What every process scores with."""
        return self._describe()

    def read_films(
        self, films: Sequence[FilmFile], is_known: Callable[[str], bool]
    ) -> Iterator[Row | RepeatedFilm]:
        """A row for each film, in any order, or that it repeats another one's reading.

        Raises ScaleError when a node's models are others, when the cluster has no process left, and for films that end
        the process of a decoder MAX_TRIES times.
        """
        new = iter(range(0, len(films), FILMS_OF_A_BATCH))
        is_done = False
        while not (is_done and not self._waiting and not self._decoded and not self._is_busy):
            is_done = not self._submit_decoding(films, new) or is_done
            self._submit_reading()
            self._require_life()
            finished, _ = self._ray.wait([*self._tasks], num_returns=1, timeout=WAIT_S)
            for reference in finished:
                yield from self._take(reference, is_known)

    @property
    def _is_busy(self) -> bool:
        return any(task.batch is not None for task in self._tasks.values())

    def _submit_decoding(self, films: Sequence[FilmFile], new: Iterator[int]) -> bool:
        """Give batches to decoders while they and the networks have room. Returns whether there may be new ones."""
        while (decoder := self._decoders.find_free()) is not None:
            if len(self._decoded) >= BATCHES_OF_A_WORKER * len(self._scorers.workers):
                return True
            if self._waiting:
                batch = self._waiting.popleft()
            elif (start := next(new, None)) is not None:
                batch = _Batch(films[start : start + FILMS_OF_A_BATCH])
            else:
                return False
            batch.tries += 1
            decoder.batches += 1
            hashes, batch.decoded = decoder.actor.decode.options(num_returns=2).remote(batch.films)
            self._tasks[hashes] = _Task(decoder, self._decoders, batch)
        return True

    def _submit_reading(self) -> None:
        while self._decoded and (scorer := self._scorers.find_free()) is not None:
            batch = self._decoded.popleft()
            scorer.batches += 1
            rows = scorer.actor.read.remote(batch.decoded, batch.kept)
            self._tasks[rows] = _Task(scorer, self._scorers, batch)

    def _take(
        self, reference: Any, is_known: Callable[[str], bool]
    ) -> Iterator[Row | RepeatedFilm]:
        """What a finished call gives."""
        task = self._tasks.pop(reference)
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._recover(task, error)
            return
        self._last_sign = time.monotonic()
        if task.batch is None:
            _require_no_problem(answer)
            task.worker.is_ready = True
            return
        task.worker.batches -= 1
        if task.pool is self._decoders:
            yield from self._sort_out_repeats(task.batch, answer, is_known)
        else:
            yield from answer

    def _sort_out_repeats(
        self, batch: _Batch, hashes: Sequence[str], is_known: Callable[[str], bool]
    ) -> Iterator[RepeatedFilm]:
        """What repeats a known reading goes no further; the other films wait for a network."""
        if not batch.kept:  # else they were decoded before, and are known because of that
            for place, (film, sha256) in enumerate(zip(batch.films, hashes, strict=True)):
                reading = name_reading(sha256, film.stamp)
                if sha256 and is_known(reading):
                    yield RepeatedFilm(film=film, reading=reading)
                else:
                    batch.kept.append(place)
        if batch.kept:
            self._decoded.append(batch)

    def _recover(self, task: _Task, error: Exception) -> None:
        """Decode a lost batch again, and replace the process where that has ended."""
        batch = task.batch
        errors = self._ray.exceptions
        cause = getattr(
            error, "cause", None
        )  # of a call that could not get its films, lost with another node
        if isinstance(cause, SilhouetteError):
            raise cause from None
        if isinstance(error, errors.RayTaskError) and not isinstance(cause, errors.RayError):
            raise error  # a fault of this program, not of a node
        if isinstance(error, errors.RayActorError):
            task.pool.replace(task.worker)
        if batch is None:
            return
        task.worker.batches -= 1
        if batch.tries >= MAX_TRIES:
            raise ScaleError(
                f"a batch of films has ended {MAX_TRIES} processes of the cluster; score it with --on local and "
                "--resume, which refuses the film that does so"
            )
        self._waiting.append(batch)

    def _require_life(self) -> None:
        if self._decoders.is_alive and self._scorers.is_alive:
            self._last_sign = time.monotonic()
        elif time.monotonic() - self._last_sign > LOST_S:
            raise ScaleError(
                f"no process of the cluster has answered for {LOST_S:.0f} s: its nodes are gone, or have no core free. "
                "The films read so far are kept; go on with --resume"
            )


def _require_no_problem(problem: str) -> None:
    if problem:
        raise ScaleError(
            f"a node of the cluster cannot read as this machine does: {problem}. Install the same version and the same "
            "models on all nodes, or let them share one workspace"
        )
