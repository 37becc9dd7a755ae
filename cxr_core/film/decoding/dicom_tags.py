"""Reads the few facts about a DICOM film that a reading needs; each is None when the file does not state it.

Only codes from the tables below and plain numbers pass, so a name typed into the wrong field does not.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.errors import BytesLengthException

from cxr_core.film.radiograph import CHEST_PARTS, Sex, View

TAGS = (
    "Modality", "BodyPartExamined", "ViewPosition", "ViewCodeSequence", "PatientAge", "PatientSex",
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
)  # fmt: skip

# Defined terms of PS3.3 C.7.3.1.1.1 that hold pictures or occur together with them.
MODALITIES = frozenset((
    "CR", "DX", "DR", "RG", "RF", "XA", "MG", "PX", "IO", "OT", "SC", "XC", "ES", "GM", "SM", "OP", "OPT",
    "OPM", "OPV", "OCT", "IVUS", "IVOCT", "CT", "MR", "NM", "PT", "US", "BI", "BDUS", "BMD", "DG", "LS", "TG",
    "HC", "ECG", "EPS", "HD", "SR", "KO", "PR", "SEG", "REG", "RTIMAGE", "RTDOSE", "RTSTRUCT", "RTPLAN",
    "RTRECORD", "DOC", "FID", "PLAN", "RWV", "SRF", "VA", "VF", "AU", "M3D",
))  # fmt: skip

# PS3.16 annex L, and how sites spell them; the word may be anywhere in the field. CHEST_PARTS come first.
OTHER_PARTS = (
    "ABDOMEN", "PELVIS", "SKULL", "HEAD", "BRAIN", "NECK", "CSPINE", "TSPINE", "LSPINE", "SSPINE", "SPINE",
    "SHOULDER", "CLAVICLE", "SCAPULA", "HUMERUS", "ELBOW", "FOREARM", "WRIST", "HAND", "FINGER", "HIP", "FEMUR",
    "KNEE", "LEG", "ANKLE", "FOOT", "TOE", "BREAST", "JAW", "TEETH", "SINUS", "ORBIT", "EXTREMITY", "RIB",
    "STERNUM",
)  # fmt: skip
OTHER_PART = "OTHER"
# What scanners write when nobody has entered a body part.
NO_PART = ("", "UNKNOWN", "UNSPECIFIED", "UNDEFINED", "NONE", "N/A", "NA", "DEFAULT")

# PS3.3 C.8.7.1.1 and C.8.11.5 name AP, PA, LL, RL and the decubitus and oblique views; the last are frontal or
# slanted, so they are not listed.
VIEWS: dict[str, View] = {
    "PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "LAT": "LATERAL", "LATERAL": "LATERAL",
    "LLAT": "LATERAL", "RLAT": "LATERAL", "LEFT LATERAL": "LATERAL", "RIGHT LATERAL": "LATERAL",
}  # fmt: skip

# PS3.16 CID 4010, in SNOMED CT and in the older SRT.
VIEW_CODES: dict[str, View] = {
    "272479007": "PA", "R-10214": "PA", "399348003": "AP", "R-10206": "AP",
    "399067008": "LATERAL", "399173006": "LATERAL", "399198007": "LATERAL",
    "R-10228": "LATERAL", "R-10232": "LATERAL", "R-10236": "LATERAL",
}  # fmt: skip

SEXES: dict[str, Sex] = {"F": "F", "M": "M"}
YEARS_PER_UNIT = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
MAX_AGE_YEARS = 130
MAX_SPACING_MM = 10.0


@dataclass(frozen=True, kw_only=True)
class DicomFacts:
    """The facts of a Radiograph that come from DICOM tags."""

    spacing_mm: tuple[float, float] | None
    view: View | None
    age_years: float | None
    sex: Sex | None
    modality: str | None
    body_part: str | None


def read_dicom_facts(dataset: Dataset) -> DicomFacts:
    """The facts that a data set states."""
    modality = _read_code(dataset, "Modality")
    return DicomFacts(
        spacing_mm=_read_spacing(dataset),
        view=_read_view(dataset),
        age_years=_read_age(dataset),
        sex=SEXES.get(_read_code(dataset, "PatientSex")),
        modality=modality if modality in MODALITIES else None,
        body_part=_find_body_part(_read_code(dataset, "BodyPartExamined")),
    )


def _read_value(dataset: Dataset, keyword: str) -> Any:
    """An element's value; None when it is absent or cannot be understood (a fact may be missing, a film may not)."""
    try:
        return dataset.get(keyword)
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        RuntimeError,
        BytesLengthException,
    ):
        return None


def _read_code(dataset: Dataset, keyword: str) -> str:
    """A code string, upper-case and trimmed; empty when there is none or several."""
    value = _read_value(dataset, keyword)
    return value.strip().upper() if isinstance(value, str) else ""


def _find_body_part(code: str) -> str | None:
    """The known body part that the field names, OTHER for an unknown one, None when it names none."""
    if code in NO_PART:
        return None
    return next((part for part in (*CHEST_PARTS, *OTHER_PARTS) if part in code), OTHER_PART)


def _read_view(dataset: Dataset) -> View | None:
    """From View Position (PS3.3 C.8.7.1.1.2, C.8.11.5.1.1), else from View Code Sequence (C.8.11.5)."""
    position = VIEWS.get(_read_code(dataset, "ViewPosition"))
    items = _read_value(dataset, "ViewCodeSequence")
    if position is not None or not items:
        return position
    return VIEW_CODES.get(_read_code(items[0], "CodeValue"))


def _read_age(dataset: Dataset) -> float | None:
    """Patient's Age in years; AS is three digits and one of D, W, M, Y (PS3.5 6.2). Many sites omit the Y."""
    match = re.fullmatch(r"(\d{1,3})([DWMY]?)", _read_code(dataset, "PatientAge"))
    if match is None:
        return None
    years = int(match[1]) * YEARS_PER_UNIT[match[2] or "Y"]
    return years if years <= MAX_AGE_YEARS else None


def _read_spacing(dataset: Dataset) -> tuple[float, float] | None:
    """(row, column) in mm at the patient where the file states it, else at the detector.

    Pixel Spacing comes first: where it differs from Imager Pixel Spacing it has been calibrated for the patient
    (PS3.3 10.7.1.3). Imager Pixel Spacing is at the detector; divided by the Estimated Radiographic Magnification
    Factor (C.8.7.10, C.8.11.7), when the file gives one, it is an estimate at the patient. A digitised film has its
    scanner's spacing (C.8.6.2) only.
    """
    calibrated = _read_pair(dataset, "PixelSpacing")
    if calibrated is not None:
        return calibrated
    detector = _read_pair(dataset, "ImagerPixelSpacing")
    if detector is None:
        return _read_pair(dataset, "NominalScannedPixelSpacing")
    factor = _finite_number(_read_value(dataset, "EstimatedRadiographicMagnificationFactor"))
    # Below 1 a film would be smaller than the patient; above 2 the focus would be nearer than the detector.
    if factor is None or not 1.0 <= factor <= 2.0:
        return detector
    return detector[0] / factor, detector[1] / factor


def _read_pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two positive, finite lengths in mm; anything else (zeros are common) is None."""
    value = _read_value(dataset, keyword)
    if value is None or isinstance(value, (str, bytes, float, int)) or len(value) != 2:
        return None
    row, column = _finite_number(value[0]), _finite_number(value[1])
    if row is None or column is None:
        return None
    if not 0 < min(row, column) <= max(row, column) <= MAX_SPACING_MM:
        return None
    return row, column


def _finite_number(value: Any) -> float | None:
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None
