"""Situations: orientation, shutters, functional groups and spacing of DICOM."""

from typing import Any

import numpy as np
from pydicom.uid import (
    EnhancedXRFImageStorage,
)

from tests.film.corpus import HEIGHT, WIDTH, base_pixels, base_values
from tests.film.situations.facts_files import (
    code,
    group,
    make_dataset,
    read_as_sound,
    show,
    write_film,
)

WHITE = 4095
# Rows 21 to 240 and columns 17 to 208, counted from 1.
VISIBLE = (slice(20, 240), slice(16, 208))
RECTANGLE = {
    "ShutterShape": "RECTANGULAR",
    "ShutterUpperHorizontalEdge": 21,
    "ShutterLowerHorizontalEdge": 240,
    "ShutterLeftVerticalEdge": 17,
    "ShutterRightVerticalEdge": 208,
    "ShutterPresentationValue": 65535,
}


def hide_outside(pixels: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Pixels with black where they are not visible."""
    return np.where(visible, pixels, 0.0)


def rectangle_mask() -> np.ndarray:
    """What the rectangular shutter leaves visible."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[VISIBLE] = True
    return mask


def circle_mask() -> np.ndarray:
    """What lies within 110 pixels of row 128 and column 112, both counted from 1."""
    rows, columns = np.mgrid[1 : HEIGHT + 1, 1 : WIDTH + 1]
    return np.hypot(rows - 128, columns - 112) <= 110


def write_white_outside(mask: np.ndarray, **tags: Any) -> bytes:
    """The film with white outside a mask, as devices leave it that hide it by a shutter."""
    return write_film(np.where(mask, base_values(), WHITE).astype(np.uint16), **tags)


def write_enhanced(**tags: Any) -> bytes:
    """An enhanced object, with its window and slope in functional groups."""
    return write_film(
        SOPClassUID=EnhancedXRFImageStorage,
        Modality="RF",
        BodyPartExamined=None,
        ImagerPixelSpacing=None,
        NumberOfFrames=1,
        SharedFunctionalGroupsSequence=group(
            PixelMeasuresSequence=make_dataset(PixelSpacing=[1.68, 1.68]),
            FrameAnatomySequence=make_dataset(AnatomicRegionSequence=code("51185008", "Thorax")),
        ),
        PerFrameFunctionalGroupsSequence=group(
            PixelValueTransformationSequence=make_dataset(RescaleSlope=2, RescaleIntercept=-100),
            FrameVOILUTSequence=make_dataset(WindowCenter=4000, WindowWidth=8601),
        ),
        **tags,
    )


def windowed_pixels() -> np.ndarray:
    """The window of `write_enhanced`, by the formula of PS3.3 C.11.2.1.2.1."""
    values = base_values() * 2.0 - 100
    return np.clip((values - 3999.5) / 8600 + 0.5, 0, 1)


ORIENTATIONS = tuple(
    show(
        f"Patient Orientation `{right}\\{below}`, the film stored {how}",
        "Set upright, with a word.",
        lambda stored=stored, right=right, below=below: write_film(
            stored(base_values()), PatientOrientation=[right, below]
        ),
        base_pixels,
        "set_upright",
    )
    for right, below, how, stored in (
        ("R", "F", "mirrored", np.fliplr),
        ("R", "H", "upside down", lambda film: np.rot90(film, 2)),
        ("L", "H", "flipped", np.flipud),
        ("F", "R", "on its side", np.rot90),
        ("H", "L", "on its other side", lambda film: np.rot90(film, -1)),
        ("F", "L", "with rows and columns exchanged", np.transpose),
    )
)

SHUTTERS = (
    show(
        "White outside a rectangular shutter",
        "Read with black outside.",
        lambda: write_white_outside(rectangle_mask(), **RECTANGLE),
        lambda: hide_outside(base_pixels(), rectangle_mask()),
    ),
    show(
        "White of 16 bits outside a rectangular shutter, no window, 12 bits of 16 used inside",
        "Read with black outside; the white does not set the range.",
        lambda: write_film(
            np.where(rectangle_mask(), base_values(), 65535).astype(np.uint16),
            BitsStored=16,
            **RECTANGLE,
        ),
        lambda: hide_outside(base_pixels(), rectangle_mask()),
    ),
    show(
        "White outside a circular shutter",
        "Read with black outside.",
        lambda: write_white_outside(
            circle_mask(),
            ShutterShape="CIRCULAR",
            CenterOfCircularShutter=[128, 112],
            RadiusOfCircularShutter=110,
        ),
        lambda: hide_outside(base_pixels(), circle_mask()),
    ),
    show(
        "White outside a polygonal shutter",
        "Read with black outside.",
        lambda: write_white_outside(
            rectangle_mask(),
            ShutterShape="POLYGONAL",
            VerticesOfThePolygonalShutter=[21, 17, 21, 208, 240, 208, 240, 17],
        ),
        lambda: hide_outside(base_pixels(), rectangle_mask()),
    ),
    show(
        "Two shutters at once, a MONOCHROME1 film",
        "Read; only what both leave is visible.",
        lambda: write_film(
            (WHITE - base_values()).astype(np.uint16),
            **RECTANGLE
            | {"ShutterShape": ["RECTANGULAR", "CIRCULAR"]}
            | {"CenterOfCircularShutter": [128, 112], "RadiusOfCircularShutter": 110}
            | {"PhotometricInterpretation": "MONOCHROME1"},
        ),
        lambda: hide_outside(base_pixels(), rectangle_mask() & circle_mask()),
    ),
    read_as_sound(
        "A shutter around the film",
        "Read.",
        **RECTANGLE
        | {
            "ShutterUpperHorizontalEdge": 1,
            "ShutterLowerHorizontalEdge": HEIGHT,
            "ShutterLeftVerticalEdge": 1,
            "ShutterRightVerticalEdge": WIDTH,
        },
    ),
    read_as_sound(
        "A shutter that leaves nearly nothing, or has no edges",
        "Read without the shutter, with a word.",
        "shutter_ignored",
        **RECTANGLE | {"ShutterLowerHorizontalEdge": 23},
    ),
)

GROUPS = (
    show(
        "An enhanced object with one frame: window, slope, spacing and anatomy in functional groups",
        "Read with the values of the groups.",
        write_enhanced,
        windowed_pixels,
    ),
    show(
        "The same with another window outside the groups",
        "Read with the values of the groups, with a word.",
        lambda: write_enhanced(WindowCenter=100, WindowWidth=50),
        windowed_pixels,
        "frame_values_differ",
    ),
)

AGES = (
    read_as_sound(
        "No Patient's Age, but dates of birth and study",
        "Read; the age is computed, and the dates are dropped.",
        PatientAge=None,
        PatientBirthDate="19610203",
        StudyDate="20191130",
    ),
    read_as_sound(
        "Patient's Age more than a year from what the dates give",
        "Read as the stated age, with both ages named.",
        "age_conflict",
        PatientBirthDate="19810203",
        StudyDate="20191130",
    ),
    read_as_sound(
        "Patient's Age `411Y`",
        "Read; asks for the age.",
        "impossible_age",
        PatientAge="411Y",
    ),
    read_as_sound(
        "No Patient's Age, and a birth after the study",
        "Read; asks for the age.",
        "impossible_age",
        PatientAge=None,
        PatientBirthDate="19810203",
        StudyDate="19791130",
    ),
    read_as_sound(
        "No Patient's Age, date of birth 1 January 1900, as de-identified files have it",
        "Read; the age is unknown.",
        PatientAge=None,
        PatientBirthDate="19000101",
        StudyDate="19790101",
    ),
)

SPACINGS = (
    read_as_sound("Spacing of a detector of 43 cm", "Read; millimetres are at the detector."),
    read_as_sound(
        "Spacing of a small child's film of 15 cm",
        "Read; millimetres are printed.",
        PatientAge="002Y",
        ImagerPixelSpacing=[0.67, 0.67],
    ),
    read_as_sound(
        "Spacing that would make an adult's film 20 cm wide",
        "Read; lengths are given in pixels, with a word, unless a child's age is entered.",
        ImagerPixelSpacing=[0.89, 0.89],
    ),
    *(
        read_as_sound(
            f"Spacing that would make a film {width}",
            "Read; lengths are given in pixels, with a word.",
            "implausible_spacing",
            ImagerPixelSpacing=[spacing, spacing],
        )
        for width, spacing in (
            ("90 cm wide", 4.02),
            ("2 cm wide", 0.1),
            ("of 168 µm written as 168", 168),
        )
    ),
    read_as_sound("Spacing 0\\0", "Read; lengths are given in pixels.", ImagerPixelSpacing=[0, 0]),
)
