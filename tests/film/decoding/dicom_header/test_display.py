"""A shutter hides what it should, and a film that is stored mirrored or turned is set upright."""

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cxr_core.film.decoding.dicom_header.display import (
    fill_shuttered,
    find_shuttered,
    find_turn,
    read_orientation,
    show_as_stated,
)
from tests.film.decoding.dicom_header.test_statements import dataset

ROWS, COLUMNS = 60, 50
RECTANGLE = {
    "ShutterLeftVerticalEdge": 6,
    "ShutterRightVerticalEdge": 45,
    "ShutterUpperHorizontalEdge": 11,
    "ShutterLowerHorizontalEdge": 50,
}
CIRCLE = {"CenterOfCircularShutter": [31, 26], "RadiusOfCircularShutter": 20}
TRIANGLE = {"VerticesOfThePolygonalShutter": [1, 1, 1, 50, 60, 26]}


def visible(**tags: Any) -> np.ndarray:
    """Which pixels a shutter leaves visible."""
    hidden, irregularities = find_shuttered(dataset(Rows=ROWS, Columns=COLUMNS, **tags))
    assert irregularities == ()
    return np.ones((ROWS, COLUMNS), bool) if hidden is None else ~hidden


def test_a_rectangle_keeps_the_rows_and_columns_between_its_edges() -> None:
    expected = np.zeros((ROWS, COLUMNS), bool)
    expected[10:50, 5:45] = True  # rows 11 to 50 and columns 6 to 45, counted from 1
    assert (visible(ShutterShape="RECTANGULAR", **RECTANGLE) == expected).all()


def test_a_circle_and_a_polygon_are_those_of_another_library_but_for_their_border() -> None:
    circle = Image.new("1", (COLUMNS, ROWS))
    ImageDraw.Draw(circle).ellipse((25 - 20, 30 - 20, 25 + 20, 30 + 20), fill=1)
    border = 2 * np.pi * 20
    assert (visible(ShutterShape="CIRCULAR", **CIRCLE) != np.array(circle)).sum() < border / 2
    triangle = Image.new("1", (COLUMNS, ROWS))
    ImageDraw.Draw(triangle).polygon([(0, 0), (49, 0), (25, 59)], fill=1)
    assert (visible(ShutterShape="POLYGONAL", **TRIANGLE) != np.array(triangle)).sum() < 20


def test_of_several_shapes_only_what_is_inside_all_is_visible() -> None:
    both = visible(ShutterShape=["CIRCULAR", "RECTANGULAR"], **CIRCLE, **RECTANGLE)
    circle = visible(ShutterShape="CIRCULAR", **CIRCLE)
    rectangle = visible(ShutterShape="RECTANGULAR", **RECTANGLE)
    assert (both == (circle & rectangle)).all()


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"ShutterShape": "BITMAP"},
        {"ShutterShape": "RECTANGULAR", **RECTANGLE, "ShutterLeftVerticalEdge": -3}
        | {"ShutterRightVerticalEdge": 99, "ShutterUpperHorizontalEdge": 0}
        | {"ShutterLowerHorizontalEdge": 60},
    ],
)
def test_nothing_is_hidden_without_a_shutter_or_by_one_around_the_film(
    tags: dict[str, Any],
) -> None:
    assert visible(**tags).all()


@pytest.mark.parametrize(
    "tags",
    [
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "RECTANGULAR", **RECTANGLE, "ShutterRightVerticalEdge": 3},
        {"ShutterShape": "RECTANGULAR", **RECTANGLE, "ShutterLowerHorizontalEdge": 12},
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [30, 25]},
        {"ShutterShape": "CIRCULAR", **CIRCLE, "RadiusOfCircularShutter": 2},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 5, 5]},
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 1, 2, 99999, 5]},
    ],
)
def test_a_shutter_that_cannot_be_right_is_ignored(tags: dict[str, Any]) -> None:
    hidden, irregularities = find_shuttered(dataset(Rows=ROWS, Columns=COLUMNS, **tags))
    assert hidden is None
    assert irregularities == ("shutter_ignored",)


def test_what_is_hidden_takes_a_visible_value_before_and_is_black_after() -> None:
    cells = np.arange(12).reshape(3, 4)
    hidden = np.zeros((3, 4), bool)
    hidden[0], hidden[:, 3] = True, True
    filled = fill_shuttered(cells, hidden)
    assert filled[~hidden].tolist() == cells[~hidden].tolist()
    assert set(filled[hidden].tolist()) == {4}
    shown = show_as_stated(np.ones((3, 4), np.float32), hidden, None)
    assert (shown == np.where(hidden, 0, 1)).all()
    assert shown.dtype == np.float32


UPRIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
# How a film with these directions lies, as NumPy would make it from the upright one.
STORED = {
    ("L", "F"): UPRIGHT,
    ("R", "F"): np.fliplr(UPRIGHT),
    ("L", "H"): np.flipud(UPRIGHT),
    ("R", "H"): np.rot90(UPRIGHT, 2),
    ("F", "L"): UPRIGHT.T,
    ("H", "L"): np.rot90(UPRIGHT, 3),
    ("F", "R"): np.rot90(UPRIGHT, 1),
    ("H", "R"): np.rot90(UPRIGHT.T, 2),
}


@pytest.mark.parametrize("directions", STORED)
def test_every_frontal_orientation_is_set_upright(directions: tuple[str, str]) -> None:
    turn = find_turn(read_orientation(dataset(PatientOrientation=list(directions))))
    stored = STORED[directions]
    assert (turn is None) == (directions == ("L", "F"))
    assert (show_as_stated(stored, None, turn) == UPRIGHT).all()


@pytest.mark.parametrize(
    "directions", [["A", "F"], ["P", "F"], ["L", "P"], ["L"], ["X", "F"], ["LE", "CD"], ["L", "R"]]
)
def test_other_orientations_leave_the_pixels(directions: list[str]) -> None:
    assert find_turn(read_orientation(dataset(PatientOrientation=directions))) is None
