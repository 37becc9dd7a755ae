"""The report's section on the ratio: numbers, limitations, edits, and a picture with lines in place."""

import dataclasses
import json

import numpy as np
import pytest

from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.reading.cardiothoracic.overlay import (
    END_PX,
    HEART_COLOUR,
    LUNG_COLOUR,
    THORAX_COLOUR,
    diameter_row,
    draw_measurement,
)
from cxr_core.reading.cardiothoracic.ratio import VIEW_AP, edit_diameters
from cxr_core.reading.interpret import interpret, replace_diameters
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.html import render_html_report
from cxr_core.reading.report.report import Report, render_json_report
from tests.hearts import SLENDER, WIDE, segment_drawing
from tests.reading.report.test_report import MADE, Page, examination, pixels_of

HEART, THORAX = ((110.0, 260.0), (215.0, 270.0)), ((60.0, 300.0), (340.0, 310.0))


def report(
    spec: PhantomSpec = SLENDER, *, view: str = "PA", by_hand=None, found: bool = True, **film
) -> Report:
    drawn = dataclasses.replace(
        draw_phantom(spec), container="png", view=None, age_years=None, **film
    )
    seen = dataclasses.replace(
        examination(drawn, probability=0.1), segmentation=segment_drawing(spec, found)
    )
    reading = interpret(seen, Patient(age_years=45, view=view), "youden")
    if by_hand:
        reading = replace_diameters(reading, *by_hand, drawn.shape)
    return Report(reading=reading, examination=seen, file="a.png", made=MADE, software_version="7")


def test_the_ratio_is_listed_with_its_limit_diameters_ends_and_model():
    made = report(spacing_mm=(0.8, 0.9), spacing_source="detector")
    (measured,) = made.reading.measurements
    page = Page(render_html_report(made))
    assert measured.heart is not None
    assert measured.diameters is not None
    for text in (
        "Cardiothoracic ratio (CTR)",
        f"CTR {measured.value:.2f} (95 % interval {measured.low:.2f} to {measured.high:.2f})",
        "Upper limit 0.50 (adult PA)",
        f"heart {measured.diameters[0]:.0f} mm, thorax {measured.diameters[1]:.0f} mm (at the detector)",
        "0.8 mm between rows, 0.9 mm between columns (at the detector)",
        f"({measured.heart[0][0]:.1f}, {measured.heart[0][1]:.1f}) and",
        "Outlines by outlines 1.0.0",
    ):
        assert text in page.text, text
    for text in ("by hand", "disagree", "Limitations of the CTR", "interpret with caution"):
        assert text not in page.text


def test_limitations_and_disagreements_are_shown():
    page = Page(render_html_report(report(WIDE, view="AP")))
    assert "interpret with caution" in page.text
    limitations = page.text.partition("Limitations of the CTR")[2].partition("Limitations")[0]
    assert VIEW_AP in limitations
    assert "CTR and model disagree" in limitations


def test_an_edited_ratio_is_marked_and_the_automatic_one_stays():
    made = report(by_hand=(HEART, THORAX))
    page = Page(render_html_report(made))
    automatic = made.reading.measurements[0].automatic
    assert automatic is not None
    assert "CTR 0.38, edited by hand" in page.text
    assert f"Automatic CTR {automatic.value:.2f} (95 % interval" in page.text
    assert "(110.0, 260.0) and (215.0, 270.0)" in page.text
    record = json.loads(render_json_report(made))["measurements"][0]
    assert record.items() >= json.loads(json.dumps(made.reading.measurements[0].to_json())).items()
    assert (record["value"], record["edited"]) == (0.375, True)
    assert record["automatic"]["value"] == round(automatic.value or 0, 4)


def test_crossed_ends_and_a_missing_heart_are_sentences():
    crossed = Page(render_html_report(report(by_hand=(HEART[::-1], THORAX))))
    assert "cannot be measured: The two ends of the heart are crossed." in crossed.text
    missing = Page(render_html_report(report(found=False)))
    assert "cannot be measured: No heart was found on this picture." in missing.text
    assert "Upper limit" not in missing.text
    assert len(missing.attributes("img")) == len(crossed.attributes("img")), (
        "the lungs are still drawn"
    )


def test_without_a_segmentation_the_report_has_no_section():
    made = report()
    bare = dataclasses.replace(made.examination, segmentation=None)
    reading = interpret(bare, Patient(age_years=45, view="PA"), "youden")
    page = Page(render_html_report(dataclasses.replace(made, examination=bare, reading=reading)))
    assert "CTR" not in page.text
    assert "The film." in [picture["alt"] for picture in page.attributes("img")]


@pytest.mark.parametrize("size", [(420, 400), (840, 800), (210, 200)])
def test_lines_lie_on_the_films_points_at_any_size(size):
    made = report(by_hand=(HEART, THORAX))
    segmentation = made.examination.segmentation
    assert segmentation is not None
    bare = dataclasses.replace(segmentation, contours={})
    shown = draw_measurement(
        np.zeros(size, np.uint8), (420, 400), bare, made.reading.measurements[0]
    )
    scale = size[1] / 400
    for line, colour in ((HEART, HEART_COLOUR), (THORAX, THORAX_COLOUR)):
        row = round(diameter_row(line) * scale)
        drawn = np.flatnonzero(
            (np.abs(shown[row - 1 : row + 1].astype(int) - colour).max(axis=2) < 40).any(axis=0)
        )
        assert drawn[0] == pytest.approx(line[0][0] * scale, abs=END_PX + 2)  # the end's own disc
        assert drawn[-1] == pytest.approx(line[1][0] * scale, abs=END_PX + 2)
        for x, _ in line:
            disc = shown[int(diameter_row(line) * scale), int(x * scale)].astype(int)
            assert np.abs(disc - colour).max() < 30


def test_the_picture_shows_heart_lungs_and_both_diameters():
    (picture,) = [
        p
        for p in Page(render_html_report(report())).attributes("img")
        if "outlines" in (p["alt"] or "")
    ]
    shown = pixels_of(picture).astype(int)
    assert max(shown.shape) == 1024
    for colour in (HEART_COLOUR, THORAX_COLOUR, LUNG_COLOUR):
        assert (np.abs(shown - colour).max(axis=2) < 25).sum() > 100


def test_ends_far_outside_the_film_do_not_break_the_picture():
    far = ((-1e9, 260.0), (1e9, 270.0))
    made = report(by_hand=(far, THORAX))
    assert edit_diameters(made.reading.measurements[0], far, THORAX, (420, 400)).value is None
    assert "outside the film" in Page(render_html_report(made)).text


def test_millimetres_that_would_make_a_chest_20_cm_wide_are_not_printed():
    made = report(spacing_mm=(0.5, 0.5), spacing_source="detector")
    page = Page(render_html_report(made))
    assert "implausible_spacing" in page.text
    assert " mm between rows" not in page.text
    assert " mm, thorax" not in page.text
    assert json.loads(render_json_report(made))["film"]["spacing_mm"] is None
