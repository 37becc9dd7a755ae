"""Makes the DICOM objects of a film's reading and writes them, named by their own SOP instance UID."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from cxr_core.dicom_io.documents import build_pdf_document
from cxr_core.dicom_io.encoding import Item, encode_file
from cxr_core.dicom_io.header import FilmHeader
from cxr_core.dicom_io.header_values import REFUSED
from cxr_core.dicom_io.key_image import build_key_images
from cxr_core.dicom_io.object_kinds import KINDS, USUAL_KINDS
from cxr_core.dicom_io.origin import ResultOrigin
from cxr_core.dicom_io.pacs.archive import ObjectReference
from cxr_core.dicom_io.stored_grid import StoredGrid
from cxr_core.dicom_io.structured_report import build_structured_report
from cxr_core.errors import FilmRefused, SilhouetteError
from cxr_core.film.decoding.dicom import silence_libraries
from cxr_core.reading.report.report import Report
from cxr_core.workspace.atomic import atomic_file
from cxr_core.workspace.paths import printable


@dataclass(frozen=True, kw_only=True, repr=False)
class ResultObject:
    """A DICOM object as it is sent. content: the bytes of its file."""

    reference: ObjectReference
    content: bytes


def build_objects(
    report: Report,
    header: FilmHeader,
    kinds: Sequence[str] = USUAL_KINDS,
    *,
    with_heatmaps: bool = False,
) -> list[ResultObject]:
    """The objects of a reading, those of KINDS that are asked for, in that order.

    A film without outlines has no segmentation. with_heatmaps: whether key images with the heatmaps are made too.
    Raises FilmRefused for a film that was not read, and ReadingError where film and header do not agree.
    """
    if report.reading.status != "read" or report.film is None:
        raise FilmRefused("This film was not read, so there is no result.", REFUSED)
    grid = StoredGrid.of_film(header, report.film.shape, report.reading.adjustments)
    origin = ResultOrigin(header=header, report=report, grid=grid)
    builders: dict[str, Callable[[], Sequence[ResultObject]]] = {
        "sr": lambda: [_encode(build_structured_report(origin))],
        "image": lambda: [_encode(each) for each in build_key_images(origin, with_heatmaps)],
        "pdf": lambda: [_encode(build_pdf_document(origin))],
        "segmentation": lambda: _make_segmentation(origin),
    }
    return [each for kind in KINDS if kind in kinds for each in builders[kind]()]


def write_objects(objects: Sequence[ResultObject], folder: Path) -> list[Path]:
    """Write each object as <SOP instance UID>.dcm, complete or not at all. Returns the paths.

    Raises SilhouetteError when one cannot be written.
    """
    paths = []
    for each in objects:
        path = folder / f"{each.reference.instance_uid}.dcm"
        try:
            with atomic_file(path, durable=True) as temporary:
                temporary.write_bytes(each.content)
        except OSError as error:
            raise SilhouetteError(
                f"{printable(path)} cannot be written ({error.strerror}); free space, or choose another folder"
            ) from error
        paths.append(path)
    return paths


def _encode(content: Item) -> ResultObject:
    reference = ObjectReference(
        study_uid=content["StudyInstanceUID"],
        series_uid=content["SeriesInstanceUID"],
        class_uid=content["SOPClassUID"],
        instance_uid=content["SOPInstanceUID"],
    )
    return ResultObject(reference=reference, content=encode_file(content))


def _make_segmentation(origin: ResultOrigin) -> list[ResultObject]:
    from cxr_core.dicom_io.segmentation import build_segmentation  # brings highdicom along

    buffer = BytesIO()
    with _silence_highdicom():
        dataset = build_segmentation(origin)
        if dataset is None:
            return []
        dataset.save_as(buffer, enforce_file_format=True)
    return [ResultObject(reference=ObjectReference.of_dataset(dataset), content=buffer.getvalue())]


@contextmanager
def _silence_highdicom() -> Iterator[None]:
    """Silence warnings and log lines of highdicom and pydicom, which quote UIDs and names."""
    logger = logging.getLogger("highdicom")
    with silence_libraries():
        before = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            logger.setLevel(before)
