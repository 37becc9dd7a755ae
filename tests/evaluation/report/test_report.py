"""The report: whole, self-contained, obeying nobody's text, and its charts lie where the numbers say."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from cxr_core.evaluation.metrics.curves import finding_curves, training_curves
from cxr_core.evaluation.metrics.figures import classification_report, finding_figures
from cxr_core.evaluation.report.checklist import ALWAYS, ASKED, MENDED
from cxr_core.evaluation.report.report import ReportFacts, report_html
from cxr_core.evaluation.report.svg import Axes, Line, chart, ticks
from tests.evaluation.metrics.test_figures import POINTS
from tests.evaluation.metrics.test_metrics import films
from tests.tiny import tiny_card

NASTY = "<script>alert(1)</script>"
EVENTS = [
    {"event": "epoch", "epoch": n, "loss": 1 / n, "validation_auroc": 0.5 + n / 20, "best_epoch": n}
    for n in (1, 2, 3)
]


def facts(labels: np.ndarray | None = None, **changes) -> ReportFacts:
    probabilities, drawn, _ = films(12)
    labels = drawn if labels is None else labels
    patients = np.arange(len(labels))
    card = tiny_card(findings=("pneumonia",), operating_points={"pneumonia": POINTS}, **changes)
    return ReportFacts(
        card=card,
        part="test",
        data={
            "films": 400,
            "patients": 300,
            "data_sha256": "d" * 64,
            "split_sha256": "s" * 64,
            "terms": NASTY,
        },
        figures={"pneumonia": finding_figures(probabilities, labels, patients, POINTS)},
        reports={"pneumonia": classification_report(probabilities, labels, patients, POINTS[0])},
        curves={"pneumonia": finding_curves(probabilities, labels, patients, POINTS)},
        training=training_curves(EVENTS),
        made="2026-11-21T10:00:00+00:00",
    )


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "path", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path", "circle"):
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    return report_html(facts())


def test_the_page_needs_nothing_else_and_runs_nothing(page):
    tags = Tags(page)
    assert not tags.open
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags.seen}
    assert not re.search(r"https?://|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert len(page) < 100_000


def test_every_figure_stands_in_it_with_its_interval_and_counts(page):
    figures = facts().figures["pneumonia"]
    for name in (name for name, figure in figures.items() if "value" in figure):
        value, low, high = (f"{figures[name][end]:z.3f}" for end in ("value", "low", "high"))
        assert f"<td>{value}</td><td>{low} to {high}</td>" in page, name
    assert f"{figures['auroc']['positives']} of 400 films positive" in page
    for curve in (
        "ROC curve",
        "Precision-recall curve",
        "Calibration",
        "Decision curve",
        "Loss by epoch",
        "Share by epoch",
    ):
        assert curve in page
    assert "weighted average" in page


def test_the_checklist_names_only_headings_that_are_there(page):
    headings = set(re.findall(r"<h[23]>(.*?)</h[23]>", page))
    section = page.split("What journals ask")[1].split("</table>")[0]
    answers = re.findall(r"<td>([^<]*)</td></tr>", section)
    assert len(answers) == len(ASKED)
    named = {place for answer in answers for place in answer.split("; ")}
    assert named - set(ALWAYS) - {"not in this report"} <= headings
    assert {
        "Figures",
        "Calls at each operating point",
        "How it was trained",
        "Where it comes from",
    } <= named
    assert "not in this report" in named  # nothing was recalibrated
    assert MENDED not in named


def test_the_mean_over_findings_is_said_where_there_are_several(page):
    assert "Mean of" not in page
    figure = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 20, "positives": 5}
    macro = {"findings": ["a", "b"], "auroc": figure, "average_precision": figure}
    said = report_html(replace(facts(), macro=macro))
    assert (
        "Mean of 2 findings: AUROC 0.800 (0.700 to 0.900), average precision 0.800 (0.700 to 0.900)."
        in said
    )


def test_other_peoples_text_is_shown_and_never_obeyed(page):
    assert NASTY not in page
    assert "&lt;script&gt;" in page


def test_what_is_undefined_is_said_to_be(page):
    assert "undefined" not in page
    assert "undefined" in report_html(facts(labels=np.zeros(400)))


def test_ticks_are_round_and_inside():
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(1, 4, whole=True) == [1, 2, 3, 4]
    assert ticks(0.83, 0.97) == [0.85, 0.9, 0.95]
    assert ticks(2, 2) == [2]


def test_points_of_a_chart_lie_where_their_numbers_say():
    axes = Axes(x="x", y="y", x_range=(0, 10), y_range=(0, 2))
    drawn = chart([Line(name="a", points=[(0, 0), (10, 2)], dots=True)], axes, "A line.")
    (left, bottom), (right, top) = re.findall(r'<circle[^>]*cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert float(left) < float(right)
    assert float(top) < float(bottom)
    middle = axes.place((5, 1))
    assert middle == pytest.approx(
        ((float(left) + float(right)) / 2, (float(top) + float(bottom)) / 2)
    )


def test_a_long_curve_is_thinned_but_keeps_its_ends():
    points = [(n / 100_000, n / 100_000) for n in range(100_001)]
    drawn = chart([Line(name="long", points=points)], Axes(x="", y=""), "Long.")
    assert len(drawn) < 40_000
    path = re.search(r'class="line a" d="([^"]+)"', drawn).group(1)
    (x, y) = Axes(x="", y="").place((1, 1))
    assert path.endswith(f"{x:.1f} {y:.1f}")
