"""Films side by side, or one of them large, with the boxes drawn on them; each is a button.

What crosses to the browser is JSON with small JPEG pictures; words of others are set as text there, never as HTML.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st

from pages.components.session import clicked_place

HERE = Path(__file__).parent
JPEG_QUALITY = 85

_mount = st.components.v2.component(
    "silhouette.gallery",
    html='<div class="gallery"></div>',
    css=(HERE / "gallery.css").read_text(encoding="utf-8"),
    js=(HERE / "gallery.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box on a picture, in fractions of the picture's width and height."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One film of a gallery.  jpeg: base64, or empty when there is nothing to show; note: then says why."""

    name: str
    jpeg: str
    lines: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    note: str = ""
    aspect: float = 1.0  # width over height


def as_jpeg(grey: np.ndarray) -> str:
    """Grey pixels (H, W) uint8 as a base64 JPEG."""
    _, jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return base64.b64encode(jpeg.tobytes()).decode("ascii")


def show_pictures(pictures: Sequence[Picture], key: str, on_open: Callable[[int], None]) -> None:
    """A grid of films; a click on one calls `on_open` with its place before the next run."""

    def opened() -> None:
        place = clicked_place(key)
        if place is not None and 0 <= place < len(pictures):
            on_open(place)

    _mount(
        key=key, data={"pictures": [_as_json(each) for each in pictures]}, on_opened_change=opened
    )


def show_large(picture: Picture, key: str) -> None:
    """One film as large as there is room."""
    _mount(
        key=key,
        data={"pictures": [_as_json(picture)], "large": True},
        on_opened_change=lambda: None,
    )


def _as_json(picture: Picture) -> dict[str, Any]:
    boxes = [
        [box.label, *(round(float(x), 4) for x in (box.left, box.top, box.width, box.height))]
        for box in picture.boxes
    ]
    return {
        "name": picture.name,
        "jpeg": picture.jpeg,
        "lines": list(picture.lines),
        "boxes": boxes,
        "note": picture.note,
        "aspect": round(picture.aspect, 4),
    }
