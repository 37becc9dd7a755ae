"""Which films are read, which are passed over, which are dead; whose results are whose; and how priors are compared."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO

from cxr_core.access.audit import audit_folder
from cxr_core.access.audit_check import list_entries
from cxr_core.dicom_io.node import film_reading
from cxr_core.dicom_io.node.film_queue import READ_ALONE_FROM, FilmQueue, QueuedFilm, State
from cxr_core.dicom_io.node.film_reading import FilmReading
from cxr_core.dicom_io.node.node import recover
from cxr_core.dicom_io.node.priors import PriorFilms
from cxr_core.dicom_io.node.spool import Spool
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable
from cxr_core.reading.results import Reading
from cxr_core.workspace.json_files import JsonObject
from tests.hearts import SLENDER
from tests.node.bench import (
    IDENTITY,
    DrawingReader,
    MemoryArchive,
    arrive,
    make_film,
    study_of,
)

WITHIN_S = 60.0


class Bench:
    """A node's queue, files and reading, without its network."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.spool, self.queue = Spool(folder), FilmQueue(folder)
        self.reader, self.archive = DrawingReader(), MemoryArchive()
        self.readings: list[Reading] = []
        self.kinds: tuple[str, ...] = ("sr",)
        self.priors = PriorFilms(self.archive)
        self.reading = self._make_reading(None)

    def _make_reading(self, priors: PriorFilms | None) -> FilmReading:
        return FilmReading(self.queue, self.spool, self.kinds, priors, self.readings.append)

    def close(self) -> None:
        self.reading.close()
        self.priors.close()
        self.queue.close()

    def compare_with_priors(self) -> None:
        self.reading.close()
        self.reading = self._make_reading(self.priors)

    def add(self, data: bytes) -> str:
        name = arrive(data).name
        self.spool.write_film(name, data)
        self.queue.add(arrive(data))
        return name

    def claim(self) -> QueuedFilm | None:
        return self.queue.claim(0.0, [])

    def read(self, most: int = 1000) -> None:
        """Read what is ready; leave after so many films."""
        self.reading.read_ready(self.reader, self.claim, None, lambda: len(self.readings) >= most)

    def results_of(self, name: str) -> dict[str, Dataset]:
        """The results of a film by modality."""
        objects = [dcmread(DicomBytesIO(each.content)) for each in self.spool.read_results(name)]
        return {each.Modality: each for each in objects}

    def states(self) -> dict[str, str]:
        """State and reason of every film, by the name of its files."""
        films = self.queue.list_films([state for state in State if state != State.OWN_RESULT])
        return {film.name: f"{film.state} {film.reason}".strip() for film in films}


@pytest.fixture
def bench(tmp_path: Path, workspace: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


@pytest.mark.process
def test_each_film_goes_where_it_belongs(bench: Bench) -> None:
    bench.kinds = ("sr", "image", "pdf")
    bench.compare_with_priors()
    frontal = bench.add(make_film(1))
    lateral = bench.add(make_film(1, SOPInstanceUID="1.2.3.2", ViewPosition="LL"))
    scan = bench.add(make_film(2, Modality="CT"))
    broken = bench.add(make_film(3)[:3000])
    of_nobody = bench.add(make_film(4, StudyInstanceUID=None))
    bench.read()
    assert bench.states() == {
        frontal: "read",
        lateral: "passed over lateral_view",
        scan: "passed over wrong_modality",
        broken: "dead undecodable",
        of_nobody: "dead no_dicom_result",
    }
    assert bench.spool.list_names() == {frontal, broken, of_nobody}  # the rest is deleted
    assert set(bench.results_of(frontal)) == {"SR", "OT", "DOC"}
    assert len(bench.readings) == 5
    log = (bench.folder.parent / "workspace/logs/silhouette.jsonl").read_text()
    assert '"passed_over": 2' in log
    assert not [word for word in IDENTITY if word in log]


def test_results_belong_to_the_patient_of_their_own_film(bench: Bench) -> None:
    names = {number: bench.add(make_film(number)) for number in range(1, 6)}
    bench.read()
    for number, name in names.items():
        for result in bench.results_of(name).values():
            assert result.PatientID == f"PATIENT{number}"
            assert result.StudyInstanceUID == study_of(number)


def test_a_film_whose_results_are_on_disk_is_not_read_again(bench: Bench) -> None:
    """Killed between the results and the queue's line that says so."""
    name = bench.add(make_film(1))
    bench.read()
    uids = [each.reference.instance_uid for each in bench.spool.read_results(name)]
    (film,) = bench.queue.list_films([State.READ])
    bench.queue.mark(film, State.READING)
    recover(bench.queue, bench.spool)
    bench.read()
    assert bench.states() == {name: "read"}
    assert len(bench.reader.read) == 1
    assert uids == [each.reference.instance_uid for each in bench.spool.read_results(name)]


def test_a_lost_queue_is_made_again_from_the_files(bench: Bench) -> None:
    read, waiting = bench.add(make_film(1)), make_film(2)
    bench.read()
    bench.spool.write_film(arrive(waiting).name, waiting)
    for film in bench.queue.list_films([*State]):
        bench.queue.mark(film, State.DEAD)
        bench.queue.forget(film, lambda: None)
    recover(bench.queue, bench.spool)
    assert bench.states() == {read: "read", arrive(waiting).name: "received"}
    assert bench.queue.is_known(arrive(waiting))  # should its sender try again


def test_what_a_kill_left_of_a_film_that_was_done_is_deleted(bench: Bench) -> None:
    bench.add(make_film(1))
    bench.read()
    (film,) = bench.queue.list_films([State.READ])
    bench.queue.mark(film, State.CONFIRMED)
    recover(bench.queue, bench.spool)
    assert bench.spool.list_names() == set()


def test_films_that_were_asked_for_ahead_are_put_back_as_it_stops(bench: Bench) -> None:
    names = [bench.add(make_film(number)) for number in range(14)]
    bench.read(most=1)
    states = [bench.states()[name] for name in names]
    read = states.count("read")
    assert states == ["read"] * read + ["received"] * (len(names) - read)
    assert len(bench.readings) == read < len(names)


def test_a_long_queue_is_read_in_portions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_reading, "MOST_AT_ONCE", 3)
    names = [bench.add(make_film(number)) for number in range(5)]
    for count in (3, 5):
        bench.read()
        states = [bench.states()[name] for name in names]
        assert states == ["read"] * count + ["received"] * (5 - count)


