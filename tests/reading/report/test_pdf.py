"""The PDF says what the HTML page says, in text that can be found and copied, on one page or two, without identity."""

import dataclasses
import io
import json
from datetime import timedelta

import cv2
import numpy as np
import pytest
from pypdf import PdfReader

from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.html import render_html_report
from cxr_core.reading.report.page import build_page
from cxr_core.reading.report.pdf import render_pdf_report
from cxr_core.reading.report.report import Report, render_json_report
from tests.hearts import SLENDER, WIDE
from tests.reading.report import test_measurement
from tests.reading.report.test_report import MADE, NASTY, Page, examination, film_of, report

SIZE_A4 = (210 / 25.4 * 72, 297 / 25.4 * 72)


def read_pdf(data: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(data), strict=True)


def text_of(data: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in read_pdf(data).pages).split())


def measured(spec=SLENDER, **changes) -> Report:
    return test_measurement.report(spec, **changes)


def test_every_text_of_page_one_can_be_copied_from_the_pdf():
    made = measured(view="AP", spacing_mm=(0.8, 0.9), spacing_source="detector")
    page, text = build_page(made), text_of(render_pdf_report(made))
    row = next(row for row in page.findings if row.bar)
    assert page.ratio is not None
    for expected in (
        page.title,
        page.impression,
        row.name,
        row.verdict,
        row.probability,
        *row.remarks,
        row.bar.thresholds if row.bar else "",
        page.findings_note,
        *(value for _, value in (*page.patient_and_film, *page.ratio.rows)),
        *page.ratio.limitations,
        *page.limitations,
        page.not_assessed,
        "Reader",
        "Signature",
    ):
        assert expected in text, expected


def test_the_usual_report_is_one_a4_page_and_the_appendix_is_printed_only_when_asked_for():
    made = measured()
    (page,) = read_pdf(render_pdf_report(made)).pages
    assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx(
        SIZE_A4, abs=0.5
    )
    assert made.reading.sha256 not in text_of(render_pdf_report(made))
    with_appendix = render_pdf_report(made, appendix=True)
    assert len(read_pdf(with_appendix).pages) > 1
    printed = text_of(with_appendix)
    for expected in (made.reading.sha256, "Logit of the network", "youden on 400 validation films"):
        assert expected in printed, expected


def test_many_limitations_and_a_prior_film_fit_on_two_pages():
    flags = tuple(
        QualityFlag(f"flag_{number}", f"Limitation {number}: {'this may matter ' * 12}.")
        for number in range(9)
    )
    made = measured(WIDE, view="AP")
    examined = dataclasses.replace(made.examination, concerns=flags)
    reading = interpret(examined, made.reading.patient)
    made = dataclasses.replace(made, examination=examined, reading=reading)
    pages = read_pdf(render_pdf_report(made, prior=measured())).pages
    assert len(pages) == 2
    text = " ".join(page.extract_text() for page in pages)
    assert [f"Limitation {number}:" in text for number in range(9)] == [True] * 9
    assert "Page 2 of 2" in pages[1].extract_text()


def test_the_picture_of_the_film_is_the_one_of_the_html_page():
    made = measured()
    (image,) = read_pdf(render_pdf_report(made)).pages[0].images
    shown = np.asarray(image.image.convert("RGB"))
    expected = cv2.imdecode(
        np.frombuffer(build_page(made).pictures[0].png, np.uint8), cv2.IMREAD_COLOR
    )
    assert np.array_equal(shown, cv2.cvtColor(expected, cv2.COLOR_BGR2RGB))


def test_the_same_report_is_the_same_file_and_its_time_is_that_of_the_report():
    made = measured()
    first = render_pdf_report(made)
    assert render_pdf_report(made) == first
    later = dataclasses.replace(made, made=MADE + timedelta(minutes=1))
    assert render_pdf_report(later) != first
    metadata = read_pdf(first).metadata
    assert metadata is not None
    assert metadata.creation_date == MADE


def test_metadata_hold_no_name_of_a_file():
    made = report(file="Doe^Jane.png")
    metadata = read_pdf(render_pdf_report(made)).metadata
    assert metadata is not None
    assert "Doe" not in json.dumps({key: str(value) for key, value in metadata.items()})
    assert metadata.title == "Chest radiograph report"
    assert metadata.author is None


