"""Reads from a DICOM file the few values that a result repeats, each as the standard allows it, or not at all.

This runs in `header_process`: the file may be anything. A value that breaks the rules of its value representation is
left out, and a name is cut to its length. A patient ID that cannot be repeated unchanged refuses the result: cut to
length, or one of several, it might be another patient's.
"""

import warnings
from collections.abc import Iterable

from pydicom import Dataset, config
from pydicom.datadict import dictionary_VR
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pydicom.valuerep import DA, TM, PersonName, validate_value

from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.decode import is_dicom
from cxr_core.film.decoding.dicom_header import display, functional_groups
from cxr_core.film.decoding.dicom_header.values import BROKEN_VALUE, read_value
from cxr_core.film.decoding.dicom_pixels.file import take_apart
from cxr_core.workspace.json_files import JsonObject

REFUSED = "no_dicom_result"  # the code of a film that gets a reading but no DICOM objects
# Study, series and image, by which an archive files a result and finds the film.
UIDS = {
    "StudyInstanceUID": "study",
    "SeriesInstanceUID": "series",
    "SOPInstanceUID": "image",
    "SOPClassUID": "kind of image",
}
IDENTIFIER = "PatientID"
# Of the patient and study modules (PS3.3 C.7.1.1, C.7.2.1), and what a picture made from the film has to repeat. By
# the manufacturer the node recognises results of this program.
OPTIONAL = (
    "PatientName", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName", "BurnedInAnnotation", "LossyImageCompression", "Manufacturer",
)  # fmt: skip
# How and how far the film was compressed: a value for each time (PS3.3 C.7.6.1.1.5).
LISTS = ("LossyImageCompressionRatio", "LossyImageCompressionMethod")
CODES = {
    "PatientSex": ("F", "M", "O"),
    "BurnedInAnnotation": ("YES", "NO"),
    "LossyImageCompression": ("00", "01"),
}
TAGS = (
    *UIDS, IDENTIFIER, *OPTIONAL, *LISTS, "SpecificCharacterSet", "Rows", "Columns", "PatientOrientation",
    *functional_groups.GROUP_SEQUENCES,
)  # fmt: skip
NAME_LENGTH = 64  # characters of each way of writing a name (PS3.5 6.2)


def read_header_values(data: bytes) -> JsonObject:
    """The values of one file: {"texts": by keyword, "rows", "columns", "turn", "orientation"}. Raises FilmRefused.

    turn: what the decoder does to set the film upright, or None.  orientation: whether the file says how it lies.
    """
    if not is_dicom(data):
        raise FilmRefused(
            "This film is no DICOM file, so there is no study that a result could belong to. Give the film as DICOM.",
            REFUSED,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote values
        dataset = take_apart(data, TAGS).dataset
        functional_groups.lift_frame_values(dataset)
        texts = {keyword: _require_uid(dataset, keyword) for keyword in UIDS}
        texts[IDENTIFIER] = _require_identifier(dataset)
        texts |= {keyword: _read_valid(dataset, keyword) or "" for keyword in OPTIONAL}
        texts |= {keyword: _read_list(dataset, keyword) for keyword in LISTS}
        orientation = display.read_orientation(dataset)
        turn = display.find_turn(orientation)
    return {
        "texts": {keyword: text for keyword, text in texts.items() if text},
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "turn": None if turn is None else dict(vars(turn)),
        "orientation": orientation is not None and orientation.is_frontal,
    }


def _require_uid(dataset: Dataset, keyword: str) -> str:
    uid = UID(_read_valid(dataset, keyword) or "")
    if not uid.is_valid:
        raise FilmRefused(
            f"This DICOM file does not say which {UIDS[keyword]} it belongs to ({keyword} is missing or not valid), so "
            "no archive could file a result with it. Export the film again with its study.",
            REFUSED,
        )
    if keyword == "SOPClassUID" and not _is_medical_image(uid):
        raise FilmRefused(
            "This DICOM file is of a kind of image that the standard no longer has, or never had, so no result can "
            "refer to it. Export it as a CR or DX image.",
            REFUSED,
        )
    return str(uid)


def _is_medical_image(sop_class: UID) -> bool:
    """Whether the standard has this class of images today; two families of it are of luggage and of workpieces."""
    of_things = sop_class.keyword.startswith(("DICOS", "EddyCurrent"))
    return "ImageStorage" in sop_class.keyword and not sop_class.is_retired and not of_things


def _require_identifier(dataset: Dataset) -> str:
    text = _read_valid(dataset, IDENTIFIER)
    if text is None and IDENTIFIER in dataset and _is_filled(dataset):
        raise FilmRefused(
            "The patient ID of this DICOM file cannot be repeated in a result: it has several values, more than 64 "
            "characters, or characters that the standard does not allow. Correct the film's header.",
            REFUSED,
        )
    return text or ""


def _is_filled(dataset: Dataset) -> bool:
    """Whether there is a patient ID at all; one that cannot be understood is one."""
    try:
        return not dataset[IDENTIFIER].is_empty
    except BROKEN_VALUE:
        return True


def _read_valid(dataset: Dataset, keyword: str) -> str | None:
    """A text as the standard allows it; None where it is absent, and for anything else."""
    value = read_value(dataset, keyword)
    if isinstance(value, PersonName):
        value = _cut_name(str(value))
    elif not isinstance(value, str) and isinstance(value, Iterable) and keyword.endswith("Name"):
        value = _cut_name(str(next(iter(value), "")))  # of several names the first
    if not isinstance(value, str):
        return None
    text = value.strip(" \0")
    return text if text and _is_allowed(keyword, text) else None


def _read_list(dataset: Dataset, keyword: str) -> str:
    """All values, parted by backslashes as in a file; empty where one of them is not as the standard allows it."""
    value = read_value(dataset, keyword)
    values = value if isinstance(value, MultiValue) else [value]
    texts = [str(each).strip(" \0") for each in values]
    return "\\".join(texts) if all(_is_allowed(keyword, text) for text in texts) else ""


def _cut_name(name: str) -> str:
    """A person's name with at most 64 characters of each way of writing it."""
    return "=".join(part[:NAME_LENGTH] for part in name.split("=")[:3])


def _is_allowed(keyword: str, text: str) -> bool:
    representation = dictionary_VR(keyword)
    try:
        validate_value(representation, text, config.RAISE)
        if representation == "DA":
            DA(text)
        elif representation == "TM":
            TM(text)
    except BROKEN_VALUE:
        return False
    return text.isprintable() and text in CODES.get(keyword, (text,))
