"""Reports are self-contained and escaped, give the provenance of every number, and mark drawings."""

import base64
import dataclasses
import json
import math
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from cxr_core.film.adjustments import Adjustments
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.film.preprocess import InputSpec, Placement
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import Calibration, Fusion, ModelCard, OperatingPoint, Population
from cxr_core.presentation.html import CONTENT_SECURITY_POLICY
from cxr_core.presentation.wording import DRAWING_NOTICE, NOTICE, format_percent
from cxr_core.reading.impression import write_impression
from cxr_core.reading.interpret import AGE_UNKNOWN, interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.reading.report.html import render_html_report
from cxr_core.reading.report.probability_bar import LEGEND, build_bar, place_on_bar
from cxr_core.reading.report.report import Report, render_json_report
from cxr_core.reading.results import Attribution, Examination, ModelOutput

MADE = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
NASTY = '../../<script>alert("x")</script>\u202egnp.exe&\udcff.png'
CELLS = np.array([[0.0, -2.0], [1.5, 0.4]], np.float32)


def card(finding: str, age_min: int | None = None, age_max: int | None = None) -> ModelCard:
    points = tuple(
        OperatingPoint(name=name, threshold=threshold, source=f"{name} on 400 validation films")
        for name, threshold in (("youden", 0.41), ("sensitivity_95", 0.2), ("specificity_95", 0.7))
    )
    return ModelCard(
        model=f"{finding}-mobilenet",
        version="3",
        findings=(finding,),
        architecture="film_classifier",
        arguments={},
        input_spec=InputSpec(side=224, equalisation="clahe"),
        population=Population(text=f"people <for {finding}>", age_min=age_min, age_max=age_max),
        calibration={finding: Calibration(slope=0.9, source="Platt on 400 validation films")},
        operating_points={finding: points},
        evidence_scale={finding: 1.0},
        training={
            "data": {"name": "CXR-42", "sha256": "feedbeef"},
            "terms": "CC BY 4.0",
            "parts": ["train", "val"],
        },
        metrics={
            "test": {
                finding: {
                    "auroc": {"value": 0.912, "low": 0.9, "high": 0.93, "n": 500, "positives": 40}
                }
            },
            "one class": {
                finding: {
                    "auroc": {"value": None, "low": None, "high": None, "n": 5, "positives": 0}
                }
            },
        },
        software={"torch": "2.13.0"},
        weights_sha256="ab" * 32,
    )


def examination(
    film: Radiograph | None, probability: float = 0.834, concerns: tuple[QualityFlag, ...] = ()
) -> Examination:
    outputs = []
    for model in (card("cardiomegaly", age_min=18), card("pneumonia", age_min=1, age_max=5)):
        key = model.findings[0]
        evidence = Attribution(
            finding=key,
            method="evidence",
            unit="logit",
            cells=CELLS,
            scale=1.0,
            placement=Placement.fit(film.shape if film else (64, 64), model.input_spec),
        )
        outputs.append(
            ModelOutput(
                card=model,
                logits=np.array([1.61], np.float32),
                probabilities=np.array([probability]),
                attributions={key: evidence},
                features=np.empty((0, 0, 0), np.float32),
                ood_score=0.4,
            )
        )
    return Examination(
        sha256="0123456789abcdef" * 4,
        film=film,
        concerns=concerns,
        outputs=tuple(outputs),
        seconds=0.214,
    )


def film_of(container: str = "png") -> Radiograph:
    drawn = draw_phantom(PhantomSpec(height=160, width=128))
    return dataclasses.replace(
        drawn, container=container, age_years=None, view=None, spacing_mm=(2.03, 2.1)
    )


def report(
    examined: Examination | None = None, age: float | None = 45.0, file: str = "a.png"
) -> Report:
    examined = examined or examination(film_of())
    reading = interpret(examined, Patient(age_years=age, view="PA"), "youden")
    return Report(
        reading=reading, examination=examined, file=file, made=MADE, software_version="7.8.9"
    )


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text = render_html_report(report())
    page = Page(text)
    assert {
        "http-equiv": "Content-Security-Policy",
        "content": CONTENT_SECURITY_POLICY,
    } in page.attributes("meta")
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
    assert not {"script", "link", "iframe", "object", "base", "form", "a"} & {
        tag for tag, _ in page.tags
    }
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert "href" not in attributes
        assert (attributes.get("src") or "data:image/png;").startswith("data:image/png;")
    assert not re.search(r"url\(|@import|https?:", text)


