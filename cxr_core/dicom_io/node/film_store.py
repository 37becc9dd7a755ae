"""Takes a received instance: to the disk and into the queue, or refuses it with a status."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace

from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from cxr_core.dicom_io.header import HeaderReader
from cxr_core.dicom_io.node.film_queue import Arrival, FilmQueue, State
from cxr_core.dicom_io.node.spool import Spool
from cxr_core.dicom_io.origin import MAKER
from cxr_core.dicom_io.pacs.settings import NodeSettings
from cxr_core.errors import FilmRefused, NodeError

# Statuses of C-STORE (PS3.4 table B.2-1).
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000
RESERVE_BYTES = 256 << 20  # that stay free on the disk, for results and for everybody else
# What a film may be filed as (PS3.4 B.5). Other images are passed over without being looked at.
FILM_CLASSES = frozenset(
    [
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
        SecondaryCaptureImageStorage,
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    ]
)
NO_FILM_CLASS = "no_film_class"  # the reason for which an image is passed over


class FilmStore:
    """Takes instances of several associations, one after another where the header is read."""

    def __init__(self, settings: NodeSettings, queue: FilmQueue, spool: Spool):
        self._queue, self._spool = queue, spool
        self._max_bytes = settings.max_film_mb << 20
        self._max_spool_bytes = settings.max_spool_mb << 20
        self._headers, self._lock = HeaderReader(), threading.Lock()

    def close(self) -> None:
        """End the process that reads headers."""
        with self._lock:
            self._headers.close()

    def store(self, data: bytes, *, class_uid: str, instance_uid: str, association: str) -> int:
        """Take one instance, as a DICOM file, and return its status.

        After success the disk has it and the queue knows it, or it came before, or it is an image but no film. Key
        images that this program has made, here or elsewhere, are no films.
        """
        arrival = Arrival(
            instance_uid=instance_uid,
            content_sha256=hashlib.sha256(data).hexdigest(),
            association=association,
            size=len(data),
        )
        try:
            if self._queue.is_known(arrival):
                return SUCCESS
            if class_uid not in FILM_CLASSES:
                self._queue.add(arrival, State.PASSED_OVER, NO_FILM_CLASS)
                return SUCCESS
            if len(data) > self._max_bytes:
                return CANNOT_UNDERSTAND
            return self._keep(arrival, data)
        except (OSError, NodeError):  # a full disk above all; the sender keeps the film
            return OUT_OF_RESOURCES

    def _keep(self, arrival: Arrival, data: bytes) -> int:
        """Keep an instance, unless this program has made it. Raises OSError, NodeError."""
        header = self._read_header(data)
        if header.get("Manufacturer") == MAKER:
            self._queue.add(arrival, State.OWN_RESULT)
            return SUCCESS
        if not self._has_room(len(data)):
            return OUT_OF_RESOURCES
        self._spool.write_film(arrival.name, data)
        self._queue.add(replace(arrival, study_uid=header.get("StudyInstanceUID", "")))
        return SUCCESS

    def _has_room(self, size: int) -> bool:
        is_free = self._spool.measure_free_bytes() >= size + RESERVE_BYTES
        return is_free and self._queue.count_bytes() + size <= self._max_spool_bytes

    def _read_header(self, data: bytes) -> Mapping[str, str]:
        """The texts of the film's header; empty where it cannot be read, which the reading will find too."""
        with self._lock:
            try:
                return self._headers.read(data).texts
            except FilmRefused:
                return {}