def test_a_film_that_may_end_the_process_is_read_alone(bench: Bench) -> None:
    suspect = bench.add(make_film(1))
    for _ in range(READ_ALONE_FROM - 1):
        bench.claim()
        bench.queue.recover()
    others = [bench.add(make_film(number)) for number in (2, 3)]
    bench.read()
    assert bench.states() == {suspect: "received"} | dict.fromkeys(others, "read")
    bench.read()
    assert bench.states()[suspect] == "read"


def test_a_film_whose_file_is_gone_holds_up_nobody(bench: Bench) -> None:
    gone, other = bench.add(make_film(1)), bench.add(make_film(2))
    bench.spool.remove(gone)
    bench.read()
    assert bench.states() == {gone: "dead film_missing", other: "read"}


def test_a_disk_that_fills_up_loses_no_film(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    name = bench.add(make_film(1))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bench.spool, "write_results", fail)
        with pytest.raises(OSError, match="No space"):
            bench.read()
    assert bench.states() == {name: "received"}
    bench.read()
    assert bench.states() == {name: "read"}


def test_films_that_were_finished_beside_one_that_fails_are_recorded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails, finished = bench.add(make_film(1)), bench.add(make_film(2))
    write_results = bench.spool.write_results
    may_fail = threading.Event()

    def fail_for_the_first(name: str, objects: Sequence[bytes]) -> None:
        if name == fails:
            may_fail.wait(WITHIN_S)
            raise OSError(28, "No space left on device")
        write_results(name, objects)

    def wait_for_the_second() -> bool:
        if len(bench.reader.read) == 2:
            may_fail.set()
            deadline = time.monotonic() + WITHIN_S
            while bench.states()[finished] != "read" and time.monotonic() < deadline:
                time.sleep(0.01)
        return False

    monkeypatch.setattr(bench.spool, "write_results", fail_for_the_first)
    with pytest.raises(OSError, match="No space"):
        bench.reading.read_ready(bench.reader, bench.claim, None, wait_for_the_second)
    assert bench.states() == {fails: "received", finished: "read"}
    assert len(bench.readings) == 1
    assert len(list_readings()) == 1


def list_readings() -> list[JsonObject]:
    """The readings in the audit log."""
    entries = list_entries(audit_folder())
    return [entry for entry in entries if entry["action"] == "reading"]


def find_texts(report: Dataset) -> list[str]:
    """Every text of a structured report."""
    texts = [
        str(item.TextValue) for item in report.get("ContentSequence", []) if "TextValue" in item
    ]
    for item in report.get("ContentSequence", []):
        texts += find_texts(item)
    return texts


def test_the_change_since_a_prior_film_stands_in_the_results(bench: Bench) -> None:
    prior = {"PatientID": "PATIENT1", "StudyDate": "20250301"}
    bench.archive.priors = {
        study_of(8): [make_film(8, SLENDER, **prior | {"PatientID": "PATIENT9"})],
        study_of(9): [make_film(9, SLENDER, **prior)],
    }
    bench.compare_with_priors()
    name = bench.add(make_film(1))
    bench.read()
    texts = find_texts(bench.results_of(name)["SR"])
    (change,) = [text for text in texts if text.startswith("Prior film of")]
    assert change.startswith("Prior film of 2025-03-01: cardiothoracic ratio 0.43 → 0.60, +0.17 (")
    assert len(bench.reader.read) == 2  # that of another patient was not even read
    assert len(list_readings()) == 2


def test_a_film_is_read_without_priors_where_the_archive_is_away(bench: Bench) -> None:
    bench.archive.error = ArchiveUnreachable("away")
    bench.compare_with_priors()
    name = bench.add(make_film(1))
    bench.read()
    texts = find_texts(bench.results_of(name)["SR"])
    assert any("could not be looked for" in text for text in texts)


def test_an_archive_that_refuses_is_not_said_to_be_silent(bench: Bench) -> None:
    bench.archive.error = ArchiveRefused("More than 100 studies match.")
    bench.compare_with_priors()
    name = bench.add(make_film(1))
    bench.read()
    texts = find_texts(bench.results_of(name)["SR"])
    assert "Prior films could not be obtained from the archive." in texts
    assert not any("did not answer" in text for text in texts)
