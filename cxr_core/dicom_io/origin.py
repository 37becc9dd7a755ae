"""What every object of one film has in common: the film that it is about, and the program that made it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from highdicom import UID
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from cxr_core.dicom_io.codes import describe_scheme
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

    source: the film's identity and size.  grid: where the film lies on the stored pixels.
    """

    header: FilmHeader
    report: Report
    grid: StoredGrid
    source: Dataset = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", self.header.to_dataset())

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

    def describe_object(self, series_number: int, description: str) -> dict[str, Any]:
        """Arguments of any object of highdicom's: a series of its own, and who made it."""
        return {
            "series_instance_uid": UID(),
            "series_number": series_number,
            "series_description": f"{description} ({RESEARCH_USE.lower()})",
            "sop_instance_uid": UID(),
            "instance_number": 1,
            "manufacturer": MAKER,
            "manufacturer_model_name": MAKER,
            "software_versions": self.report.software_version,
            "device_serial_number": self.report.software_version,
            "transfer_syntax_uid": ExplicitVRLittleEndian,
        }

    def describe_own_codes(self) -> dict[str, Any]:
        """The argument by which an object explains the program's own codes."""
        return {"coding_schemes": [describe_scheme()]}

    def refer_to_film(self) -> Dataset:
        """An item that names the film as the source of a picture or document (PS3.3 C.7.6.12.4)."""
        item, purpose = Dataset(), Dataset()
        item.ReferencedSOPClassUID = self.source.SOPClassUID
        item.ReferencedSOPInstanceUID = self.source.SOPInstanceUID
        code = codes.DCM.SourceImageForImageProcessingOperation
        purpose.CodeValue, purpose.CodingSchemeDesignator = code.value, code.scheme_designator
        purpose.CodeMeaning = code.meaning
        item.PurposeOfReferenceCodeSequence = [purpose]
        return item
