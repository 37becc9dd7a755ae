"""What tests of DICOM results share: a drawn chest as a DICOM film, its reading, and the tools that check objects."""

import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from cxr_core.dicom_io import header_process
from cxr_core.dicom_io.header import FilmHeader, parse_answer
from cxr_core.dicom_io.object_kinds import KINDS
from cxr_core.dicom_io.results import build_objects, write_objects
from cxr_core.film.adjustments import UNCHANGED, Adjustments, adjust_film
from cxr_core.film.decoding.dicom import decode_dicom
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.report import Report
from cxr_core.reading.results import Examination
from tests.film.dicom_files import write_dicom
from tests.hearts import WIDE, segment_drawing
from tests.reading.report.test_report import MADE
from tests.reading.report.test_report import examination as examination_of
from tests.system_tools import require_system_tool

STUDY, SERIES, IMAGE = "1.2.826.0.1.99.7.1", "1.2.826.0.1.99.7.2", "1.2.826.0.1.99.7.3"
ADULT = Patient(age_years=50, view="PA")


@cache
def draw_film_pixels(spec: PhantomSpec = WIDE) -> np.ndarray:
    """A drawn chest as a detector stores it: (H, W) uint16 of 12 bits."""
    return np.rint(draw_phantom(spec).pixels * 4095).astype(np.uint16)


def film_file(
    pixels: np.ndarray | None = None, syntax: UID = ExplicitVRLittleEndian, **tags: Any
) -> bytes:
    """A DICOM film of a patient with a name, a study and a series; `tags` are set last, None deletes one."""
    pixels = draw_film_pixels() if pixels is None else pixels
    tags = {"BitsStored": 12, "SeriesInstanceUID": SERIES} | tags
    return write_dicom(pixels, syntax, **tags)


def header_of(data: bytes) -> FilmHeader:
    """The header of a file, read in this process. Raises FilmRefused."""
    return parse_answer(header_process.answer_file(data))


def examine(
    data: bytes, spec: PhantomSpec = WIDE, adjustments: Adjustments = UNCHANGED
) -> Examination:
    """What models without mistakes compute from the film of a drawing, however its file stores it."""
    film = adjust_film(decode_dicom(data), adjustments)
    examination = examination_of(film)
    return replace(examination, segmentation=segment_once(spec), adjustments=adjustments)


segment_once = cache(segment_drawing)


def report_of(examination: Examination, patient: Patient = ADULT, **question: Any) -> Report:
    return Report(
        reading=interpret(examination, patient, **question),
        examination=examination,
        file="film",
        made=MADE,
        software_version="0.2.0",
    )


def make_objects(data: bytes, **options: Any) -> list[Dataset]:
    """Every kind of object of a drawn chest's reading."""
    return build_objects(report_of(examine(data)), header_of(data), tuple(KINDS), **options)


def by_modality(objects: list[Dataset]) -> dict[str, Dataset]:
    """SR, OT, DOC and SEG; of several key images the first."""
    return {each.Modality: each for each in reversed(objects)}


def run_tool(name: str, package: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool on a file. Without the tool the test is skipped, with CI set it fails."""
    tool = require_system_tool(name, package)
    return subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)


def find_violations(objects: list[Dataset], folder: Path) -> list[str]:
    """Every error that dciodvfy reports of the objects as they are written, and every one of dsrdump."""
    found = []
    for path, each in zip(write_objects(objects, folder), objects, strict=True):
        done = run_tool("dciodvfy", "dicom3tools", path)
        # Its first lines name the IOD; a tool that could not read the file at all says nothing else.
        assert done.stderr.strip(), each.Modality
        found += [
            f"{each.Modality}: {line}" for line in done.stderr.splitlines() if "Error" in line
        ]
        if each.Modality == "SR":
            dumped = run_tool("dsrdump", "dcmtk", path)
            found += [line for line in dumped.stderr.splitlines() if line.startswith(("E:", "F:"))]
            if dumped.returncode or "Imaging Measurements" not in dumped.stdout:
                found.append(f"dsrdump ends with {dumped.returncode}")
    return found
