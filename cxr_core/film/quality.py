"""Flags quality problems of a film before it is read, from its tags and a few cheap measures of its pixels.

Limits were chosen on NIH train_val and Kermany train films. Measured on the other chest films (3,252: NIH test at 64,
128, 256 and 1024 px, Kermany test, and another hospital's at 512 px): refused 0; clipped 0.2 %, inverted 0.2 %, turned
0.3 %, mirrored 1.8 % (without one folder of a few patients with a white right lung, 0.9 %). Found when done to them on
purpose: inverted 99 %, turned 99 %, mirrored 65 to 85 % (51 % in that folder). On the 15,856 films that they were
chosen on: refused 0, call withheld 1.0 %.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from cxr_core.film.artefacts.flags import flag_burned_in_text, flag_retaken_pictures
from cxr_core.film.irregularities import IRREGULARITIES
from cxr_core.film.orientation import measure_pose
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.film.tint import COLOUR_ABOVE
from cxr_core.film.vocabulary import CHEST_PARTS, RADIOGRAPHY, UNSPECIFIC_MODALITIES
from cxr_core.presentation.wording import format_age

# The smallest NIH films in use have 64 px a side and are still read (with a warning); below, a heart's border is
# less than a pixel sharp.
MIN_SIDE_PX = 64
# A warning: below this a small pneumothorax or nodule cannot be seen, nor a cardiothoracic ratio to 1 %.
LOW_RESOLUTION_PX = 200
# Chest films measure 35 × 43 cm or are squares; cropped to one lung they reach about 1 : 2.
MAX_ASPECT = 2.5

# Standard deviation of the film at 64 × 64. Films: 0.031 to 0.358.
CONSTANT_BELOW = 0.012
# Mean squared step between neighbours at 64 × 64 over twice the variance; white noise gives 1. Films: 0.003 to 0.190.
NOISE_ABOVE = 0.35
# Irregularities that say why a film has colours.
EXPLAINED_COLOUR = frozenset({"tinted", "coloured_marks"})
# Share of neighbours that are exactly equal, black and white areas aside. Films: 0 to 0.46; test patterns: 0.91.
DRAWN_ABOVE = 0.85

# Share of the middle three quarters at the film's own darkest or brightest value. Of sound films 99 % stay below 0.03
# and 0.01.
CLIPPED_BLACK_ABOVE = 0.05
CLIPPED_WHITE_ABOVE = 0.02

# Chosen so that 0.5 % of the NIH train_val films fall below. Most that do have a white right lung, which a mirrored
# film with a large heart resembles; the rest have a central heart.
MIRRORED_BELOW = -0.013

# How far beyond its limit a flag has severity 1. Of films that were turned or inverted on purpose 5 % lie nearer to the
# limit of the pose, of mirrored films half lie nearer to theirs; measured on 202 films of heart_ctr and nih_boxes_256.
POSE_RANGE = 0.33
MIRRORED_RANGE = 0.008


def measure_coarseness(film_shape: tuple[int, int]) -> float:
    """How coarse the pixels of a film (H, W) are: 0 from LOW_RESOLUTION_PX a side on, 1 at the smallest film read."""
    excess = LOW_RESOLUTION_PX / max(1, min(film_shape)) - 1
    return min(max(excess / (LOW_RESOLUTION_PX / MIN_SIDE_PX - 1), 0.0), 1.0)


def find_quality_flags(film: Radiograph) -> tuple[QualityFlag, ...]:
    """The quality flags of a film, those that withhold a reading first; empty for a film without any."""
    irregular = [IRREGULARITIES[code] for code in film.irregularities]
    flags = [*irregular, *_check_tags(film), *_check_shape(film), *_check_content(film)]
    flags += flag_burned_in_text(film.pixels)
    # The measures of exposure and pose mean nothing on a picture that is no chest film: a cat is not turned.
    if not any(flag.withholds_reading for flag in flags):
        flags += [*_check_exposure(film), *_check_pose(film), *flag_retaken_pictures(film.pixels)]
    return tuple(
        sorted(flags, key=lambda flag: (not flag.withholds_reading, not flag.withholds_call))
    )


def _check_tags(film: Radiograph) -> Iterator[QualityFlag]:
    """Flags from what the file itself says."""
    chest = film.body_part in CHEST_PARTS
    if film.modality is not None and film.modality not in RADIOGRAPHY | UNSPECIFIC_MODALITIES:
        yield _withhold_reading(
            "wrong_modality",
            f"The file says its modality is {film.modality}; only radiographs are read.",
        )
    elif film.container == "dicom" and film.modality is None and not chest:
        yield _withhold_reading(
            "wrong_modality",
            "The file does not say that it is a radiograph, nor that it shows a chest.",
        )
    if film.body_part is not None and not chest:
        yield _withhold_reading(
            "wrong_body_part",
            f"The file says it shows {film.body_part}, not a chest. If that is wrong, export the film as PNG.",
        )
    if film.view == "LATERAL":
        yield _withhold_reading(
            "lateral_view",
            "The file says this is a lateral view; only frontal films (PA or AP) are read.",
        )
    if film.modality in UNSPECIFIC_MODALITIES and film.body_part is None:
        yield QualityFlag(
            "unknown_modality",
            "The file does not say how the picture was taken. Check it is a radiograph.",
        )
    if film.age_years is not None and film.conflicting_age_years is not None:
        yield QualityFlag(
            "age_conflict",
            f"The file states an age of {format_age(film.age_years)}, but its dates of birth and examination give "
            f"{format_age(film.conflicting_age_years)}. The stated age is used unless you enter another: check it, and "
            "that this is the right patient.",
        )
    if film.container == "drawing":
        yield QualityFlag("drawing", "This is a synthetic film, not a film of a patient.")


def _check_shape(film: Radiograph) -> Iterator[QualityFlag]:
    height, width = film.shape
    if min(height, width) < MIN_SIDE_PX:
        yield _withhold_reading(
            "too_small",
            f"The picture has {width} × {height} pixels; at least {MIN_SIDE_PX} a side are needed.",
        )
    elif min(height, width) < LOW_RESOLUTION_PX:
        yield QualityFlag(
            "low_resolution",
            f"The picture has only {width} × {height} pixels; small findings cannot be seen. Use the original film.",
            severity=measure_coarseness(film.shape),
        )
    if max(height, width) > MAX_ASPECT * min(height, width):
        yield _withhold_reading(
            "implausible_shape", f"{width} × {height} pixels is not the shape of a chest film."
        )


def _check_content(film: Radiograph) -> Iterator[QualityFlag]:
    cells = cv2.resize(film.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    if cells.std() < CONSTANT_BELOW:
        yield _withhold_reading(
            "constant", "The picture is a uniform grey; there is nothing to read on it."
        )
        return
    if _measure_roughness(cells) > NOISE_ABOVE:
        yield _withhold_reading(
            "noise", "The picture is noise, or detail without any larger form; it is no chest film."
        )
    if film.colour > COLOUR_ABOVE and EXPLAINED_COLOUR.isdisjoint(film.irregularities):
        yield _withhold_reading(
            "colour",
            "The picture is in colour; a chest film is grey. Export the film itself, not a photo.",
        )
    if film.container != "drawing" and _measure_evenness(film.pixels) > DRAWN_ABOVE:
        yield _withhold_reading(
            "drawn",
            "The picture consists of areas of one exact grey, as a drawing or a test pattern does.",
        )


def _check_exposure(film: Radiograph) -> Iterator[QualityFlag]:
    height, width = film.shape
    middle = film.pixels[height // 8 : height - height // 8, width // 8 : width - width // 8]
    black = np.count_nonzero(middle <= film.pixels.min()) / middle.size
    white = np.count_nonzero(middle >= film.pixels.max()) / middle.size
    if black > CLIPPED_BLACK_ABOVE or white > CLIPPED_WHITE_ABOVE:
        yield QualityFlag(
            "clipped",
            f"{max(black, white):.0%} of the film's middle is fully black or white; detail there is lost.",
        )


def _check_pose(film: Radiograph) -> Iterator[QualityFlag]:
    pose = measure_pose(film.pixels)
    severity = min(pose.misfit / POSE_RANGE, 1.0)
    if pose.inverted:
        yield _withhold_call(
            "inverted", "Greyscale appears inverted. Invert the film and read it again.", severity
        )
    if pose.quarter_turns:
        lies = "upside down" if pose.quarter_turns == 2 else "on its side"
        degrees = 360 - 90 * pose.quarter_turns  # clockwise
        yield _withhold_call(
            "turned",
            f"The film appears to lie {lies}. Turn it by {degrees}° clockwise and read it again.",
            severity,
        )
    elif pose.heart_side < MIRRORED_BELOW:
        yield _withhold_call(
            "mirrored",
            "The heart appears to lie on the patient's right. Check the side marker: if the film is mirrored, mirror "
            "it and read it again.",
            min((MIRRORED_BELOW - pose.heart_side) / MIRRORED_RANGE, 1.0),
        )


def _withhold_reading(code: str, message: str) -> QualityFlag:
    return QualityFlag(code, message, withholds_reading=True)


def _withhold_call(code: str, message: str, severity: float = 1.0) -> QualityFlag:
    return QualityFlag(code, message, withholds_call=True, severity=severity)


def _measure_roughness(cells: np.ndarray) -> float:
    """Mean squared step between neighbours over twice the variance: 0 for a smooth picture, 1 for white noise."""
    steps = (np.diff(cells, axis=0) ** 2).mean() + (np.diff(cells, axis=1) ** 2).mean()
    return float(steps / 2 / (2 * cells.var() + 1e-12))


def _measure_evenness(pixels: np.ndarray) -> float:
    """Share of pixels equal to the one before in their row, among those neither darkest nor brightest."""
    left, right = pixels[:, :-1], pixels[:, 1:]
    inside = (right > pixels.min()) & (right < pixels.max())
    even = int(np.count_nonzero((left == right) & inside))
    return even / max(1, int(np.count_nonzero(inside)))
