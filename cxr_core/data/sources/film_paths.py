"""Reads from a film's path what no table says: its patient, study and split, and whether it is a lateral view."""

import os
import re
from dataclasses import dataclass

from cxr_core.data.sources.labels import parse_split_folder

# Numbers that a collection gives out once: CheXpert's patient00001, MIMIC-CXR's p10000032.
COLLECTION_PATIENT = re.compile(r"patient\d{5}|p\d{8}")
OTHER_PATIENT = re.compile(r"(?:patient|subject|pat|subj|case)[ _-]?\d+|sub-[a-z0-9]+")
NIH_NAME = re.compile(r"(\d{8})_\d{3}")
KERMANY_NAME = re.compile(r"(person\d+)_|((?:NORMAL2-)?IM-\d+)-")
# PadChest's films begin with the number of their study: 216840111366964012768025509942009204073_00-103-139.png
PADCHEST_STUDY = re.compile(r"(\d{30,})_")
LATERAL = re.compile(r"(?<![a-z])(?<!bi[ _-])(?<!uni[ _-])lateral(?![a-z])|[ _-]lat$|^lat$")


@dataclass(frozen=True)
class PathPatient:
    """A patient as a path names them. is_unique: whether the number means the same patient everywhere."""

    number: str
    is_unique: bool


def find_patient(path: str) -> PathPatient | None:
    """The patient that a folder or the file's name states, as the collections write them; None when none does."""
    *folders, name = path.split(os.sep)
    stem = os.path.splitext(name)[0]
    words = [*folders, *re.split(r"[_ ]", stem)[:1]]
    for pattern, is_unique in ((COLLECTION_PATIENT, True), (OTHER_PATIENT, False)):
        for word in reversed(words):
            if pattern.fullmatch(word.lower()):
                return PathPatient(word, is_unique)
    nih = NIH_NAME.fullmatch(stem)
    if nih:
        return PathPatient(nih[1], is_unique=True)
    kermany = KERMANY_NAME.match(name)
    if kermany:
        return PathPatient(kermany[1] or kermany[2], is_unique=False)
    return None


def find_study(path: str) -> str | None:
    """The study that the file's name begins with, as in PadChest; films of one study are of one patient."""
    match = PADCHEST_STUDY.match(os.path.basename(path))
    return match[1] if match else None


def find_split(path: str) -> str | None:
    """The split that the nearest folder above a film names; None when none does."""
    named = filter(None, map(parse_split_folder, reversed(path.split(os.sep)[:-1])))
    return next(named, None)


def is_patient_folder(name: str) -> bool:
    """Whether a folder's name is a patient's number."""
    return any(pattern.fullmatch(name.lower()) for pattern in (COLLECTION_PATIENT, OTHER_PATIENT))


def is_lateral_path(path: str) -> bool:
    """Whether a folder or the file's name calls the film lateral: view2_lateral.jpg; never "bilateral"."""
    *folders, name = path.lower().split(os.sep)
    return any(map(LATERAL.search, [*folders, os.path.splitext(name)[0]]))