@pytest.mark.parametrize("place", ["file", "concern"])
def test_other_peoples_text_is_shown_and_never_obeyed(place: str) -> None:
    concerns = (QualityFlag("odd", f"Found {NASTY}."),) if place == "concern" else ()
    text = render_html_report(
        report(
            examination(film_of(), concerns=concerns), file=NASTY if place == "file" else "a.png"
        )
    )
    page = Page(text)
    assert not page.attributes("script")
    assert '../../<script>alert("x")</script>\ufffdgnp.exe&\ufffd.png' in page.text
    text.encode("utf-8")  # a name that is no valid text must not break the download


def test_page_one_says_what_a_reader_needs_and_the_appendix_where_it_comes_from() -> None:
    page = Page(render_html_report(report(file="film 1.dcm")))
    first, _, appendix = page.text.partition("Appendix")
    for text in (
        "45 years, sex not stated, PA view",
        "film 1.dcm, PNG, 128 × 160 px, 8 bits, 2.1 mm a pixel",
        "Cardiomegaly is suspected.",
        "Suspected 83 % Of 100 such films, 83 have it.",
        "suspected from 41 %",
        "Decision: Balanced.",
        "Reader Date Signature",
        NOTICE,
    ):
        assert text in first, text
    for text in (
        "0123456789abcdef" * 4,
        "Thresholds from youden on 400 validation films",
        "Logit of the network 1.61",
        "Cardiomegaly, by cardiomegaly-mobilenet 3",
        "people <for cardiomegaly>",
        "equalisation clahe, version 1",
        "Platt on 400 validation films",
        "CXR-42",
        "feedbeef",
        "CC BY 4.0",
        "Figure Test films One class AUROC 0.912 (0.900 to 0.930) · 40 of 500 undefined · 0 of 5",
        "With 95 % intervals, and the number of positive films among all films.",
        "ab" * 32,
        "2.13.0",
        "2.03 mm between rows, 2.1 mm between columns",
        "Silhouette 7.8.9, 2026-11-20 09:30+00:00",
    ):
        assert text in appendix, text
        assert text not in first


def test_sex_age_group_and_changes_made_before_reading_are_facts_of_the_report() -> None:
    film = dataclasses.replace(film_of(), sex="F")
    examined = dataclasses.replace(
        examination(film), adjustments=Adjustments(inverted=True, quarter_turns=1)
    )
    reading = interpret(examined, Patient(age_group="adult", view="AP"))
    made = dataclasses.replace(report(examined), reading=reading)
    page = Page(render_html_report(made))
    assert "Patient adult, female, AP view" in page.text
    assert "Changed before reading Greyscale inverted, Turned by 90° clockwise" in page.text
    assert json.loads(render_json_report(made))["adjustments"] == {
        "inverted": True,
        "quarter_turns": 1,
        "mirrored": False,
    }
    assert "Changed before reading" not in Page(render_html_report(report())).text


def test_what_was_not_assessed_stands_on_page_one() -> None:
    first = Page(render_html_report(report())).text.partition("Appendix")[0]
    assert (
        "Not assessed Pneumothorax, pleural effusion, nodules and masses, fractures, lines and tubes, pneumonia (no "
        "model for this patient), and everything else" in first
    )


def test_without_an_age_models_for_an_age_group_give_no_number_but_json_has_it() -> None:
    made = report(age=None)
    first = Page(render_html_report(made)).text.partition("Appendix")[0]
    assert "Cardiomegaly Not assessed: the age is missing, and cardiomegaly-mobilenet is" in first
    assert "cardiomegaly (age missing), pneumonia (age missing)" in first
    assert "83 %" not in first
    record = json.loads(render_json_report(made))
    assert [f["needs_age"] for f in record["findings"]] == [True, True]
    assert record["findings"][0]["probability"] is not None


