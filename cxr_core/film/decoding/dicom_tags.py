"""The few facts about a DICOM film that a reading needs; each is None when the file does not say it in so many words.

Only codes from the tables below and plain numbers pass: a name typed into the wrong field does not get through.
"""

import math
import re
from typing import Any

from pydicom import Dataset
from pydicom.errors import BytesLengthException

from cxr_core.film.radiograph import CHEST_PARTS, View

TAGS = (
    "Modality", "BodyPartExamined", "ViewPosition", "ViewCodeSequence", "PatientAge", "PatientSex",
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
)  # fmt: skip

# Defined terms of PS3.3 C.7.3.1.1.1 that hold pictures or are met beside them.
MODALITIES = frozenset((
    "CR", "DX", "DR", "RG", "RF", "XA", "MG", "PX", "IO", "OT", "SC", "XC", "ES", "GM", "SM", "OP", "OPT",
    "OPM", "OPV", "OCT", "IVUS", "IVOCT", "CT", "MR", "NM", "PT", "US", "BI", "BDUS", "BMD", "DG", "LS", "TG",
    "HC", "ECG", "EPS", "HD", "SR", "KO", "PR", "SEG", "REG", "RTIMAGE", "RTDOSE", "RTSTRUCT", "RTPLAN",
    "RTRECORD", "DOC", "FID", "PLAN", "RWV", "SRF", "VA", "VF", "AU", "M3D",
))  # fmt: skip

# PS3.16 annex L, and how sites spell them; the word is looked for anywhere in the field, after CHEST_PARTS.
OTHER_PARTS = (
    "ABDOMEN", "PELVIS", "SKULL", "HEAD", "BRAIN", "NECK", "CSPINE", "TSPINE", "LSPINE", "SSPINE", "SPINE",
    "SHOULDER", "CLAVICLE", "SCAPULA", "HUMERUS", "ELBOW", "FOREARM", "WRIST", "HAND", "FINGER", "HIP", "FEMUR",
    "KNEE", "LEG", "ANKLE", "FOOT", "TOE", "BREAST", "JAW", "TEETH", "SINUS", "ORBIT", "EXTREMITY", "RIB",
    "STERNUM",
)  # fmt: skip
OTHER_PART = "OTHER"
# What scanners write when nobody has said.
NO_PART = ("", "UNKNOWN", "UNSPECIFIED", "UNDEFINED", "NONE", "N/A", "NA", "DEFAULT")

# PS3.3 C.8.7.1.1 and C.8.11.5 name AP, PA, LL, RL and the decubitus and oblique views; the last three are frontal or
# slanted, so they are none of ours.
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

YEARS_PER_UNIT = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
OLDEST_YEARS = 130
LARGEST_SPACING_MM = 10.0


def read_facts(dataset: Dataset) -> dict[str, Any]:
    """Keyword arguments of a Radiograph: spacing_mm, view, age_years, sex, modality and body_part."""
    modality = _code(dataset, "Modality")
    sex = _code(dataset, "PatientSex")
    return {
        "spacing_mm": _spacing(dataset),
        "view": _view(dataset),
        "age_years": _age(dataset),
        "sex": sex if sex in ("F", "M") else None,
        "modality": modality if modality in MODALITIES else None,
        "body_part": _body_part(_code(dataset, "BodyPartExamined")),
    }


def _value(dataset: Dataset, keyword: str) -> Any:
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


def _code(dataset: Dataset, keyword: str) -> str:
    """A code string, upper-case and trimmed; empty when there is none or several."""
    value = _value(dataset, keyword)
    return value.strip().upper() if isinstance(value, str) else ""


def _body_part(code: str) -> str | None:
    """The known part that the field names, OTHER for one we do not know, None when it says nothing."""
    if code in NO_PART:
        return None
    return next((part for part in (*CHEST_PARTS, *OTHER_PARTS) if part in code), OTHER_PART)


def _view(dataset: Dataset) -> View | None:
    """From View Position (PS3.3 C.8.7.1.1.2, C.8.11.5.1.1), else from View Code Sequence (C.8.11.5)."""
    position = VIEWS.get(_code(dataset, "ViewPosition"))
    items = _value(dataset, "ViewCodeSequence")
    if position is not None or not items:
        return position
    return VIEW_CODES.get(_code(items[0], "CodeValue"))


def _age(dataset: Dataset) -> float | None:
    """Patient's Age in years; AS is three digits and one of D, W, M, Y (PS3.5 6.2). Many sites leave the Y out."""
    match = re.fullmatch(r"(\d{1,3})([DWMY]?)", _code(dataset, "PatientAge"))
    if match is None:
        return None
    years = int(match[1]) * YEARS_PER_UNIT[match[2] or "Y"]
    return years if years <= OLDEST_YEARS else None


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    """(row, column) in mm at the patient where the file knows it, else at the detector.

    Pixel Spacing comes first: where it differs from Imager Pixel Spacing it has been calibrated for the patient
    (PS3.3 10.7.1.3). Imager Pixel Spacing is at the detector; divided by the Estimated Radiographic Magnification
    Factor (C.8.7.10, C.8.11.7), when the file gives one, it is an estimate at the patient. A digitised film has its
    scanner's spacing (C.8.6.2) only.
    """
    calibrated = _pair(dataset, "PixelSpacing")
    if calibrated is not None:
        return calibrated
    detector = _pair(dataset, "ImagerPixelSpacing")
    if detector is None:
        return _pair(dataset, "NominalScannedPixelSpacing")
    factor = _number(_value(dataset, "EstimatedRadiographicMagnificationFactor"))
    # Below 1 a film would be smaller than the patient; above 2 the focus would be nearer than the detector.
    if factor is None or not 1.0 <= factor <= 2.0:
        return detector
    return detector[0] / factor, detector[1] / factor


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two positive, finite lengths in mm; anything else (zeros are common) is None."""
    value = _value(dataset, keyword)
    if value is None or isinstance(value, (str, bytes, float, int)) or len(value) != 2:
        return None
    row, column = _number(value[0]), _number(value[1])
    if (
        row is None
        or column is None
        or not all(0 < edge <= LARGEST_SPACING_MM for edge in (row, column))
    ):
        return None
    return row, column


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None
