"""The one film viewer: pan, zoom, window and level, invert, heatmaps and calipers in the browser, without a rerun.

What crosses to the browser is JSON: the film as a base64 PNG of 8 bits, and each map as its model's own coarse cells
with the placement of those cells on the film. The browser interpolates and colours them on an absolute scale, so the
same evidence has the same colour on every film.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st

from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.overlay import HEART_COLOUR, LUNG_COLOUR, THORAX_COLOUR
from cxr_core.reading.report.colormap import OPACITY, OPAQUE_AT, RAMP
from cxr_core.reading.results import Attribution

HERE = Path(__file__).parent
SCRIPTS = (
    "geometry.js",
    "heat.js",
    "picture.js",
    "calipers.js",
    "controls.js",
    "viewer.js",
)  # one module, in this order
LONGEST_SIDE_PX = (
    2048  # more is shrunk for the screen; points and maps stay in the film's own pixels
)

_mount = st.components.v2.component(
    "silhouette.film_viewer",
    html=(HERE / "viewer.html").read_text(encoding="utf-8"),
    css=(HERE / "viewer.css").read_text(encoding="utf-8"),
    js="\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One heatmap of the viewer. key tells it from the others; label and note are what people read."""

    key: str
    label: str
    note: str
    evidence: Attribution


@dataclass(frozen=True, kw_only=True)
class Calipers:
    """What was outlined and measured on the film, or where a hand may begin. Points are (x, y) in film pixels.

    outlines: (P, 2) of each structure.  placed: whether the ends were measured, not only suggested.  edited: by hand.
    offered: whether suggested ends are shown at once.  echo: the serial of the last ends that came from the viewer.
    """

    outlines: Mapping[str, np.ndarray]
    heart: Line
    thorax: Line
    placed: bool
    edited: bool = False
    offered: bool = False
    echo: int = 0


def picture_of(film: Radiograph) -> str:
    """A film as a base64 PNG: 8-bit grey, at most LONGEST_SIDE_PX on a side."""
    pixels = film.pixels
    shrink = LONGEST_SIDE_PX / max(film.shape)
    if shrink < 1:
        height, width = (max(1, round(side * shrink)) for side in film.shape)
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    grey = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
    # Little compression: the browser is on the same machine, and a reader is waiting.
    _, png = cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 2])
    return base64.b64encode(png.tobytes()).decode("ascii")


def show_film(
    *,
    film: Radiograph,
    film_id: str,
    picture: str,
    layers: Sequence[Layer] = (),
    first: str | None = None,
    methods: Mapping[str, str],
    drawn: bool = False,
    calipers: Calipers | None = None,
    on_ends: Callable[[], None] = lambda: None,
    key: str,
) -> None:
    """Mount the viewer. The method chosen in it is `session.chosen_method` in the run that follows.

    calipers: None where nothing outlines heart and lungs.  on_ends: called ahead of the run that follows a move of an
    end; `session.moved_ends` then has the ends.

    film: its shape alone is used.  picture: of `picture_of`.  first: key of the layer that a
    film starts with.  methods: key -> label, the choices offered.
    """
    height, width = film.shape
    _mount(
        key=key,
        data={
            "film": {
                "id": film_id,
                "rows": height,
                "columns": width,
                "png": picture,
                "drawn": drawn,
            },
            "layers": [_as_json(layer) for layer in layers],
            "first": first,
            "methods": dict(methods),
            "colours": {"stops": RAMP, "opaqueAt": OPAQUE_AT, "opacity": OPACITY},
            "calipers": calipers and _calipers_as_json(calipers, film_id),
        },
        default={"method": None, "ends": None},
        on_method_change=lambda: None,
        on_ends_change=on_ends,
    )


def _calipers_as_json(calipers: Calipers, film_id: str) -> dict[str, Any]:
    colours = {"heart": HEART_COLOUR, "thorax": THORAX_COLOUR, "lung": LUNG_COLOUR}
    return {
        "film": film_id,
        "outlines": {name: points.round(1).tolist() for name, points in calipers.outlines.items()},
        "heart": calipers.heart,
        "thorax": calipers.thorax,
        "placed": calipers.placed,
        "edited": calipers.edited,
        "offered": calipers.offered,
        "echo": calipers.echo,
        "colours": {name: f"rgb{colour}" for name, colour in colours.items()},
    }


def _as_json(layer: Layer) -> dict[str, Any]:
    evidence = layer.evidence
    rows, columns = evidence.cells.shape
    return {
        "key": layer.key,
        "label": layer.label,
        "note": layer.note,
        "unit": evidence.unit,
        "method": evidence.method,
        "scale": float(evidence.scale),
        "rows": rows,
        "columns": columns,
        "cells": [round(float(cell), 5) for cell in evidence.cells.ravel()],
        "side": evidence.placement.side,
        "placementScale": list(evidence.placement.scale),
        "placementOffset": list(evidence.placement.offset),
    }
