"""The report is complete and self-contained, escapes foreign text, and its charts lie where the numbers say."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from cxr_core.evaluation.metrics.curves import collect_training_curves, compute_finding_curves
from cxr_core.evaluation.metrics.figures import (
    compute_classification_report,
    compute_finding_figures,
)
from cxr_core.evaluation.metrics.results import EvaluatedData, MacroFigures
from cxr_core.evaluation.report.checklist import ALWAYS_THERE, ITEMS, NOT_THERE, RECALIBRATED
from cxr_core.evaluation.report.document import ChartRow, build_split_warning
from cxr_core.evaluation.report.evaluation_report import (
    ReportContent,
    build_evaluation_report,
    render_evaluation_report,
)
from cxr_core.evaluation.report.svg import Axes, Line, choose_ticks, draw_chart
from cxr_core.models.figures import Figure
from cxr_core.presentation.wording import OUT_OF_FOLD
from tests.evaluation.metrics.test_figures import POINTS
from tests.evaluation.metrics.test_metrics import films
from tests.evaluation.report_pages import render_blocks
from tests.tiny import tiny_card

SCRIPT = "<script>alert(1)</script>"
EVENTS = [
    {"event": "epoch", "epoch": n, "loss": 1 / n, "validation_auroc": 0.5 + n / 20, "best_epoch": n}
    for n in (1, 2, 3)
]
DATA = EvaluatedData(
    films=400, patients=300, data_sha256="d" * 64, split_sha256="s" * 64, terms=SCRIPT
)


def make_facts(labels: np.ndarray | None = None) -> ReportContent:
    probabilities, drawn_labels, _ = films(12)
    labels = drawn_labels if labels is None else labels
    patients = np.arange(len(labels))
    arrays = probabilities, labels, patients
    return ReportContent(
        card=tiny_card(findings=("pneumonia",), operating_points={"pneumonia": POINTS}),
        split="test",
        data=DATA,
        figures={"pneumonia": compute_finding_figures(*arrays, POINTS)},
        reports={"pneumonia": compute_classification_report(*arrays, POINTS[0])},
        curves={"pneumonia": compute_finding_curves(*arrays, POINTS)},
        training=collect_training_curves(EVENTS),
        made="2026-11-21T10:00:00+00:00",
    )


class TagCollector(HTMLParser):
    """Collects all tags of a page and checks that each is closed."""

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
    return render_evaluation_report(make_facts())


def test_page_is_self_contained_and_runs_no_script(page):
    tags = TagCollector(page)
    assert not tags.open
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags.seen}
    assert not re.search(r"https?://|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert len(page) < 100_000


def test_every_figure_is_shown_with_its_interval_and_counts(page):
    figures = make_facts().figures["pneumonia"]
    assert len(figures.by_name()) >= 22
    for name, figure in figures.by_name().items():
        value, low, high = (f"{end:z.3f}" for end in (figure.value, figure.low, figure.high))
        assert f"<td>{value}</td><td>{low} to {high}</td>" in page, name
    assert f"{figures.auroc.positives} of 400 films positive" in page
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


def test_the_checklist_names_only_headings_of_this_report(page):
    headings = set(re.findall(r"<h[23]>(.*?)</h[23]>", page))
    section = page.split("What journals require")[1].split("</table>")[0]
    answers = re.findall(r"<td>([^<]*)</td></tr>", section)
    assert len(answers) == len(ITEMS)
    named = {place for answer in answers for place in answer.split("; ")}
    assert named - set(ALWAYS_THERE) - {NOT_THERE} <= headings
    assert {"Figures", "Calls at each operating point", "Training", "Provenance"} <= named
    assert NOT_THERE in named  # nothing was recalibrated
    assert RECALIBRATED not in named


def test_the_view_model_has_the_headings_of_the_page(page):
    headings = set(re.findall(r"<h[23]>(.*?)</h[23]>", page))
    assert build_evaluation_report(make_facts()).headings() == headings


def test_the_mean_over_findings_is_shown_where_there_are_several(page):
    assert "Mean of" not in page
    figure = Figure(0.8, 0.7, 0.9, 20, 5)
    macro = MacroFigures(findings=("a", "b"), auroc=figure, average_precision=figure)
    means = "AUROC 0.800 (0.700 to 0.900), average precision 0.800 (0.700 to 0.900)."
    several = render_evaluation_report(replace(make_facts(), macro=macro))
    assert f"Mean of 2 findings: {means}" in several


def test_films_that_are_not_test_films_are_warned_about(page):
    assert "not test films" not in page
    assert not build_split_warning("test")
    validation = render_evaluation_report(replace(make_facts(), split="val"))
    assert "These are not test films" in validation
    assert "the validation split." in validation


def test_films_that_a_fold_held_out_are_not_called_trained_on():
    pooled = render_evaluation_report(replace(make_facts(), split=OUT_OF_FOLD))
    assert "held-out folds" in pooled
    assert "not test films" not in pooled


def test_foreign_text_is_escaped(page):
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


def test_undefined_figures_are_called_undefined(page):
    assert "undefined" not in page
    assert "undefined" in render_evaluation_report(make_facts(labels=np.zeros(400)))


def test_ticks_are_round_and_inside_the_range():
    assert choose_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert choose_ticks(1, 4, integer=True) == [1, 2, 3, 4]
    assert choose_ticks(0.83, 0.97) == [0.85, 0.9, 0.95]
    assert choose_ticks(2, 2) == [2]


def test_points_of_a_chart_lie_where_their_numbers_say():
    axes = Axes(x="x", y="y", x_range=(0, 10), y_range=(0, 2))
    chart = draw_chart([Line(name="a", points=[(0, 0), (10, 2)], dots=True)], axes, "A line.")
    first, last = chart.circles
    assert first.x < last.x
    assert last.y < first.y
    middle = (first.x + last.x) / 2, (first.y + last.y) / 2
    assert axes.to_svg((5, 1)) == pytest.approx(middle)
    drawn = re.findall(
        r'<circle[^>]*cx="([\d.]+)" cy="([\d.]+)"', render_blocks([ChartRow([chart])])
    )
    assert [(float(x), float(y)) for x, y in drawn] == [
        pytest.approx((circle.x, circle.y), abs=0.05) for circle in chart.circles
    ]


def test_a_long_curve_is_thinned_but_keeps_its_ends():
    points = [(n / 100_000, n / 100_000) for n in range(100_001)]
    axes = Axes(x="", y="")
    chart = draw_chart([Line(name="long", points=points)], axes, "Long.")
    assert len(render_blocks([ChartRow([chart])])) < 40_000
    (line,) = [path for path in chart.paths if path.css_class == "line a"]
    x, y = axes.to_svg((1, 1))
    assert line.data.endswith(f"{x:.1f} {y:.1f}")
