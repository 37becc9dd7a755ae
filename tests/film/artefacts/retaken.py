"""Simulates photographs of films on a light box, in a room or on a monitor, and screenshots of viewers."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tests.film.artefacts.drawn_text import compose_line, save_as_jpeg

SURROUNDS = ("light box", "dark room", "monitor")


def photograph(pixels: np.ndarray, rng: np.random.Generator, surround: str = "") -> np.ndarray:
    """A film in perspective in a surround, with uneven light, glare, moiré, blur, noise and JPEG: float32 in [0, 1].

    A monitor always shows moiré, the others in 3 of 10 pictures.
    """
    surround = surround or str(rng.choice(SURROUNDS))
    rows, columns = pixels.shape
    height, width = rows, round(columns * rng.uniform(0.9, 1.3))
    matrix = _choose_perspective(pixels.shape, (height, width), rng)
    film = cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_AREA)
    sheet = cv2.warpPerspective(np.ones_like(pixels), matrix, (width, height))
    low, high = (0.75, 1.0) if surround == "light box" else (0.02, 0.2)
    room = _smooth_field((height, width), low, high, rng)
    if surround == "monitor":
        side = max(3, round(min(height, width) * rng.uniform(0.03, 0.06)))
        frame = cv2.dilate(sheet, np.ones((side, side), np.uint8))
        room = room * (1 - frame) + frame * rng.uniform(0.02, 0.35)
    picture = sheet * (rng.uniform(0, 0.15) + rng.uniform(0.6, 0.95) * film) + (1 - sheet) * room
    picture *= _smooth_field((height, width), 0.75, 1.1, rng)
    if rng.random() < 0.5:
        picture += sheet * _make_glare((height, width), rng)
    if surround == "monitor" or rng.random() < 0.3:
        picture *= 1 + sheet * _make_moire((height, width), rng)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.2) * max(1, height / 700))
    picture += rng.normal(0, rng.uniform(0.002, 0.02), picture.shape)
    return save_as_jpeg(picture, int(rng.integers(60, 96)))


def take_screenshot(pixels: np.ndarray, rng: np.random.Generator, theme: int = -1) -> np.ndarray:
    """A film in a viewer's window with tools, a panel and overlays: float32 in [0, 1].

    theme: grey level of the window in 0 to 255; -1 chooses a dark, bright or black one.
    """
    rows, columns = pixels.shape
    if theme < 0:
        dark, bright = int(rng.integers(25, 80)), int(rng.integers(180, 245))
        theme = int(rng.choice([dark, dark, bright, 0]))
    ink = 230 if theme < 128 else 20
    bar, status = round(rows * rng.uniform(0.04, 0.12)), round(rows * rng.uniform(0, 0.06))
    panel = round(columns * rng.uniform(0.05, 0.6))
    window = np.full((bar + rows + status, columns + panel), theme, np.uint8)
    left = panel if rng.random() < 0.5 else 0
    window[bar : bar + rows, left : left + columns] = np.rint(pixels * 255)
    picture = Image.fromarray(window)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(9, round(rows * rng.uniform(0.015, 0.022))))
    _draw_tools(pen, bar, picture.width, ink, rng)
    for index in range(int(rng.integers(1, 8))):
        place = (4 if left else columns + 4, bar + 10 + round(index * rows * 0.04))
        pen.text(place, compose_line(rng)[: panel // 9], font=font, fill=ink)
    if rng.random() < 0.7:
        pen.text((left + 5, bar + 5), compose_line(rng), font=font, fill=255)
        pen.text((left + 5, bar + rows * 0.95), "W 2048 L 1024", font=font, fill=255)
    shot = np.asarray(picture, np.float32) / 255
    if rng.random() < 0.4:
        scale = rng.uniform(0.5, 1.2)
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        shot = cv2.resize(shot, None, fx=scale, fy=scale, interpolation=way)
    return save_as_jpeg(shot, int(rng.integers(70, 96))) if rng.random() < 0.5 else shot


def _choose_perspective(
    film: tuple[int, ...], picture: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """The matrix that takes a film to a turned and shifted quadrilateral in a picture."""
    rows, columns = film
    height, width = picture
    shown = min(width / columns, height / rows) * rng.uniform(0.62, 0.95)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * (columns, rows) * shown
    angle = np.deg2rad(rng.normal(0, 2.5))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    size = np.array([width, height])
    centre = size * (0.5 + rng.uniform(-0.05, 0.05, 2))
    reach = rng.uniform(0.02, 0.08)
    moved = corners @ turn + centre + rng.uniform(-reach, reach, (4, 2)) * (columns, rows) * shown
    sheet = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    return cv2.getPerspectiveTransform(sheet, moved.astype(np.float32))


def _smooth_field(
    shape: tuple[int, int], low: float, high: float, rng: np.random.Generator
) -> np.ndarray:
    coarse = rng.uniform(low, high, (3, 3)).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _make_glare(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    height, width = shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    row, column = rng.uniform(0.1, 0.9) * height, rng.uniform(0.1, 0.9) * width
    reach = rng.uniform(0.05, 0.15) * width
    distance = (rows - row) ** 2 + (columns - column) ** 2
    return rng.uniform(0.1, 0.5) * np.exp(-distance / (2 * reach**2))


def _make_moire(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    height, width = shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    period, angle = rng.uniform(3, 14), rng.uniform(0, np.pi)
    phase = (columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / period
    bend = 2 * np.sin(2 * np.pi * rows / height * rng.uniform(0, 2))
    return rng.uniform(0.03, 0.12) * np.sin(phase + bend)


def _draw_tools(
    pen: ImageDraw.ImageDraw, bar: int, width: int, ink: int, rng: np.random.Generator
) -> None:
    side, top = round(0.6 * bar), round(0.2 * bar)
    for index in range(int(rng.integers(3, 14))):
        left = 6 + index * round(1.5 * side)
        if left + side > width:
            return
        box = [left, top, left + side, top + side]
        if index % 3 == 0:
            pen.rectangle(box, outline=ink)
        elif index % 3 == 1:
            pen.ellipse(box, outline=ink)
        else:
            pen.line(box, fill=ink, width=2)
