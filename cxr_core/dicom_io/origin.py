"""What every object of one film has in common: the film that it is about, and the program that made it."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from cxr_core.dicom_io.codes import describe_code
from cxr_core.dicom_io.encoding import Item
from cxr_core.dicom_io.header import FilmHeader
from cxr_core.dicom_io.stored_grid import StoredGrid
from cxr_core.reading.report.pictures import EmbeddedPicture, draw_film
from cxr_core.reading.report.report import Report

MAKER = "Silhouette"
RESEARCH_USE = "Research use, not a diagnosis"
DEVICE_UID = "2.25.9514549105224362099118561373583240443"  # of this program, whichever copy of it


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ResultOrigin:
    """The film of a result, and its report. Nothing of the header shows in its text form.

    grid: where the film lies on the stored pixels.
    """

    header: FilmHeader
    report: Report
    grid: StoredGrid

    @cached_property
    def picture(self) -> EmbeddedPicture:
        """The film with outlines and diameters, which report and key image share."""
        picture = draw_film(self.report)
        assert picture is not None, "a film that was read has pixels"
        return picture

    @property
    def is_known_upright(self) -> bool:
        """Whether the header says how the film lies, and nobody has turned or mirrored it since."""
        changes = self.grid.adjustments
        return (
            self.header.is_orientation_stated and not changes.quarter_turns and not changes.mirrored
        )

    def describe_object(
        self, sop_class: str, modality: str, series_number: int, description: str
    ) -> dict[str, Any]:
        """What any object says of patient, study, series and maker; in a series of its own."""
        now = datetime.now()
        day, time = f"{now:%Y%m%d}", f"{now:%H%M%S.%f}"
        version = self.report.software_version
        return {
            **self.header.describe_study(),
            "SOPClassUID": sop_class,
            "SOPInstanceUID": make_uid(),
            "InstanceCreationDate": day,
            "InstanceCreationTime": time,
            "ContentDate": day,
            "ContentTime": time,
            "Modality": modality,
            "SeriesInstanceUID": make_uid(),
            "SeriesNumber": series_number,
            "SeriesDescription": describe_series(description),
            "InstanceNumber": 1,
            "Manufacturer": MAKER,
            "ManufacturerModelName": MAKER,
            "DeviceSerialNumber": version,
            "SoftwareVersions": version,
        }

    def refer_to_film(self) -> Item:
        """An item that names the film (PS3.3 10.8)."""
        texts = self.header.texts
        return {
            "ReferencedSOPClassUID": texts["SOPClassUID"],
            "ReferencedSOPInstanceUID": texts["SOPInstanceUID"],
        }

    def refer_to_source(self) -> Item:
        """An item that names the film as the source of a picture or document (PS3.3 C.7.6.12.4)."""
        purpose = describe_code(codes.DCM.SourceImageForImageProcessingOperation)
        return {**self.refer_to_film(), "PurposeOfReferenceCodeSequence": [purpose]}


def describe_series(description: str) -> str:
    """The description of a series of results."""
    return f"{description} ({RESEARCH_USE.lower()})"


def make_uid() -> str:
    """A UID that nothing else has (PS3.5 B.2)."""
    return generate_uid(prefix=None)
