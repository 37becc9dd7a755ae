"""What the service adds to a reading, as computing of the server and its decoders, and how eight clients fare."""

import json
import os
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil

from benchmarks.reading import png
from benchmarks.served import ROOT, serve
from benchmarks.table import Row, milliseconds, p95
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader
from cxr_core.workspace.malloc import keep_freed_memory, overwrite_freed_memory
from cxr_core.workspace.openmp import let_idle_threads_sleep

FILMS, ROUNDS = 6, 9
REFUSED = 40  # films of a round that are no films, so that little but the way there is computed
CLIENTS = 8
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"FILMS": 1, "ROUNDS": 1, "REFUSED": 2, "CLIENTS": 2}
ADULT = Patient(age_years=54)


def rows() -> list[Row]:
    films = [png(seed) for seed in range(max(FILMS, CLIENTS))]
    refused = [films[0][100:]] * REFUSED
    os.environ["CXR_SERVICE"] = "on"
    with serve(ROOT) as server, Reader.installed() as reader, httpx.Client(timeout=120) as client:
        keep_freed_memory()  # as the server does
        overwrite_freed_memory()
        let_idle_threads_sleep()
        reader.warm()
        address = f"{server.address}/api/v1/read?age=54"
        there = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
        here = [
            each for each in (psutil.Process(), *psutil.Process().children()) if each not in there
        ]

        def post(data: bytes) -> None:
            client.post(address, content=data).raise_for_status()

        def read(data: bytes) -> None:
            json.dumps(interpret(reader.examine(data), ADULT).to_json("film"))

        def added_ms(batch: Sequence[bytes]) -> float:
            """Of one film: computing over HTTP less that of the same films here, each the median over the rounds.

            The rounds over HTTP follow one another: the server erases memory after every pause, which is not counted.
            """
            over_http = [_computing_ms(there, post, batch) for _ in range(ROUNDS)]
            directly = [_computing_ms(here, read, batch) for _ in range(ROUNDS)]
            return statistics.median(over_http) - statistics.median(directly)

        post(films[0])
        read(films[0])
        whole, way = added_ms(films[:FILMS]), added_ms(refused)
        alone = statistics.median(milliseconds(lambda film=film: post(film)) for film in films)
        with ThreadPoolExecutor(CLIENTS) as clients:
            together = list(clients.map(lambda film: milliseconds(lambda: post(film)), films))
    return [
        Row("computing that HTTP adds to the reading of a film", whole, "ms", "<= 15"),
        Row("computing that HTTP adds to a refused file of the same size", way, "ms", "<= 15"),
        Row(
            f"{CLIENTS} clients at once, p95, as a multiple of one alone",
            p95(together) / alone,
            "x",
            f"<= {CLIENTS}",
        ),
    ]


def _computing_ms(
    processes: Sequence[psutil.Process], action: Callable[[bytes], None], batch: Sequence[bytes]
) -> float:
    """What processes compute for one film of a batch."""
    before = _count_ms(processes)
    for data in batch:
        action(data)
    return (_count_ms(processes) - before) / len(batch)


def _count_ms(processes: Sequence[psutil.Process]) -> float:
    times = [each.cpu_times() for each in processes]
    return 1000 * sum(each.user + each.system for each in times)
