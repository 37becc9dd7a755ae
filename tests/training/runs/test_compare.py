"""What tells runs apart: short names, settings that differ, figures with their differences, and the chart of both."""

import json
from pathlib import Path

import pytest

from cxr_core.training.runs.charts import overlay_charts
from cxr_core.training.runs.compare import (
    describe_difference,
    recipe_differences,
    tabulate_figures,
)
from cxr_core.training.runs.figures import RunFigure, find_headline
from cxr_core.training.runs.parallel_coordinates import draw_parallel_coordinates
from cxr_core.training.runs.progress import Curve
from cxr_core.training.runs.short_names import shorten_names
from cxr_core.training.runs.summary import stamp_summary, summarise_run
from tests.pages.fake_runs import RECIPE, fake_runs

GREY = "pneumonia-cnn-grey-20261129-"


@pytest.mark.parametrize(
    ("names", "ids", "short"),
    [
        (["", ""], [f"{GREY}113000", f"{GREY}113500"], ("113000", "113500")),
        (["", ""], [f"{GREY}113000", f"{GREY}113000-2"], ("113000", "113000-2")),
        (["", ""], ["grid-lr-1-s", "grid-lr-10-s"], ("1", "10")),
        (["", ""], ["cardio-1", "pneumo-1"], ("cardio", "pneumo")),
        (["best", ""], [f"{GREY}113000", f"{GREY}113500"], ("best", "113500")),
        (["try", "try", ""], ["x-1", "x-2", "x-3"], ("try (1)", "try (2)", "3")),
        (["2", ""], ["x-1", "x-2"], ("x-1", "x-2")),  # a name that is another run's rest
        ([""], ["x-1"], ("x-1",)),
    ],
)
def test_names_are_as_short_as_they_can_be_told_apart(
    names: list[str], ids: list[str], short: tuple[str, ...]
) -> None:
    assert shorten_names(names, ids) == short


def figure(split: str, finding: str, value: float | None, name: str = "auroc") -> RunFigure:
    return RunFigure(split=split, finding=finding, name=name, value=value, low=0.1, high=0.9, n=50)


def test_validation_and_test_are_never_one_figure() -> None:
    figures = (figure("test", "pneumonia", 0.7), figure("validation", "pneumonia", 0.8))
    assert find_headline(figures, "validation") == figures[1]
    assert find_headline(figures, "test") == figures[0]
    assert find_headline(figures[:1], "validation") is None


def test_several_findings_are_shown_by_their_mean_without_an_interval() -> None:
    figures = [figure("test", finding, value) for finding, value in (("a", 0.6), ("b", 0.8))]
    headline = find_headline([*figures, figure("test", "c", None)], "test")
    assert headline is not None
    assert headline.value == pytest.approx(0.7)
    assert (headline.low, headline.high, headline.mean_of) == (None, None, 2)


def test_a_difference_has_a_sign_and_needs_both() -> None:
    better, worse = figure("test", "a", 0.85), figure("test", "a", 0.8)
    assert describe_difference(better, worse) == "+0.050"
    assert describe_difference(worse, better) == "-0.050"
    assert describe_difference(better, better) == "+0.000"
    assert describe_difference(better, None) == ""
    assert describe_difference(figure("test", "a", None), better) == ""


@pytest.fixture
def folders(workspace: Path) -> list[Path]:
    with fake_runs() as runs:
        return [
            runs.write_finished("alpha", tested=True),
            runs.write_finished("beta", learning_rate=1e-3),
            runs.write_interrupted("gamma"),
        ]


def test_settings_that_differ_and_all_figures_are_listed(folders: list[Path]) -> None:
    assert recipe_differences(folders) == {"learning_rate": (3e-4, 1e-3, 3e-4)}
    table = tabulate_figures(folders)
    assert [value and value.value for value in table["test", "cardiomegaly", "auroc"]] == [
        pytest.approx(0.8),
        None,
        None,
    ]


def test_a_summary_is_stamped_by_the_files_that_it_is_read_from(folders: list[Path]) -> None:
    finished, interrupted = folders[0], folders[2]
    summary = summarise_run(finished)
    assert summary.settings["augmentation.shift"] == RECIPE.augmentation.shift
    assert summary.validation is not None
    assert summary.validation.value == pytest.approx(0.9)
    assert summary.test is not None
    best = summarise_run(interrupted).validation
    assert best is not None
    assert (best.value, best.low, best.split) == (pytest.approx(0.7), None, "validation")
    before = stamp_summary(finished)
    metrics = finished / "evaluation" / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"weights_sha256": "other"}))
    assert stamp_summary(finished) != before
    assert summarise_run(finished).test is None  # of another model


def test_ten_curves_are_told_apart() -> None:
    curves = {str(run): {"validation_loss": Curve((1, 2), (0.5, 0.4))} for run in range(10)}
    traces = overlay_charts(curves)["Validation loss"].data
    assert len({(trace.line.color, trace.line.dash) for trace in traces}) == 10


def test_parallel_coordinates_show_each_value_at_its_place() -> None:
    chart = draw_parallel_coordinates(
        {"rate": (1e-4, 1e-2, 1e-3), "balance": ("none", "sampler", None), "seed": (0, 1, 2)},
        {"AUROC": (0.7, 0.8, None)},
        ("a", "b", "c"),
    )
    first, second = chart.data
    assert (first.name, second.name) == ("a", "b")  # c has no figure
    assert list(chart.layout.xaxis.ticktext) == ["rate", "balance", "seed", "AUROC"]
    assert list(second.text) == ["rate: 0.01", "balance: sampler", "seed: 1", "AUROC: 0.800"]
    assert list(first.y) == [0, 0, 0, 0]
    assert list(second.y) == [1, 1, 1, 1]
    ticks = {(note.x, note.text) for note in chart.layout.annotations}
    assert {(0, "0.0001"), (0, "0.01"), (1, "none"), (3, "0.700")} <= ticks


def test_an_axis_of_wide_range_is_logarithmic() -> None:
    rates = {"rate": (1e-4, 1e-3, 1e-2), "side": (64, 96, 128), "same": (5, 5, 5)}
    chart = draw_parallel_coordinates(rates, {"AUROC": (0.5, 0.6, 0.9)}, ("a", "b", "c"))
    assert list(chart.data[1].y) == pytest.approx([0.5, 0.5, 0.5, 0.25])
