"""A film that was read over HTTP is found nowhere in the memory of the server and its decoders afterwards."""

import sys
from collections.abc import Iterator

import httpx
import pytest

from cxr_core.film.decoding.decode import decode_film
from tests.browser.served_app import STREAMLIT, find_server, serve
from tests.dicom_io.bench import draw_film_pixels, film_file
from tests.pages.test_films_leave_memory import count_copies, wait_until_forgotten
from tests.service.clients import READ

NAME, PATIENT_ID, FILE = "Quirkworth^Zelda", "ID-7731-4420-95", "quaint-film-of-7731"
pytestmark = [
    pytest.mark.process,
    pytest.mark.training,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc holds the memory of a process"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_SERVICE", "on")
        yield from serve(STREAMLIT, tmp_path_factory.mktemp("workspace"))


def test_nothing_of_a_film_stays_after_its_answer(address: str) -> None:
    film = film_file(draw_film_pixels(), PatientName=NAME, PatientID=PATIENT_ID)
    middle = len(film) // 2
    marks = {
        "patient's name": NAME.encode(),
        "patient's number": PATIENT_ID.encode(),
        "file's name": FILE.encode(),
        "pixels of the file": film[middle : middle + 64],
        "pixels of the film": decode_film(film).pixels[200, 150:190].tobytes(),
    }
    server = find_server(address)
    assert count_copies(server, {"the route": READ.encode()}), "the search finds what is there"
    with httpx.Client(
        timeout=60
    ) as client:  # it stays open: nothing may lie in the buffers of its connection
        for accept in ("application/json", "application/dicom"):
            for _ in range(2):
                files = {"file": (f"{FILE}.dcm", film)}
                answer = client.post(address + READ, files=files, headers={"Accept": accept})
                assert answer.status_code == 200, answer.text
        del answer
        wait_until_forgotten(server, marks)
        assert client.get(f"{address}/healthz").status_code == 200
