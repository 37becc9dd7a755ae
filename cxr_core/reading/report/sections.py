"""Pieces that sections of the HTML report share: a table of facts, and pictures held in the page itself."""

import base64
from collections.abc import Mapping

import cv2
import numpy as np

from cxr_core.presentation.html import element, text

LONGEST_SIDE_PX = 1024  # of a picture in the report; more would only make the file heavy


def facts_table(facts: Mapping[str, str]) -> str:
    """Names and values, one pair in a row."""
    rows = (
        f"<tr>{element('th', name)}{element('td', value)}</tr>" for name, value in facts.items()
    )
    return f'<table class="facts"><tbody>{"".join(rows)}</tbody></table>'


def picture(pixels: np.ndarray, alternative: str, kind: str = "film") -> str:
    """An image of (H, W) grey or (H, W, 3) sRGB uint8 pixels, held in the page itself."""
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, png = cv2.imencode(".png", ordered)
    data = base64.b64encode(png.tobytes()).decode("ascii")
    return f'<img class="{kind}" alt="{text(alternative)}" src="data:image/png;base64,{data}">'


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """A film's (H, W) pixels with at most LONGEST_SIDE_PX on a side."""
    return resized(pixels) if max(pixels.shape) > LONGEST_SIDE_PX else pixels


def resized(pixels: np.ndarray) -> np.ndarray:
    """A film's (H, W) pixels with LONGEST_SIDE_PX on the longer side, whether that shrinks or enlarges it."""
    scale = LONGEST_SIDE_PX / max(pixels.shape)
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=method)
