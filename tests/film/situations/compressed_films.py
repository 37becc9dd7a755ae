"""Films with compressed pixels, from the drawn chest, for the chapters on codecs and damage."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from tests.film.codestreams import (
    encode_jpeg_2000,
    encode_jpeg_lossless,
    encode_jpeg_ls,
)
from tests.film.corpus import base_values
from tests.film.dicom_files import write_dicom

AS_IT_IS = "It is read as it is."
AS_NATIVE = "It is read as the same cells without compression are."
# Name, transfer syntax and encoder of the codecs that keep every bit.
LOSSLESS: tuple[tuple[str, UID, Callable[[np.ndarray, int], bytes]], ...] = (
    ("JPEG 2000", JPEG2000Lossless, encode_jpeg_2000),
    ("JPEG-LS", JPEGLSLossless, encode_jpeg_ls),
    ("JPEG lossless", JPEGLosslessSV1, encode_jpeg_lossless),
)
TWELVE_OF_SIXTEEN: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 12}


def compressed(stream: bytes, syntax: UID, channels: int = 1, **tags: Any) -> bytes:
    """A film around a codestream. tags: TWELVE_OF_SIXTEEN and others, set last."""
    shape = base_values().shape if channels == 1 else (*base_values().shape, channels)
    return write_dicom(np.zeros(shape, np.uint8), syntax, stream=stream, **tags)


def scaled(values: np.ndarray, bits: int) -> np.ndarray:
    """Stored values as pixels: (H, W) float64 in [0, 1]."""
    pixels: np.ndarray = values / ((1 << bits) - 1)
    return pixels


def grey_jpeg(values: np.ndarray, mode: str = "L", quality: int = 95) -> bytes:
    """A baseline JPEG as Pillow writes it. values: (H, W) uint8."""
    buffer = BytesIO()
    Image.fromarray(values).convert(mode).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def opened(stream: bytes) -> np.ndarray:
    """The picture that Pillow reads, as grey pixels in [0, 1]."""
    return np.asarray(Image.open(BytesIO(stream)).convert("L")) / 255


def eight_bits() -> np.ndarray:
    """The drawn chest of 8 bits, as an encoder that was given 8 of the 12 stores it."""
    return (base_values() >> 4).astype(np.uint8)
