"""The service under pressure: too many clients, clients that hang up, huge and slow bodies, and faults."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from pages.components.service.admission import FEWEST_PLACES, PLACES_A_CORE
from pages.components.service.request_body import MAX_BODY_BYTES
from tests.browser.served_app import find_server, serve
from tests.service.clients import (
    READ,
    Hold,
    connect,
    count,
    draw_film,
    read_answer,
    write_head,
)
from tests.service.serve_held_reader import BROKEN_MODELS, BROKEN_PROGRAM, SECRET
from tests.waiting import wait_until

HELD_READER = ["-m", "tests.service.serve_held_reader", "{port}"]
PLACES = max(FEWEST_PLACES, PLACES_A_CORE * (os.cpu_count() or 1))
MB = 2**20
pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_SERVICE", "on")
        yield from serve(HELD_READER, folder)


@pytest.fixture(scope="module")
def film() -> bytes:
    return draw_film(1, side=128)


def test_one_request_too_many_is_told_when_to_come_again_and_the_others_are_answered(
    address: str, folder: Path
) -> None:
    films = [draw_film(seed, side=64) for seed in range(PLACES)]
    with ThreadPoolExecutor(PLACES) as clients, Hold(folder) as hold:
        waiting = [
            clients.submit(httpx.post, address + READ, content=film, timeout=60) for film in films
        ]
        wait_until(lambda: count(address, "silhouette_requests_with_film") == PLACES)
        refused = httpx.post(address + READ, content=films[0])
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert f"All {PLACES} places" in refused.json()["error"]
        assert f"in {refused.headers['Retry-After']} s" in refused.json()["error"]
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        hold.release()
        answers = [each.result() for each in waiting]
    assert [answer.status_code for answer in answers] == [200] * PLACES
    hashes = [hashlib.sha256(film).hexdigest() for film in films]
    assert [answer.json()["sha256"] for answer in answers] == hashes
    assert count(address, "silhouette_requests_with_film") == 0
    assert httpx.post(address + READ, content=films[0]).status_code == 200


def test_page_and_service_share_the_places_for_readings(address: str, folder: Path) -> None:
    """As many readings run at once as there are cores; the others wait in the one queue."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores + 2) as clients, Hold(folder):
        for seed in range(cores + 2):
            clients.submit(httpx.post, address + READ, content=draw_film(seed, 64), timeout=60)
        wait_until(lambda: count(address, "silhouette_readings_waiting") == 2)
        assert count(address, "silhouette_readings_running") == cores


def test_the_film_of_a_client_that_hangs_up_while_it_waits_is_not_read(
    address: str, folder: Path, film: bytes
) -> None:
    cores = os.cpu_count() or 1
    before = count(address, 'silhouette_readings_total{status="read"}')
    with ThreadPoolExecutor(cores) as clients, Hold(folder):
        for _ in range(cores):
            clients.submit(httpx.post, address + READ, content=film, timeout=60)
        wait_until(lambda: count(address, "silhouette_readings_running") == cores)
        with connect(address) as impatient:
            impatient.sendall(write_head(Content_Length=len(film)) + film)
            wait_until(lambda: count(address, "silhouette_readings_waiting") == 1)
        wait_until(lambda: count(address, "silhouette_readings_waiting") == 0)
        assert count(address, "silhouette_requests_with_film") == cores
    wait_until(lambda: count(address, "silhouette_requests_with_film") == 0)
    assert count(address, 'silhouette_readings_total{status="read"}') == before + cores


def test_a_client_that_hangs_up_while_it_sends_gives_its_place_back(
    address: str, film: bytes
) -> None:
    with connect(address) as connection:
        connection.sendall(write_head(Content_Length=len(film)) + film[:100])
        wait_until(lambda: count(address, "silhouette_requests_with_film") == 1)
    wait_until(lambda: count(address, "silhouette_requests_with_film") == 0)


def test_a_length_of_a_gigabyte_is_refused_before_a_byte_of_it_is_sent(address: str) -> None:
    with connect(address) as connection:
        connection.sendall(write_head(Content_Length=1 << 30, Expect="100-continue"))
        answer = read_answer(connection)
    assert answer.startswith("HTTP/1.1 413")
    assert "100 Continue" not in answer
    assert "larger than 64 MB" in answer


def test_a_gigabyte_without_a_length_is_cut_off_at_the_limit_and_not_kept(address: str) -> None:
    server = find_server(address)
    before = server.memory_info().rss
    chunk = b"%x\r\n%s\r\n" % (MB, bytes(MB))
    sent = 0
    with connect(address) as connection:
        connection.sendall(write_head(Transfer_Encoding="chunked"))
        try:
            while sent < 1024 * MB:
                connection.sendall(chunk)
                sent += MB
        except ConnectionError:
            pass
        answer = read_answer(connection)
    assert answer.startswith("HTTP/1.1 413"), answer[:200]
    assert MAX_BODY_BYTES <= sent < MAX_BODY_BYTES + 32 * MB
    assert server.memory_info().rss - before < 200 * MB
    assert httpx.get(f"{address}/healthz").status_code == 200


def test_a_film_in_a_form_has_the_same_limit(address: str) -> None:
    files = {"file": ("film.png", bytes(MAX_BODY_BYTES))}
    answer = httpx.post(address + READ, files=files, timeout=60)
    assert answer.status_code == 413


def test_a_film_that_does_not_arrive_in_time_is_given_up(address: str, film: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(write_head(Content_Length=len(film)) + film[:100])
        answer = read_answer(connection)
    assert answer.startswith("HTTP/1.1 408")
    assert "did not arrive within 15 seconds" in answer
    assert count(address, "silhouette_requests_with_film") == 0


def test_a_fault_in_the_program_is_one_sentence_and_a_line_in_the_log(
    address: str, folder: Path
) -> None:
    answer = httpx.post(address + READ, content=BROKEN_PROGRAM)
    assert answer.status_code == 500
    assert list(answer.json()) == ["error"]
    assert "fault in the program" in answer.json()["error"]
    for word in ("Traceback", "ZeroDivisionError", SECRET, ".py"):
        assert word not in answer.text
    log = (folder / "logs/silhouette.jsonl").read_text()
    assert '"task": "service", "error": "ZeroDivisionError"' in log
    assert SECRET not in log
    assert count(address, 'silhouette_answers_total{path="/api/v1/read",status="500"}') == 1


def test_models_that_cannot_be_used_are_said_to_be_missing(address: str) -> None:
    answer = httpx.post(address + READ, content=BROKEN_MODELS)
    assert answer.status_code == 503
    assert "No model can read films" in answer.json()["error"]
