"""The film viewer: pan, zoom, window and level, magnifier, lengths, angles, heatmaps and calipers, without a rerun.

The browser receives JSON: the film as a base64 PNG with 8 bits, and each heatmap as its model's coarse cells with their
placement on the film. The browser interpolates and colours them on an absolute scale, so the same attribution has the
same colour on every film.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import streamlit as st

from cxr_core.film.grey_png import encode_grey_png
from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.overlay import HEART_COLOUR, LUNG_COLOUR, THORAX_COLOUR
from cxr_core.reading.report.colormap import OPACITY, OPAQUE_AT, RAMP
from cxr_core.reading.results import Attribution

HERE = Path(__file__).parent
# Concatenated into one JavaScript module, in this order.
SCRIPTS = (
    "geometry.js",
    "heatmap.js",
    "picture.js",
    "handles.js",
    "calipers.js",
    "measures.js",
    "marking.js",
    "lens.js",
    "link.js",
    "keys.js",
    "menus.js",
    "controls.js",
    "viewer.js",
)
# Larger films are shrunk for the screen; points and heatmaps stay in the film's own pixels.
LONGEST_SIDE_PX = 2048

_mount_component = st.components.v2.component(
    "silhouette.film_viewer",
    html=(HERE / "viewer.html").read_text(encoding="utf-8"),
    css=(HERE / "viewer.css").read_text(encoding="utf-8"),
    js="\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
)


@dataclass(frozen=True, kw_only=True)
class ViewerFilm:
    """The film in the viewer. id: tells it from others.  picture: of `encode_picture`.  shape: (H, W) of the film.

    spacing: millimetres from row to row and from column to column, and where they hold, as a phrase for people ("at
    the detector"); None where lengths are in pixels.  mirrored: whether the patient's left is not on the right, as it
    usually is; the ends of the diameters are then named by the picture's sides.
    """

    id: str
    picture: str
    shape: tuple[int, int]
    is_drawing: bool = False
    spacing: tuple[float, float, str] | None = None
    mirrored: bool = False


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One heatmap of the viewer. key: tells it from others.  label and note: for people."""

    key: str
    label: str
    note: str
    attribution: Attribution


@dataclass(frozen=True, kw_only=True)
class Calipers:
    """The contours and both diameters on the film. Points are (x, y) in film pixels.

    outlines: (P, 2) of each structure.  measured: False when the diameters are only suggested as a start for a
    measurement by hand.  edited: whether the reader moved an endpoint.  offered: whether suggested endpoints are shown
    at once.  echo: the serial of the last endpoints that came from the viewer.
    """

    outlines: Mapping[str, np.ndarray]
    heart: Line
    thorax: Line
    measured: bool
    edited: bool = False
    offered: bool = False
    echo: int = 0


@dataclass(frozen=True, kw_only=True)
class Marking:
    """Boxes and points that the reader draws for one finding. label: the finding, for people.

    marks: (left, top, width, height) in fractions of the film, a point without width and height.  keys: of the page
    around the viewer, by title, each with its meaning; they stand in the viewer's list too.  on_change: called before
    the run that follows a mark that was drawn or removed; `session.sent_mark` then has it.
    """

    label: str
    marks: Sequence[tuple[float, float, float, float]] = ()
    keys: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    on_change: Callable[[], None] | None = None


def encode_picture(film: Radiograph) -> str:
    """A film as a base64 PNG: 8-bit grey, at most LONGEST_SIDE_PX on a side."""
    pixels = film.pixels
    shrink = LONGEST_SIDE_PX / max(film.shape)
    if shrink < 1:
        height, width = (max(1, round(side * shrink)) for side in film.shape)
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    grey = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
    return base64.b64encode(encode_grey_png(grey)).decode("ascii")


def show_viewer(  # noqa: PLR0913 - what a page can say about the film, and hear of it
    film: ViewerFilm,
    layers: Sequence[Layer] = (),
    *,
    first_layer: str | None = None,
    methods: Mapping[str, str],
    marking: Marking | None = None,
    calipers: Calipers | None = None,
    on_ends: Callable[[], None] = lambda: None,
    on_adjust: Callable[[], None] | None = None,
    link: str | None = None,
    key: str,
) -> None:
    """Mount the viewer.

    first_layer: key of the heatmap that a film starts with.  methods: key -> label of the heatmap methods offered; the
    chosen one is `session.chosen_method` in the next run.  marking: None where nothing is marked.
    calipers: None where no model segments heart and lungs.
    on_ends: called before the run that follows a move of an endpoint; `session.moved_ends` then has the endpoints.
    on_adjust: called before the run that follows a request to correct the film and read it again;
    `session.requested_adjustment` then has it. None: this is not offered.  link: viewers with the same link show the
    same part of their films with the same window and level.
    """
    height, width = film.shape
    _mount_component(
        key=key,
        data={
            "film": {
                "id": film.id,
                "rows": height,
                "columns": width,
                "png": film.picture,
                "isDrawing": film.is_drawing,
                "spacing": film.spacing and _spacing_to_json(*film.spacing),
            },
            "layers": [_layer_to_json(layer) for layer in layers],
            "first": first_layer,
            "methods": dict(methods),
            "colours": {"stops": RAMP, "opaqueAt": OPAQUE_AT, "opacity": OPACITY},
            "calipers": calipers and _calipers_to_json(calipers, film),
            "marking": marking and _marking_to_json(marking),
            "canAdjust": on_adjust is not None,
            "link": link,
        },
        default={"method": None, "ends": None},
        on_method_change=lambda: None,
        on_ends_change=on_ends,
        on_adjust_change=on_adjust or (lambda: None),
        on_mark_change=(marking and marking.on_change) or (lambda: None),
    )


def _marking_to_json(marking: Marking) -> dict[str, object]:
    return {
        "label": marking.label,
        "marks": [[round(side, 5) for side in mark] for mark in marking.marks],
        "canDraw": marking.on_change is not None,
        "keys": {title: [list(row) for row in rows] for title, rows in marking.keys.items()},
    }


def _spacing_to_json(row: float, column: float, source: str) -> dict[str, object]:
    return {"row": row, "column": column, "source": source}


def _calipers_to_json(calipers: Calipers, film: ViewerFilm) -> dict[str, object]:
    colours = {"heart": HEART_COLOUR, "thorax": THORAX_COLOUR, "lung": LUNG_COLOUR}
    return {
        "film": film.id,
        "mirrored": film.mirrored,
        "outlines": {name: points.round(1).tolist() for name, points in calipers.outlines.items()},
        "heart": calipers.heart,
        "thorax": calipers.thorax,
        "measured": calipers.measured,
        "edited": calipers.edited,
        "offered": calipers.offered,
        "echo": calipers.echo,
        "colours": {name: f"rgb{colour}" for name, colour in colours.items()},
    }


def _layer_to_json(layer: Layer) -> dict[str, object]:
    attribution = layer.attribution
    rows, columns = attribution.cells.shape
    return {
        "key": layer.key,
        "label": layer.label,
        "note": layer.note,
        "unit": attribution.unit,
        "method": attribution.method,
        "scale": float(attribution.scale),
        "rows": rows,
        "columns": columns,
        "cells": [round(float(cell), 5) for cell in attribution.cells.ravel()],
        "side": attribution.placement.side,
        "placementScale": list(attribution.placement.scale),
        "placementOffset": list(attribution.placement.offset),
    }
