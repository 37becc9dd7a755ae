"""Recognises by its shape a word of projection or posture that devices write on films, such as PORTABLE.

Such words name nobody. A line of text is compared with each word, drawn in two sans-serif faces and several widths,
by normalised cross-correlation (Lewis 1995, Fast Normalized Cross-Correlation). Letters of five pixels are enough: on
the NIH films at 256 px, 44 of 52 lines of such words reach the limit, and 2 of 143 drawn names, dates and numbers do.
"""

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np

WORDS = (
    "PORTABLE",
    "SUPINE",
    "ERECT",
    "UPRIGHT",
    "SEMI-ERECT",
    "SEMIERECT",
    "SEMI-UPRIGHT",
    "STANDING",
    "SITTING",
    "PRONE",
    "RIGHT",
    "LATERAL",
    "DECUBITUS",
    "RECUMBENT",
    "INSPIRATION",
    "EXPIRATION",
    "BEDSIDE",
    "STRETCHER",
    "WHEELCHAIR",
)
FACES = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_SIMPLEX)
# A device's letters may be this much narrower or wider than the drawn ones.
WIDTHS = (0.72, 0.82, 0.93, 1.06)
# Height of the letters, in pixels, at which a line and a word are compared.
HEIGHT_PX = 10
# The height of small letters is known to a pixel only.
HEIGHTS = (0.86, 1.0, 1.16)
# A line may hold AP or PA beside the word, which is then at least this share of it, or may lack the word's first or
# last letter or two, this many times its height.
WORD_SHARE = 0.6
LACKING = 2.0
# Correlation from which on a line shows the word.
ALIKE = 0.58
# No line of one word is as many times as long as high.
MAX_LENGTH = 13.0


def is_annotation(picture: np.ndarray, height: int, length: int) -> bool:
    """Whether a line of text consists of one of the words, bright on dark or dark on bright.

    picture: (H, W) uint8, the line as it is read, with a margin.  height, length: of its letters, in pixels.
    """
    return length <= MAX_LENGTH * height and correlate_with_words(picture, height, length) >= ALIKE


def correlate_with_words(picture: np.ndarray, height: int, length: int) -> float:
    """The highest correlation of a line with a word of about its length, in [0, 1]; arguments as above."""
    best = 0.0
    for factor in HEIGHTS:
        scale = HEIGHT_PX / (height * factor)
        line = _resize(picture, scale)
        for word in _words_at(min(HEIGHT_PX, round(height * factor))):
            rows, columns = word.shape
            lacks = columns - length * scale
            fits = rows <= line.shape[0] and columns <= line.shape[1]
            if fits and columns >= WORD_SHARE * length * scale and lacks <= LACKING * HEIGHT_PX:
                correlation = cv2.matchTemplate(line, word, cv2.TM_CCOEFF_NORMED)
                best = max(best, float(np.abs(correlation).max()))
    return best


@cache
def _words_at(letter_height: int) -> tuple[np.ndarray, ...]:
    """Each word, face and width, HEIGHT_PX high, as blurred as letters of `letter_height` pixels are."""
    return tuple(
        _blur(_resize(word, HEIGHT_PX / word.shape[0], width), letter_height)
        for word in _draw_words()
        for width in WIDTHS
    )


def _draw_words() -> Iterator[np.ndarray]:
    """Each word in each face, about 40 px high, cropped to its letters."""
    for text in WORDS:
        for face in FACES:
            (width, height), _ = cv2.getTextSize(text, face, 2.0, 2)
            canvas = np.zeros((height + 60, width + 60), np.uint8)
            cv2.putText(canvas, text, (30, height + 20), face, 2.0, 255, 2, cv2.LINE_AA)
            column, row, width, height = cv2.boundingRect(canvas)
            yield canvas[row : row + height, column : column + width]


def _blur(word: np.ndarray, letter_height: int) -> np.ndarray:
    small = _resize(word, letter_height / HEIGHT_PX)
    return cv2.resize(small, word.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _resize(picture: np.ndarray, scale: float, width: float = 1.0) -> np.ndarray:
    """The picture in another size. width: factor on its width, beyond the scale."""
    rows, columns = picture.shape
    size = (max(1, round(columns * scale * width)), max(1, round(rows * scale)))
    return cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
