"""Makes pictures of a reading Secondary Capture images: the film with outlines and diameters, with a heatmap if asked.

They are to be looked at, not measured: no spacing is stated. What the picture is not meant for is written into it.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from highdicom import UID, CoordinateSystemNames, PhotometricInterpretationValues
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont

from cxr_core.dicom_io.origin import RESEARCH_USE, ResultOrigin
from cxr_core.presentation.wording import call_name, format_percent
from cxr_core.reading.cardiothoracic.overlay import draw_measurement
from cxr_core.reading.cardiothoracic.ratio import describe_ratio
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.reading.report.fonts import BOLD, REGULAR, find_fonts
from cxr_core.reading.report.pictures import resize_film, shrink_placement
from cxr_core.reading.report.report import Report
from cxr_core.reading.results import FindingReading

SERIES_NUMBER = 9102
UPRIGHT = ("L", "F")  # the patient's left is on the right of the picture, the feet below
TEXT_PX, LINE_PX, MARGIN_PX = 20, 28, 12
WARNING_COLOUR, TEXT_COLOUR = (255, 196, 87), (242, 246, 250)


def build_key_images(origin: ResultOrigin, with_heatmaps: bool = False) -> list[SCImage]:
    """The film with outlines and diameters; with_heatmaps: another one for each finding that has a heatmap."""
    report = origin.report
    findings: list[FindingReading | None] = [None]
    if with_heatmaps:
        findings += [each for each in report.reading.findings if each.attribution is not None]
    arguments = origin.describe_object(SERIES_NUMBER, "Key images")
    images = []
    for number, finding in enumerate(findings, start=1):
        own = {"sop_instance_uid": UID(), "instance_number": number}
        picture = burn_in(draw_picture(origin, finding), write_lines(report, finding))
        images.append(_build_image(origin, picture, arguments | own))
    return images


def draw_picture(origin: ResultOrigin, finding: FindingReading | None) -> np.ndarray:
    """The film as (h, w, 3) uint8 sRGB, with outlines and diameters; finding: whose heatmap is laid over it first."""
    report, film = origin.report, origin.report.film
    assert film is not None, "a film that was read has pixels"
    if finding is None or finding.attribution is None:
        picture = origin.picture.pixels
        if picture.ndim == 2:  # without outlines, and perhaps small
            picture = cv2.cvtColor(resize_film(picture), cv2.COLOR_GRAY2RGB)
        return picture
    pixels, attribution = resize_film(film.pixels), finding.attribution
    heat = shrink_placement(attribution.placement, pixels.shape).map_to_film(attribution.cells)
    picture = overlay_heatmap(pixels, heat, attribution.scale)
    segmentation = report.examination.segmentation
    if segmentation is None or not report.reading.measurements:
        return picture
    return draw_measurement(picture, film.shape, segmentation, report.reading.measurements[0])


def burn_in(picture: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """The picture (h, w, 3) with a black band below it that has these lines, the first one as a warning."""
    height, width, _ = picture.shape
    band = len(lines) * LINE_PX + 2 * MARGIN_PX
    canvas = Image.new("RGB", (width, height + band))
    canvas.paste(Image.fromarray(picture), (0, 0))
    pen = ImageDraw.Draw(canvas)
    for index, line in enumerate(lines):
        font = ImageFont.truetype(str(find_fonts() / (REGULAR if index else BOLD)), TEXT_PX)
        while pen.textlength(line, font) > width - 2 * MARGIN_PX and font.size > 8:
            font = font.font_variant(size=font.size - 1)
        colour = TEXT_COLOUR if index else WARNING_COLOUR
        pen.text((MARGIN_PX, height + MARGIN_PX + index * LINE_PX), line, colour, font)
    return np.asarray(canvas)


def write_lines(report: Report, finding: FindingReading | None) -> list[str]:
    """What is written below the film. finding: whose heatmap is drawn over it; None for outlines and diameters."""
    lines = [f"{RESEARCH_USE} · Silhouette {report.software_version}"]
    if finding is not None and finding.attribution is not None:
        scale = f"full colour from {finding.attribution.scale:.2g} {finding.attribution.unit}"
        return [*lines, f"{finding.name}: evidence of {finding.model} {finding.version}, {scale}"]
    lines += [_describe_verdict(each) for each in report.reading.findings if each.has_verdict]
    lines += [f"Cardiothoracic ratio: {describe_ratio(m)}" for m in report.reading.measurements]
    return lines


def _describe_verdict(finding: FindingReading) -> str:
    """A finding with a verdict; without its number where a quality flag withholds it."""
    verdict = f"{finding.name}: {call_name(finding.call)}"
    if finding.is_withheld or finding.probability is None:
        return verdict
    return f"{verdict}, probability {format_percent(finding.probability)}"


def _build_image(origin: ResultOrigin, picture: np.ndarray, arguments: dict[str, Any]) -> SCImage:
    image = SCImage.from_ref_dataset(
        origin.source,
        pixel_array=picture,
        photometric_interpretation=PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=UPRIGHT,
        **arguments,
    )
    image.copy_patient_and_study_information(origin.source)
    # Type 2C and 2: empty where nobody has said how the film lies, and for a chest, which has both sides.
    empty = ["Laterality"] if origin.is_known_upright else ["Laterality", "PatientOrientation"]
    for keyword in empty:
        setattr(image, keyword, None)
    image.SourceImageSequence = [origin.refer_to_film()]
    image.DerivationDescription = "The film with what the program has found, drawn over it"
    for keyword in ("BurnedInAnnotation", "LossyImageCompression"):
        if keyword in origin.header.texts:
            setattr(image, keyword, origin.header.texts[keyword])
    return image