def test_undecided_says_why_and_each_reason_once() -> None:
    inverted = QualityFlag("inverted", "Greyscale appears inverted.", withholds_call=True)
    page = Page(render_html_report(report(examination(film_of(), concerns=(inverted,)))))
    assert "Undecided No number: the limitations below allow no verdict." in page.text
    assert "83 %" not in page.text.partition("Appendix")[0]
    assert page.text.count(inverted.message) == 2  # in the impression and among the limitations


def test_a_decision_for_which_a_card_has_no_two_thresholds_says_that_it_has_one() -> None:
    made = report()
    standard = interpret(made.examination, made.reading.patient, "standard")
    page = Page(render_html_report(dataclasses.replace(made, reading=standard)))
    assert (
        "Decision: Standard (10 % error); a single, balanced threshold for cardiomegaly."
        in page.text
    )
    assert "a single, balanced threshold" not in Page(render_html_report(made)).text


def test_bars_place_the_film_and_the_thresholds_in_log_odds() -> None:
    assert place_on_bar(0.5) == pytest.approx(0.5)
    assert place_on_bar(0.1) + place_on_bar(0.9) == pytest.approx(1)
    assert place_on_bar(0.1) - place_on_bar(0.01) == pytest.approx(
        math.log(11) / (2 * math.log(999))
    )
    assert 0 == place_on_bar(0.0) < place_on_bar(0.01) < place_on_bar(0.99) < place_on_bar(1.0) == 1
    bar = build_bar(report(examination(film_of(), probability=0.409)).reading.findings[0])
    assert bar.film < bar.present_from == bar.absent_below
    assert bar.thresholds == "suspected from 41 % (this film: just below)"
    drawn = re.search(r'class="mark" d="M([\d.]+) ', render_html_report(report()))
    assert drawn is not None
    assert float(drawn[1]) == pytest.approx(200 * place_on_bar(0.834), abs=0.06)


def test_a_finding_without_a_model_keeps_its_place_with_the_reason() -> None:
    page = Page(render_html_report(report(age=45.0)))
    assert (
        "Pneumonia No model for this patient: pneumonia-mobilenet is for people <for pneumonia>."
        in page.text
    )
    table = json.loads(render_json_report(report(age=45.0)))
    assert [f["finding"] for f in table["findings"]] == ["cardiomegaly", "pneumonia"]
    assert table["findings"][1]["probability"] is None
    assert table["findings"][1]["reason"].startswith("No model for this patient")
    assert [m["model"] for m in table["models"]] == ["cardiomegaly-mobilenet"]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "<1 %"),
        (0.004, "<1 %"),
        (0.0149, "1 %"),
        (0.5, "50 %"),
        (0.834, "83 %"),
        (1.0, ">99 %"),
    ],
)
def test_probabilities_are_whole_percentages_and_never_certain(share: float, text: str) -> None:
    assert format_percent(share) == text
    page = Page(render_html_report(report(examination(film_of(), probability=share))))
    assert f"uspected {text} Of 100" in page.text
    assert not re.search(r"\d[.,]\d+ %", page.text.replace(LEGEND, ""))


def test_heatmaps_are_drawn_on_the_films_own_grid_at_the_models_scale() -> None:
    made = report(age=45)
    page = Page(render_html_report(made))
    pictures = [
        attributes for attributes in page.attributes("img") if attributes["class"] == "film"
    ]
    assert len(pictures) == 2  # the film, and the map of the finding with a verdict
    assert made.film is not None
    shown = pixels_of(pictures[1])
    evidence = made.reading.findings[0].attribution
    assert evidence is not None
    assert np.array_equal(
        shown, overlay_heatmap(made.film.pixels, evidence.on_film(), evidence.scale)
    )
    assert "1 and more (logits in a cell)" in page.text
    assert len(page.attributes("img")) == 3  # and a colour bar below the map


