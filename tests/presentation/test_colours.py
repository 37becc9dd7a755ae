"""Colours that carry different meanings side by side differ for colour-blind eyes, and text stands out from its paper.

Differences are CIE76 distances in CIELAB, of which about 2 is just seen; between any two 15 are demanded.
"""

import re
import tomllib
from itertools import combinations, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core.data import checks as dataset_checks
from cxr_core.data.charts.chart import LEVEL_COLOURS, SPLIT_COLOURS
from cxr_core.evaluation import report as evaluation_report
from cxr_core.presentation.palette import DECISION_COLOURS, GREY, SERIES
from cxr_core.reading.cardiothoracic.overlay import HEART_COLOUR, LUNG_COLOUR, THORAX_COLOUR
from cxr_core.reading.report.colormap import RAMP
from pages.components.evaluation.chart_panel import TEXT_COLOURS

Colour = str | tuple[int, int, int]

ROOT = Path(__file__).parents[2]
THEME = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]
THEMES = ("light", "dark")
EVALUATION_REPORT = Path(evaluation_report.__file__).parent / "templates/report.css"
DATASET_REPORT = Path(dataset_checks.__file__).parent / "templates/dataset_report.css"
BASE_STYLE = ROOT / "cxr_core/presentation/templates/base.css"
HUES = ("red", "orange", "yellow", "green", "blue", "violet", "gray")

MIN_DIFFERENCE = 15.0
MIN_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3
# In linear RGB, at severity 1. Source: Machado, Oliveira & Fernandes 2009, doi:10.1109/TVCG.2009.113, table 1.
VISIONS = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def to_linear(colour: Colour) -> np.ndarray:
    """An sRGB colour as linear RGB, (3,) in [0, 1] (IEC 61966-2-1)."""
    if isinstance(colour, str):
        digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
        colour = tuple(bytes.fromhex(digits))  # type: ignore[assignment]
    channels = np.array(colour) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def see(colour: Colour, vision: str) -> np.ndarray:
    """What a colour looks like to an eye, (3,) in CIELAB."""
    linear = np.clip(VISIONS[vision] @ to_linear(colour), 0, 1).astype(np.float32)
    return np.asarray(cv2.cvtColor(linear[None, None], cv2.COLOR_LRGB2LAB)[0, 0], float)


def difference(first: Colour, second: Colour, vision: str) -> float:
    return float(np.linalg.norm(see(first, vision) - see(second, vision)))


def contrast(first: Colour, second: Colour) -> float:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""
    luminances = [to_linear(colour) @ [0.2126, 0.7152, 0.0722] + 0.05 for colour in (first, second)]
    return float(max(luminances) / min(luminances))


def theme_texts(theme: str, *hues: str) -> dict[str, Colour]:
    return {hue: THEME[theme][f"{hue}TextColor"] for hue in hues}


def style_colours(style: Path, theme: str) -> dict[str, Colour]:
    """The colours that a style sheet of a report names: `--red: #7d1410;` -> red; the dark ones stand last."""
    names = re.findall(r"--([\w-]+): (#\w+);", style.read_text(encoding="utf-8"))
    return dict(names if theme == "dark" else reversed(names))


def colours_side_by_side() -> dict[str, dict[str, Colour]]:
    """Every group of colours that carry different meanings beside each other, by what shows them."""
    groups: dict[str, dict[str, Colour]] = {
        "series of a chart": {str(place): colour for place, colour in enumerate((*SERIES, GREY))},
        "splits": {split: SPLIT_COLOURS[split] for split in ("train", "val", "test")},
        "sexes": {level: LEVEL_COLOURS[level] for level in ("F", "M", "unknown")},
        "views": {level: LEVEL_COLOURS[level] for level in ("PA", "AP", "unknown")},
        "outlines": {"heart": HEART_COLOUR, "lung": LUNG_COLOUR, "thorax": THORAX_COLOUR},
    }
    for theme in THEMES:
        evaluation = style_colours(EVALUATION_REPORT, theme)
        dataset = style_colours(BASE_STYLE, theme) | style_colours(DATASET_REPORT, theme)
        groups |= {
            f"decisions, {theme}": {**DECISION_COLOURS[theme], **theme_texts(theme, "gray")},
            f"checks of the gate, {theme}": theme_texts(theme, "red", "orange", "green"),
            f"messages, {theme}": theme_texts(theme, "red", "yellow", "green", "blue"),
            f"evaluation report, {theme}": {line: evaluation[line] for line in "abcd"},
            f"dataset report, {theme}": {
                tone: dataset[tone] for tone in ("red", "amber", "green", "blue")
            },
        }
    return groups


GROUPS = colours_side_by_side()


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("group", GROUPS)
def test_colours_side_by_side_are_told_apart(group: str, vision: str) -> None:
    for (first, colour), (second, other) in combinations(GROUPS[group].items(), 2):
        assert difference(colour, other, vision) >= MIN_DIFFERENCE, (first, second)


@pytest.mark.parametrize("vision", VISIONS)
def test_heatmap_grows_brighter_and_no_outline_has_a_colour_of_it(vision: str) -> None:
    for weaker, stronger in pairwise(RAMP):
        assert see(stronger, vision)[0] - see(weaker, vision)[0] >= 5
    for outline in (HEART_COLOUR, LUNG_COLOUR, THORAX_COLOUR):
        assert min(difference(outline, heat, vision) for heat in RAMP) >= MIN_DIFFERENCE


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_every_paper_it_is_on(theme: str) -> None:
    colours = THEME[theme]
    papers = {colours["backgroundColor"], colours["secondaryBackgroundColor"]}
    papers |= {
        colours["sidebar"]["backgroundColor"],
        colours["sidebar"]["secondaryBackgroundColor"],
    }
    texts = {"text": colours["textColor"], "link": colours["primaryColor"]}
    for name, text in (texts | theme_texts(theme, *HUES)).items():
        own = {colours[f"{name}BackgroundColor"]} if name in HUES else set()
        for paper in papers | own:
            assert contrast(text, paper) >= MIN_CONTRAST, (name, paper)
    report = style_colours(BASE_STYLE, theme)
    for ink in ("ink", "soft", "amber"):
        assert contrast(report[ink], report["paper"]) >= MIN_CONTRAST, ink


@pytest.mark.parametrize("theme", THEMES)
def test_theme_and_palette_agree(theme: str) -> None:
    assert theme_texts(theme, "orange", "blue", "violet") == dict(
        zip(("orange", "blue", "violet"), DECISION_COLOURS[theme].values(), strict=True)
    )
    assert THEME[theme]["textColor"] == TEXT_COLOURS[theme]


def test_simulation_finds_colours_that_are_known_to_be_confused() -> None:
    purple, grey, red, green = "#cc79a7", "#8f979e", "#c0392b", "#5d7a1f"
    assert difference(purple, grey, "deuteranopia") < 5 < difference(purple, grey, "tritanopia")
    assert difference(red, green, "deuteranopia") < 30 < difference(red, green, "tritanopia")
    assert difference("#000000", "#ffffff", "normal") == pytest.approx(100, abs=0.1)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # WebAIM's example