def test_fonts_are_embedded():
    page = read_pdf(render_pdf_report(measured())).pages[0]
    fonts = page["/Resources"]["/Font"]
    files = [
        font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
        for font in fonts.values()
    ]
    assert len(files) == 2
    assert all("/FontFile2" in descriptor for descriptor in files)


def test_signs_and_other_peoples_text_are_printed_or_replaced():
    flag = QualityFlag("odd", "“a – b → c ≥ d − e × f” and \u6f22.")
    made = report(examination(film_of(), concerns=(flag,)), file=NASTY)
    text = text_of(render_pdf_report(made))
    assert "“a – b → c ≥ d − e × f” and \ufffd." in text
    assert '../../<script>alert("x")</script>\ufffdgnp.exe&\ufffd.png' in text


def test_letters_beyond_the_usual_ones_are_printed_and_leave_nothing_in_the_next_report():
    plain = measured()
    before = render_pdf_report(plain)
    flag = QualityFlag("odd", "\u0416\u03a9 \u2297 Łódź.")
    text = text_of(render_pdf_report(report(examination(film_of(), concerns=(flag,)))))
    assert "\u0416\u03a9 \u2297 Łódź." in text
    assert render_pdf_report(plain) == before


def test_a_refused_file_has_a_page_with_its_reason():
    refusal = QualityFlag("undecodable", "This file is empty.", withholds_reading=True)
    examined = dataclasses.replace(examination(None, concerns=(refusal,)), outputs=())
    data = render_pdf_report(report(examined))
    (page,) = read_pdf(data).pages
    assert "Not read: This file is empty. No finding was assessed." in text_of(data)
    assert len(page.images) == 0


def test_a_prior_film_stands_beside_the_current_one_in_every_format():
    prior, current = measured(SLENDER), measured(WIDE, view="AP")
    values = [report.reading.measurements[0].value for report in (prior, current)]
    page = Page(render_html_report(current, prior))
    first = page.text.partition("Appendix")[0]
    change = f"{values[0]:.2f} → {values[1]:.2f}, +"
    for text in (first, text_of(render_pdf_report(current, prior))):
        assert change in text
        assert "CTR of the prior film" in text
        assert "The views differ (prior PA, current AP)" in text
        assert "Prior film. The film with" in text
        assert "Current film. The film with" in text
        assert "Cardiomegaly Not suspected Not suspected 10 %" in text
    assert len([p for p in page.attributes("img") if "both diameters" in (p["alt"] or "")]) == 2
    record = json.loads(render_json_report(current, prior))
    assert record["prior"] == json.loads(json.dumps(prior.reading.to_json(prior.file)))
    assert record["change"]["difference"] == pytest.approx(values[1] - values[0], abs=1e-4)
    assert record["change"]["low"] < record["change"]["difference"] < record["change"]["high"]
    assert "prior" not in json.loads(render_json_report(current))


def test_sections_begin_below_the_longer_of_two_captions():
    heights: dict[str, list[float]] = {"set by hand.": [], "Cardiothoracic ratio (CTR)": []}

    def collect(text: str, cm, matrix, font, size) -> None:
        for words, found in heights.items():
            if words in text:
                found.append(matrix[5])

    prior = measured(by_hand=(test_measurement.HEART, test_measurement.THORAX))
    page = read_pdf(render_pdf_report(measured(found=False), prior)).pages[0]
    page.extract_text(visitor_text=collect)
    (caption,), (heading,) = heights.values()
    assert heading < caption - 9  # points: the heading's own line


def test_a_prior_film_that_was_refused_has_no_verdict_and_no_change():
    refusal = QualityFlag("undecodable", "This file is empty.", withholds_reading=True)
    prior = report(dataclasses.replace(examination(None, concerns=(refusal,)), outputs=()))
    current = measured()
    text = Page(render_html_report(current, prior)).text
    assert "Cardiomegaly Not read Not suspected" in text
    assert "CTR of the prior film not measured" in text
    assert json.loads(render_json_report(current, prior))["change"] is None
    assert "Not read" in text_of(render_pdf_report(current, prior))


def test_a_drawing_is_called_one_in_the_pdf():
    text = text_of(render_pdf_report(report(examination(film_of("drawing")))))
    assert "Report on a synthetic chest" in text
    assert "This is a synthetic film" in text


def test_an_unknown_age_gives_no_number_in_the_pdf():
    made = report(examination(film_of()), age=None)
    assert made.reading.patient == Patient(view="PA")
    assert "83 %" not in text_of(render_pdf_report(made))
