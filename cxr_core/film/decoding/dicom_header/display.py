"""Shows a film as its file says: what lies outside a display shutter is black, and the patient's left is on the right.

PS3.3 C.7.6.11 (shutter) and C.7.6.1.1.1 (Patient Orientation).
"""

import re
from dataclasses import dataclass

import cv2
import numpy as np
from pydicom import Dataset

from cxr_core.film.decoding.dicom_header.values import read_number, read_numbers, read_texts
from cxr_core.film.vocabulary import NamedView

TAGS = (
    "PatientOrientation", "ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge", "ShutterLowerHorizontalEdge", "CenterOfCircularShutter", "RadiusOfCircularShutter",
    "VerticesOfThePolygonalShutter",
)  # fmt: skip
# A shutter that leaves less than this share of the picture is an error: a chest film would not be read through it.
LEAST_VISIBLE = 0.1
DIRECTIONS = re.compile(r"[LRAPHF]{1,3}")


def find_shuttered(dataset: Dataset) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Which pixels lie outside the display shutter: (H, W) bool, or None without one; and irregularities.

    Several shapes are combined: what is outside of any is not shown. Rows and columns count from 1, and both edges of a
    rectangle are inside. A shutter that cannot be understood, or leaves nearly nothing, is ignored with a word.
    """
    shapes = set(read_texts(dataset, "ShutterShape")) & {"RECTANGULAR", "CIRCULAR", "POLYGONAL"}
    if not shapes:
        return None, ()
    size = (int(dataset.Rows), int(dataset.Columns))
    visible = np.ones(size, bool)
    draw = {
        "RECTANGULAR": _draw_rectangle,
        "CIRCULAR": _draw_circle,
        "POLYGONAL": _draw_polygon,
    }
    for shape in sorted(shapes):
        inside = draw[shape](dataset, size)
        if inside is None:
            return None, ("shutter_ignored",)
        visible &= inside
    if visible.mean() < LEAST_VISIBLE:
        return None, ("shutter_ignored",)
    return (None if visible.all() else ~visible), ()


def fill_shuttered(cells: np.ndarray, shuttered: np.ndarray | None) -> np.ndarray:
    """The stored cells with one of the visible values in place of those outside the shutter.

    What is not shown must not decide which range of values is in use. cells: (H, W) or (H, W, 3).
    """
    if shuttered is None:
        return cells
    filled = cells.copy()
    filled[shuttered] = cells[~shuttered][0]
    return filled


def _draw_rectangle(dataset: Dataset, size: tuple[int, int]) -> np.ndarray | None:
    edges = [
        read_number(dataset, f"Shutter{edge}Edge")
        for edge in ("UpperHorizontal", "LowerHorizontal", "LeftVertical", "RightVertical")
    ]
    if None in edges:
        return None
    upper, lower, left, right = (int(edge) for edge in edges if edge is not None)
    if upper > lower or left > right:
        return None
    inside = np.zeros(size, bool)
    inside[max(0, upper - 1) : max(0, lower), max(0, left - 1) : max(0, right)] = True
    return inside


def _draw_circle(dataset: Dataset, size: tuple[int, int]) -> np.ndarray | None:
    centre = read_numbers(dataset, "CenterOfCircularShutter")
    radius = read_number(dataset, "RadiusOfCircularShutter")
    if len(centre) != 2 or radius is None or radius <= 0:
        return None
    row, column = np.ogrid[1 : size[0] + 1, 1 : size[1] + 1]
    inside: np.ndarray = (row - centre[0]) ** 2 + (column - centre[1]) ** 2 <= radius**2
    return inside


def _draw_polygon(dataset: Dataset, size: tuple[int, int]) -> np.ndarray | None:
    numbers = read_numbers(dataset, "VerticesOfThePolygonalShutter")
    if len(numbers) < 6 or len(numbers) % 2:
        return None
    vertices = np.array(numbers).reshape(-1, 2)
    if np.abs(vertices).max() > 1 << 15:
        return None
    points = np.rint(vertices[:, ::-1] - 1).astype(np.int32)  # (x, y) from 0
    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [points], 1)
    return canvas.astype(bool)


@dataclass(frozen=True)
class PatientOrientation:
    """Where the patient's body lies to the right of a picture, and below: first letters of L, R, A, P, H and F.

    oblique: the direction to the right leads from side to side and forward or backward at once.
    """

    right: str
    below: str
    oblique: bool

    @property
    def view(self) -> NamedView:
        """The view that these directions allow; unstated for a frontal one, which PA and AP share."""
        across = {self.right, self.below}
        if across & {"A", "P"}:
            lateral = bool(across & {"H", "F"})
            return (
                NamedView(kind="lateral", view="LATERAL") if lateral else NamedView(kind="special")
            )
        return NamedView(kind="special" if self.oblique else "unstated")

    @property
    def is_frontal(self) -> bool:
        """Whether one direction leads from side to side and the other along the body."""
        return (
            len({self.right, self.below} & {"L", "R"})
            == len({self.right, self.below} & {"H", "F"})
            == 1
        )


def read_orientation(dataset: Dataset) -> PatientOrientation | None:
    """Patient Orientation (PS3.3 C.7.6.1.1.1); None where it is absent, or not two directions of a person's body."""
    directions = read_texts(dataset, "PatientOrientation")
    if len(directions) != 2 or not all(DIRECTIONS.fullmatch(text) for text in directions):
        return None
    right, below = directions
    oblique = right[0] in "LR" and bool(set(right[1:]) & {"A", "P"})
    return PatientOrientation(right[0], below[0], oblique)


@dataclass(frozen=True)
class Turn:
    """What sets a film upright. exchange: rows and columns, first.  mirror: left and right.  flip: top and bottom."""

    exchange: bool
    mirror: bool
    flip: bool

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """The film (H, W), or (W, H) after an exchange; C-contiguous."""
        turned = pixels.T if self.exchange else pixels
        if self.mirror:
            turned = turned[:, ::-1]
        if self.flip:
            turned = turned[::-1]
        return np.ascontiguousarray(turned)


def find_turn(orientation: PatientOrientation | None) -> Turn | None:
    """What brings the patient's left to the right and the feet down, as every chest film is read (`L\\F`).

    None where the film lies so already, is not frontal, or where nothing is stated.
    """
    if orientation is None or not orientation.is_frontal:
        return None
    right, below = orientation.right, orientation.below
    exchange = right in "HF"
    if exchange:
        right, below = below, right
    turn = Turn(exchange=exchange, mirror=right == "R", flip=below == "H")
    return turn if turn.exchange or turn.mirror or turn.flip else None


def show_as_stated(
    pixels: np.ndarray, shuttered: np.ndarray | None, turn: Turn | None
) -> np.ndarray:
    """The film with black outside its shutter, set upright. pixels: (H, W) in [0, 1]."""
    if shuttered is not None:
        # Whatever Shutter Presentation Value asks for: a white frame would be read as dense tissue.
        pixels = np.where(shuttered, np.float32(0), pixels)
    return pixels if turn is None else turn.apply(pixels)
