"""A film that was cleared, or whose tab was closed, is found nowhere in the memory of the server and its decoders."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from pages.components.viewer import encode_picture
from tests.browser.served_app import SHORT_SESSIONS, find_server, serve
from tests.film.dicom_files import write_dicom
from tests.soak.tab import Tab, open_tab

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc holds the memory of a process"),
]
NAME, PATIENT_ID, FILE = "Quirkworth^Zelda", "ID-7731-4420-95", "quaint-film-of-7731"
BIRTH = "19470919"
PIXELS = "pixels of the film"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serve(SHORT_SESSIONS, tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def film() -> bytes:
    """A DICOM file with a patient, and with pixels that no other film has."""
    drawn = decode_film(encode_png(draw_phantom(PhantomSpec(height=900, width=800)))).pixels
    noise = np.random.default_rng(17).integers(0, 3000, drawn.shape)
    samples = (drawn * 60000 + noise).astype(np.uint16)
    return write_dicom(
        samples,
        PatientName=NAME,
        PatientID=PATIENT_ID,
        PatientBirthDate=BIRTH,
        StudyDate="20190823",
    )


@pytest.fixture(scope="module")
def marks(film: bytes) -> dict[str, bytes]:
    """Bytes that only this film, or something made of it, holds."""
    radiograph = decode_film(film)
    picture = encode_picture(radiograph)
    return {
        "patient's name": NAME.encode(),
        "patient's number": PATIENT_ID.encode(),
        "date of birth": BIRTH.encode(),
        "file's name": FILE.encode(),
        "pixels of the file": film[len(film) // 2 : len(film) // 2 + 64],
        PIXELS: radiograph.pixels[450, 300:340].tobytes(),
        "picture": picture[len(picture) // 2 : len(picture) // 2 + 80].encode(),
    }


def count_copies(server: psutil.Process, marks: dict[str, bytes]) -> dict[str, int]:
    """How often the memory of a server and of its children holds each mark; marks without a copy are left out."""
    copies: Counter[str] = Counter()
    for process in (server, *server.children(recursive=True)):
        maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        with open(f"/proc/{process.pid}/mem", "rb", buffering=0) as memory:
            for line in maps:
                span, permissions, *_, name = (*line.split(maxsplit=5), "")
                if not permissions.startswith("rw") or name.startswith("[v"):
                    continue
                start, end = (int(place, 16) for place in span.split("-"))
                try:
                    memory.seek(start)
                    content = memory.read(end - start)
                except OSError:  # a part that was just returned to the system
                    continue
                copies.update({mark: content.count(found) for mark, found in marks.items()})
    return {mark: count for mark, count in copies.items() if count}


def wait_until_forgotten(server: psutil.Process, marks: dict[str, bytes]) -> None:
    deadline = time.monotonic() + 240  # a busy machine ends a session late
    while (copies := count_copies(server, marks)) and time.monotonic() < deadline:
        time.sleep(1)
    assert copies == {}


def read_film(tab: Tab, film: bytes, picture: bytes) -> None:
    tab.upload(f"{FILE}.dcm", film)
    assert tab.exceptions == []
    assert tab.shows(picture.decode())


def test_film_is_gone_after_clear_and_after_its_tab_has_closed(
    address: str, film: bytes, marks: dict[str, bytes]
) -> None:
    server = find_server(address)
    with open_tab(address) as tab:
        read_film(tab, film, marks["picture"])
        # A film's own pixels are decoded when they are needed, and not kept.
        assert set(count_copies(server, marks)) == set(marks) - {PIXELS}
        tab.click("Clear this study")
        wait_until_forgotten(server, marks)
        read_film(tab, film, marks["picture"])
    wait_until_forgotten(server, marks)