def test_no_heatmap_is_printed_of_a_finding_that_waits_for_the_age() -> None:
    page = Page(render_html_report(report(age=None)))
    assert len(page.attributes("img")) == 1  # the film


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
def test_a_large_film_is_shrunk_and_its_map_stays_in_place(aspect: str) -> None:
    examined = examination(
        dataclasses.replace(draw_phantom(PhantomSpec(height=2048, width=1500)), container="png")
    )
    placement = Placement.fit((2048, 1500), InputSpec(side=224, aspect=aspect))
    evidence = dataclasses.replace(
        examined.outputs[0].attributions["cardiomegaly"], placement=placement
    )
    output = dataclasses.replace(examined.outputs[0], attributions={"cardiomegaly": evidence})
    pictures = Page(
        render_html_report(report(dataclasses.replace(examined, outputs=(output,))))
    ).attributes("img")
    film, shown = pixels_of(pictures[0]), pixels_of(pictures[1])
    assert film.shape == shown.shape == (1024, 750, 3)
    whole = cv2.resize(np.nan_to_num(evidence.on_film()), (750, 1024), interpolation=cv2.INTER_AREA)
    expected = overlay_heatmap(film[..., 0] / np.float32(255), whole, 1.0)
    differs = np.abs(shown.astype(int) - expected).max(axis=2) > 3
    assert differs.mean() < 0.002  # one row at the edge of what was cropped away


def test_a_map_without_evidence_draws_nothing_and_says_so() -> None:
    examined = examination(film_of())
    bare = [
        dataclasses.replace(
            o,
            attributions={
                k: dataclasses.replace(e, cells=-np.abs(CELLS)) for k, e in o.attributions.items()
            },
        )
        for o in examined.outputs
    ]
    page = Page(render_html_report(report(dataclasses.replace(examined, outputs=tuple(bare)))))
    pictures = page.attributes("img")
    assert np.array_equal(pixels_of(pictures[0]), pixels_of(pictures[1]))
    assert "There is no evidence for it." in page.text
    assert "There is no evidence for it." not in Page(render_html_report(report())).text


def test_a_map_against_the_baseline_says_so_on_the_page_and_in_json() -> None:
    examined = examination(film_of())
    assert "sum to logit − bias" in render_html_report(report(examined))
    for output in examined.outputs:
        output.attributions.update(
            {
                k: dataclasses.replace(e, against_baseline=True)
                for k, e in output.attributions.items()
            }
        )
    text = render_html_report(report(examined))
    assert "beyond a typical film without the finding; the cells sum to logit − constant" in text
    assert "sum to logit − bias" not in text
    records = json.loads(render_json_report(report(examined)))["findings"]
    assert [each["evidence"]["against_usual"] for each in records if each["evidence"]] == [True]


def test_a_relative_map_has_no_logits() -> None:
    examined = examination(film_of())
    other = [
        dataclasses.replace(
            o,
            attributions={
                k: dataclasses.replace(e, unit="relative", method="gradcam")
                for k, e in o.attributions.items()
            },
        )
        for o in examined.outputs
    ]
    page = Page(render_html_report(report(dataclasses.replace(examined, outputs=tuple(other)))))
    assert "relative to this picture's own maximum" in page.text
    assert "No localisation was measured for this method." in page.text
    assert "logits in a cell" not in page.text


@pytest.mark.parametrize("told_by", ["form", "mark"])
def test_a_synthetic_film_is_called_synthetic_everywhere(told_by: str) -> None:
    concerns = (QualityFlag("drawing", DRAWING_NOTICE),) if told_by == "mark" else ()
    made = report(
        examination(film_of("drawing" if told_by == "form" else "png"), concerns=concerns)
    )
    page = Page(render_html_report(made))
    assert DRAWING_NOTICE in page.text
    assert page.text.count("Report on a synthetic chest") == 2  # the title and the heading
    assert "synthetic, 128 × 160 px" in page.text
    assert "chest film" not in page.text
    for picture in page.attributes("img"):
        if picture["class"] == "film":
            assert (picture["alt"] or "").startswith("The synthetic film")
    assert json.loads(render_json_report(made))["drawing"] is True


