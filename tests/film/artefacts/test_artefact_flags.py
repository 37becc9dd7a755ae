"""The flags of artefacts reach the quality flags, of refused films too, and then the report."""

from dataclasses import replace
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from cxr_core.film.artefacts.flags import BURNED_IN_TEXT
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.html import render_html_report
from cxr_core.reading.report.report import Report
from cxr_core.reading.results import Examination
from tests.film.artefacts.drawn_text import draw_text
from tests.film.artefacts.retaken import photograph, take_screenshot

pytestmark = pytest.mark.corpus

FILM = replace(draw_phantom(PhantomSpec(height=512, width=448)), container="png")
RNG = np.random.default_rng(8)
NAMED = replace(FILM, pixels=draw_text(FILM.pixels, np.random.default_rng(1)).pixels)


def codes(film: Radiograph) -> list[str]:
    return [flag.code for flag in find_quality_flags(film)]


def test_text_warns_and_withholds_nothing() -> None:
    (flag,) = find_quality_flags(NAMED)
    assert flag.code == "burned_in_text"
    assert not flag.withholds_call
    assert not flag.withholds_reading


def test_text_on_a_refused_film_is_named_as_well() -> None:
    assert codes(replace(NAMED, view="LATERAL")) == ["lateral_view", "burned_in_text"]


@pytest.mark.parametrize(
    ("pixels", "code"),
    [
        (photograph(FILM.pixels, RNG, "monitor"), "photographed"),
        (take_screenshot(FILM.pixels, RNG, theme=60), "screenshot"),
    ],
    ids=["photograph", "screenshot"],
)
def test_no_call_is_made_on_retaken_pictures(pixels: np.ndarray, code: str) -> None:
    flags = {flag.code: flag for flag in find_quality_flags(replace(FILM, pixels=pixels))}
    assert flags[code].withholds_call
    assert not flags[code].withholds_reading


def test_small_films_get_no_such_flag() -> None:
    for pixels in (NAMED.pixels, take_screenshot(FILM.pixels, RNG, theme=60)):
        small = cv2.resize(pixels, (150, 150), interpolation=cv2.INTER_AREA)
        assert not {"burned_in_text", "photographed", "screenshot"} & set(
            codes(replace(FILM, pixels=small))
        )


def test_the_report_lists_the_text_before_its_film() -> None:
    flags = find_quality_flags(NAMED)
    examination = Examination(sha256="0" * 64, film=NAMED, concerns=flags, outputs=(), seconds=0.1)
    report = Report(
        reading=interpret(examination, Patient(), "youden"),
        examination=examination,
        file="film.png",
        made=datetime(2020, 1, 1, tzinfo=UTC),
        software_version="0",
    )
    page = render_html_report(report)
    assert BURNED_IN_TEXT.message in page
    assert page.index(BURNED_IN_TEXT.message) < page.index("data:image/")
