"""A gallery of films, or one large film, with boxes drawn on them; each film in a gallery is a button.

The browser receives JSON with small JPEG pictures. Text from files is set as text there, never as HTML.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import streamlit as st

from pages.components.session import clicked_picture

HERE = Path(__file__).parent
JPEG_QUALITY = 85

_mount_component = st.components.v2.component(
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
    """One film of a gallery. jpeg: base64; empty when there is nothing to show, for the reason in `note`."""

    name: str
    jpeg: str
    lines: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    note: str = ""
    aspect: float = 1.0  # width over height
    picked: bool = False


def encode_jpeg(grey: np.ndarray) -> str:
    """Grey pixels (H, W) uint8, or coloured ones (H, W, 3) in the order of OpenCV, as a base64 JPEG."""
    _, jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return base64.b64encode(jpeg.tobytes()).decode("ascii")


def show_gallery(
    pictures: Sequence[Picture],
    key: str,
    on_open: Callable[[int], None] | None = None,
    on_pick: Callable[[int], None] | None = None,
) -> None:
    """A grid of films. A click calls `on_open` with the film's position, before the next run.

    on_open: None for films that cannot be opened.
    on_pick: called with the position of a film that was ticked, or whose tick was taken away; None for no ticks.

    The pictures are part of the component's key: a click that was on its way while they changed means the film that the
    browser showed, never another one at its place.
    """
    drawn_key = f"{key}-{_digest(pictures)}"

    def call(name: Literal["opened", "picked"], callback: Callable[[int], None]) -> None:
        position = clicked_picture(drawn_key, name)
        if position is not None and 0 <= position < len(pictures):
            callback(position)

    _mount_component(
        key=drawn_key,
        data={
            "pictures": [_picture_to_json(picture) for picture in pictures],
            "openable": on_open is not None,
            "pickable": on_pick is not None,
        },
        on_opened_change=lambda: call("opened", on_open) if on_open else None,
        on_picked_change=lambda: call("picked", on_pick) if on_pick else None,
    )


def show_large_picture(picture: Picture, key: str) -> None:
    """One film as large as there is room."""
    _mount_component(
        key=key,
        data={"pictures": [_picture_to_json(picture)], "large": True},
        on_opened_change=lambda: None,
        on_picked_change=lambda: None,
    )


def _picture_to_json(picture: Picture) -> dict[str, object]:
    return {
        "name": picture.name,
        "jpeg": picture.jpeg,
        "lines": list(picture.lines),
        "boxes": [_box_to_json(box) for box in picture.boxes],
        "note": picture.note,
        "aspect": round(picture.aspect, 4),
        "picked": picture.picked,
    }


def _box_to_json(box: Box) -> list[str | float]:
    corners = (box.left, box.top, box.width, box.height)
    return [box.label, *(round(float(corner), 4) for corner in corners)]


def _digest(pictures: Sequence[Picture]) -> str:
    """What tells one list of films from another; the same whichever of them are picked."""
    content = "\n".join(f"{picture.name} {picture.jpeg}" for picture in pictures)
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:16]
