"""Draws names, numbers, dates and side markers on films, as devices and digitisers burn them in."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FAMILY_NAMES = ("SMITH", "GARCIA", "MUELLER", "NGUYEN", "KOWALSKI", "O'BRIEN", "DE LA CRUZ", "LI")
GIVEN_NAMES = ("JOHN", "MARIA", "ANNA", "PETER", "WEI", "FATIMA", "YUKI", "CLAIRE")
PLACES = ("ST MARY HOSPITAL", "CITY CLINIC", "KLINIKUM NORD", "Regional Health")
TTF = Path(mpl.get_data_path()) / "fonts/ttf"
FACES = (
    None,  # the face that Pillow brings
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif.ttf",
    "STIXGeneral.ttf",
)
STYLES = ("white", "white", "grey", "outlined", "on black", "on white", "black")
SIDE_MARKERS = ("R", "L", "PA", "AP", "R 1", "LT")


@dataclass(frozen=True)
class DrawnText:
    """A film with text: (H, W) float32 in [0, 1], and the text's box in pixels."""

    pixels: np.ndarray
    row: int
    column: int
    height: int
    width: int
    size_px: int
    style: str


def draw_text(pixels: np.ndarray, rng: np.random.Generator, min_px: int = 10) -> DrawnText:
    """One to four lines of random text in a corner or at a side, of 1.2 to 4 % of the film's height.

    min_px: the smallest size of the letters. Text without contrast is drawn elsewhere, in another style.
    """
    height = pixels.shape[0]
    while True:
        size = max(min_px, round(height * rng.uniform(0.012, 0.04)))
        lines = [compose_line(rng) for _ in range(rng.integers(1, 5))]
        ink = _render_lines(lines, size, rng)
        if rng.random() < 0.08:
            ink = np.rot90(ink, int(rng.choice([1, 3])))
        drawn = _place(pixels, ink, size, rng)
        if drawn is not None:
            return drawn


def draw_side_marker(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A marker of one to three characters, of 2 to 5 % of the film's height, in a circle or not."""
    height, width = pixels.shape
    size = max(8, round(height * rng.uniform(0.02, 0.05)))
    ink = _render_lines([str(rng.choice(SIDE_MARKERS))], size, rng)
    rows, columns = ink.shape
    row = int(rng.integers(size, height // 3))
    left = rng.random() < 0.5
    column = size if left else width - columns - size
    marked = pixels.copy()
    region = marked[row : row + rows, column : column + columns]
    region[:] = np.maximum(region, ink[: region.shape[0], : region.shape[1]])
    if rng.random() < 0.3:
        centre = column + columns // 2, row + rows // 2
        cv2.circle(marked, centre, max(rows, columns) // 2 + 3, 1.0, max(1, size // 12))
    return marked


def compose_line(rng: np.random.Generator) -> str:
    """A name, a number, a date or a place."""
    family, given = rng.choice(FAMILY_NAMES), rng.choice(GIVEN_NAMES)
    year, month, day = rng.integers(1920, 2020), rng.integers(1, 13), rng.integers(1, 29)
    lines = (
        f"{family}^{given}",
        f"{family}, {given}",
        f"{family.title()}, {given.title()} {rng.choice(['M', 'F'])} {rng.integers(18, 95)}Y",
        f"ID: {rng.integers(10**5, 10**9)}",
        f"{day:02d}.{month:02d}.{year}",
        f"DOB {year}-{month:02d}-{day:02d}",
        str(rng.choice(PLACES)),
        f"{year}/{month:02d}/{day:02d} {rng.integers(24):02d}:{rng.integers(60):02d}",
    )
    return lines[rng.integers(len(lines))]


def _render_lines(lines: list[str], size: int, rng: np.random.Generator) -> np.ndarray:
    """Where the ink of the lines is: (h, w) float32 in [0, 1]."""
    face = FACES[rng.integers(len(FACES))]
    font = ImageFont.load_default(size) if face is None else ImageFont.truetype(TTF / face, size)
    pitch = round(1.25 * size)
    width = round(max(font.getlength(line) for line in lines)) + 8
    canvas = Image.new("L", (width, pitch * len(lines) + 4), 0)
    pen = ImageDraw.Draw(canvas)
    if rng.random() < 0.15:
        pen.fontmode = "1"  # without antialiasing
    for index, line in enumerate(lines):
        pen.text((4, 2 + pitch * index), line, font=font, fill=255)
    return np.asarray(canvas, np.float32) / 255


def _place(
    pixels: np.ndarray, ink: np.ndarray, size: int, rng: np.random.Generator
) -> DrawnText | None:
    """The film with the ink near its border; None where the ink does not fit or has no contrast."""
    height, width = pixels.shape
    rows, columns = ink.shape
    if rows > 0.4 * height or columns > 0.75 * width:
        return None
    margin = round(rng.uniform(0, 0.05) * min(height, width))
    row = int(rng.choice([margin, height - rows - margin]))
    column = int(rng.choice([margin, (width - columns) // 2, width - columns - margin]))
    style = str(rng.choice(STYLES))
    region = pixels[row : row + rows, column : column + columns].astype(np.float32)
    level = {"grey": rng.uniform(0.6, 0.85), "on white": 0.05, "black": 0.03}.get(style, 0.97)
    if style == "on black":
        region = np.full_like(region, 0.03)
    if style == "on white":
        region = np.full_like(region, 0.93)
    if style == "outlined":
        outline = cv2.dilate(ink, np.ones((3, 3), np.uint8))
        region = region * (1 - outline) + 0.04 * outline
    elif np.mean(np.abs(region - level) < 0.25) > 0.2:
        return None
    drawn = np.array(pixels, np.float32)
    drawn[row : row + rows, column : column + columns] = region * (1 - ink) + level * ink
    if rng.random() < 0.3:
        drawn = save_as_jpeg(drawn, int(rng.integers(70, 96)))
    return DrawnText(drawn, row, column, rows, columns, size, style)


def save_as_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """The film after it was saved as JPEG: (H, W) float32 in [0, 1]."""
    grey = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