def test_a_film_is_not_called_synthetic() -> None:
    assert "synthetic film" not in Page(render_html_report(report())).text.lower()
    assert json.loads(render_json_report(report()))["drawing"] is False


def test_a_refused_file_has_a_report_without_numbers() -> None:
    refusal = QualityFlag("undecodable", "This file is empty.", withholds_reading=True)
    examined = dataclasses.replace(examination(None, concerns=(refusal,)), outputs=())
    page = Page(render_html_report(report(examined)))
    assert "Not read: This file is empty. No finding was assessed." in page.text
    assert "Nothing was assessed on this film." in page.text
    assert "No quality problem detected" not in page.text
    assert not page.attributes("img")
    table = json.loads(render_json_report(report(examined)))
    assert table["status"] == "refused"
    assert table["film"] is None
    assert table["findings"] == []


def test_json_carries_the_reading_and_its_provenance() -> None:
    made = report(file=NASTY)
    table = json.loads(render_json_report(made))
    assert table["schema"] == 1
    assert table["file"] == NASTY
    promised = json.loads(json.dumps(made.reading.to_json(NASTY)))
    assert {key: table[key] for key in promised if key != "findings"} == {
        key: value for key, value in promised.items() if key != "findings"
    }
    for records, line in zip(promised["findings"], table["findings"], strict=True):
        assert {key: line[key] for key in records} == records
    first = table["findings"][0]
    assert first["threshold_source"] == "youden on 400 validation films"
    assert first["evidence"]["cells"] == CELLS.astype(float).round(5).tolist()
    assert first["calibration"]["slope"] == 0.9
    assert table["models"][0]["preprocessing_version"] == 1
    assert table["models"][0]["input_spec"]["equalisation"] == "clahe"
    assert table["models"][0]["training"]["terms"] == "CC BY 4.0"
    assert table["patient"] == {"age_years": 45.0, "age_group": None, "view": "PA"}
    assert table["impression"] == write_impression(made.reading)
    assert table["software"] == {"name": "Silhouette", "version": "7.8.9"}
    assert datetime.fromisoformat(table["made"]) == MADE
    assert table["notice"] == NOTICE


def test_a_report_needs_a_time_zone_and_one_film() -> None:
    made = report()
    with pytest.raises(ValueError, match="time zone"):
        dataclasses.replace(made, made=MADE.replace(tzinfo=None))
    with pytest.raises(ValueError, match="two different files"):
        dataclasses.replace(made, examination=dataclasses.replace(made.examination, sha256="00"))


def pixels_of(picture: dict[str, str | None]) -> np.ndarray:
    """The (H, W, 3) RGB pixels of an img of the page."""
    data = base64.b64decode((picture["src"] or "").partition(",")[2])
    return cv2.cvtColor(
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
    )


def test_an_unknown_age_is_a_warning_and_facts_of_a_card_hold_no_nested_tables():
    examined = examination(film_of())
    records = examined.outputs[0].card
    strange = dataclasses.replace(
        records, training={**records.training, "gate": {"checks": [{"name": "population"}]}}
    )
    combined = Fusion(
        measurement="cardiothoracic_ratio",
        model="anatomy 1",
        intercept=0.0,
        classifier=1.0,
        measured=1.0,
        centre=0.5,
        ap=0.0,
        operating_points=tuple(
            dataclasses.replace(point, threshold=0.55)
            for point in records.operating_points["cardiomegaly"]
        ),
        source="400 validation films with a ratio",
    )
    strange = dataclasses.replace(strange, fusion={"cardiomegaly": combined})
    outputs = (dataclasses.replace(examined.outputs[0], card=strange), *examined.outputs[1:])
    page = Page(
        render_html_report(report(dataclasses.replace(examined, outputs=outputs), age=None))
    )
    words = " ".join(page.words)
    assert AGE_UNKNOWN in words
    assert "No quality problem detected" not in words
    assert "{'name'" not in words
    assert "Thresholds, network and ratio Balanced 55 %" in words
    assert "Thresholds, network alone Balanced 41 %" in words


def test_a_film_without_flags_or_warnings_says_so() -> None:
    page = Page(render_html_report(report()))
    assert "No quality problem detected." in page.text
