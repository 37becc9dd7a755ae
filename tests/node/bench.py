"""What tests of the receiving node share: films, an archive in memory, a reader without networks, a clock to set."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread

from cxr_core.dicom_io.node.film_queue import Arrival
from cxr_core.dicom_io.pacs.archive import ObjectReference, Study, StudyQuery
from cxr_core.dicom_io.pacs.settings import NodeSettings, PeerSettings
from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.results import Examination
from tests.dicom_io.bench import draw_film_pixels, film_file, segment_once
from tests.free_ports import find_free_port
from tests.hearts import SLENDER, WIDE
from tests.reading.report.test_report import examination as examination_of

CR, CT = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.2"
ROOT_UID = "1.2.826.0.1.99.7"
TITLE, PEER = "NODE", "MODALITY1"
# Words of these films that may be in films and results only.
IDENTITY = ("Geheim", "SECRETID", "ACC4711", "PATIENT", ROOT_UID)


def make_film(number: int, spec: PhantomSpec = WIDE, **tags: Any) -> bytes:
    """The film of one patient in a study of its own: `PATIENT1` in study .1 and so on."""
    described = {
        "SOPClassUID": CR,
        "Modality": "CR",
        "StudyInstanceUID": f"{ROOT_UID}.{number}",
        "SeriesInstanceUID": f"{ROOT_UID}.{number}.1",
        "SOPInstanceUID": f"{ROOT_UID}.{number}.1.1",
        "PatientID": f"PATIENT{number}",
        "StudyDate": "20261101",
        "PatientAge": "050Y",
        "ViewPosition": "PA",
    }
    return film_file(draw_film_pixels(spec), **described | tags)


def study_of(number: int) -> str:
    return f"{ROOT_UID}.{number}"


def arrive(data: bytes, association: str = "") -> Arrival:
    """A film as the receiver tells the queue of it."""
    dataset = dcmread(BytesIO(data), stop_before_pixels=True)
    return Arrival(
        instance_uid=str(dataset.SOPInstanceUID),
        study_uid=str(dataset.get("StudyInstanceUID", "")),
        content_sha256=sha256(data).hexdigest(),
        association=association,
        size=len(data),
    )


def make_settings(port: int | None = None, **settings: Any) -> NodeSettings:
    """A node that one modality on this machine may send to."""
    values: dict[str, Any] = {
        "quiet_s": 0.2,
        "peers": (PeerSettings(ae_title=PEER, address="127.0.0.1"),),
    }
    return NodeSettings(ae_title=TITLE, port=port or find_free_port(), **values | settings)


class Clock:
    """A clock that moves when it is told."""

    def __init__(self, now: float = 1_800_000_000.0):
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class MemoryArchive:
    """An archive in memory. error: what every call raises.  hidden: how often a search shows nothing of what it has."""

    def __init__(self) -> None:
        self.objects: dict[str, Dataset] = {}
        self.sent: list[str] = []
        self.priors: dict[str, list[bytes]] = {}
        self.error: Exception | None = None
        self.hidden = 0
        self.calls = 0

    def check(self) -> None:
        self._fail()

    def find_studies(self, query: StudyQuery) -> tuple[Study, ...]:
        self._fail()
        made = date(2001, 1, 1)  # before any film that is sent
        return tuple(Study(uid=uid, patient_id=query.patient_id, made=made) for uid in self.priors)

    def list_films(self, study_uid: str) -> tuple[ObjectReference, ...]:
        self._fail()
        films = [dcmread(BytesIO(data)) for data in self.priors[study_uid]]
        return tuple(map(ObjectReference.of_dataset, films))

    def fetch_films(self, films: Sequence[ObjectReference]) -> Iterator[bytes]:
        self._fail()
        for film in films:
            yield next(
                data
                for data in self.priors[film.study_uid]
                if dcmread(BytesIO(data)).SOPInstanceUID == film.instance_uid
            )

    def send(self, objects: Sequence[bytes]) -> None:
        self._fail()
        for content in objects:
            dataset = dcmread(BytesIO(content))
            self.sent.append(str(dataset.SOPInstanceUID))
            self.objects[str(dataset.SOPInstanceUID)] = dataset

    def find_missing(self, objects: Sequence[ObjectReference]) -> tuple[ObjectReference, ...]:
        self._fail()
        if self.sent and self.hidden:
            self.hidden -= 1
            return tuple(objects)
        return tuple(each for each in objects if each.instance_uid not in self.objects)

    def of_study(self, number: int) -> list[Dataset]:
        """What it has of a study."""
        return [each for each in self.objects.values() if each.StudyInstanceUID == study_of(number)]

    def _fail(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


class DrawingReader:
    """Reads drawn films without networks: decodes, looks for quality flags, and knows the true outlines.

    read: the sha256 of every film that it was given.
    """

    def __init__(self) -> None:
        self.read: list[str] = []

    def examine(self, data: bytes) -> Examination:
        digest = sha256(data).hexdigest()
        self.read.append(digest)
        try:
            film = decode_film(data)
        except FilmRefused as refusal:
            flag = QualityFlag(refusal.code, str(refusal), withholds_reading=True)
            return replace(examination_of(None), sha256=digest, outputs=(), concerns=(flag,))
        concerns = find_quality_flags(film)
        if any(flag.withholds_reading for flag in concerns):
            refused = replace(examination_of(film), outputs=(), concerns=concerns)
            return replace(refused, sha256=digest)
        examined = examination_of(film, concerns=concerns)
        segmentation = segment_once(recognise_drawing(film.pixels))
        return replace(examined, sha256=digest, segmentation=segmentation)

    def examine_many(self, files: Iterable[bytes]) -> Iterator[Examination]:
        """As the reader does: some are asked for ahead."""
        ahead = [data for _, data in zip(range(4), files, strict=False)]
        while ahead:
            batch, ahead = ahead, [data for _, data in zip(range(4), files, strict=False)]
            for data in batch:
                yield self.examine(data)


def recognise_drawing(pixels: np.ndarray) -> PhantomSpec:
    """Which of the two chests a decoded film shows. pixels: (H, W) in [0, 1]."""
    return min(
        (WIDE, SLENDER),
        key=lambda spec: np.abs(pixels - draw_film_pixels(spec) / 4095).mean(),
    )
