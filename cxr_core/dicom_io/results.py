"""Makes the DICOM objects of a film's reading and writes them, named by their own SOP instance UID."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from pydicom import Dataset

from cxr_core.dicom_io.documents import build_pdf_document
from cxr_core.dicom_io.header import FilmHeader
from cxr_core.dicom_io.header_values import REFUSED
from cxr_core.dicom_io.key_image import build_key_images
from cxr_core.dicom_io.object_kinds import KINDS, USUAL_KINDS
from cxr_core.dicom_io.origin import ResultOrigin
from cxr_core.dicom_io.segmentation import build_segmentation
from cxr_core.dicom_io.stored_grid import StoredGrid
from cxr_core.dicom_io.structured_report import build_structured_report
from cxr_core.errors import FilmRefused, SilhouetteError
from cxr_core.film.decoding.dicom import silence_libraries
from cxr_core.reading.report.report import Report
from cxr_core.workspace.atomic import atomic_file
from cxr_core.workspace.paths import printable


def build_objects(
    report: Report,
    header: FilmHeader,
    kinds: Sequence[str] = USUAL_KINDS,
    *,
    with_heatmaps: bool = False,
) -> list[Dataset]:
    """The objects of a reading, those of KINDS that are asked for, in that order.

    A film without outlines has no segmentation. with_heatmaps: whether key images with the heatmaps are made too.
    Raises FilmRefused for a film that was not read, and ReadingError where film and header do not agree.
    """
    if report.reading.status != "read" or report.film is None:
        raise FilmRefused("This film was not read, so there is no result.", REFUSED)
    grid = StoredGrid.of_film(header, report.film.shape, report.reading.adjustments)
    builders: dict[str, Callable[[ResultOrigin], Sequence[Dataset | None]]] = {
        "sr": lambda origin: [build_structured_report(origin)],
        "image": lambda origin: build_key_images(origin, with_heatmaps),
        "pdf": lambda origin: [build_pdf_document(origin)],
        "segmentation": lambda origin: [build_segmentation(origin)],
    }
    with _silence_highdicom():
        origin = ResultOrigin(header=header, report=report, grid=grid)
        made = [each for kind in KINDS if kind in kinds for each in builders[kind](origin)]
    return [each for each in made if each is not None]


def write_objects(objects: Sequence[Dataset], folder: Path) -> list[Path]:
    """Write each object as <SOP instance UID>.dcm, complete or not at all. Returns the paths.

    All are encoded before the first is written. Raises SilhouetteError when one cannot be written.
    """
    encoded = {folder / f"{each.SOPInstanceUID}.dcm": encode_object(each) for each in objects}
    for path, content in encoded.items():
        try:
            with atomic_file(path, durable=True) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            raise SilhouetteError(
                f"{printable(path)} cannot be written ({error.strerror}); free space, or choose another folder"
            ) from error
    return list(encoded)


def encode_object(dataset: Dataset) -> bytes:
    """An object as the bytes of a DICOM file."""
    buffer = BytesIO()
    with _silence_highdicom():
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


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
