"""Changes of a film that should not change its reading: another file format, size, exposure or a small rotation."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.radiograph import Radiograph

FilmChange = Callable[[Radiograph], Radiograph]


def _encode_and_decode(film: Radiograph, suffix: str, levels: int, *options: int) -> Radiograph:
    """The film after it was saved in a file format and opened again. levels: the highest grey value."""
    dtype = np.uint8 if levels < 256 else np.uint16
    encoded, data = cv2.imencode(suffix, np.rint(film.pixels * levels).astype(dtype), list(options))
    assert encoded, "OpenCV encodes every grey image"
    return replace(
        decode_film(data.tobytes()), age_years=film.age_years, view=film.view, sex=film.sex
    )


def _resize(film: Radiograph, longer_side: int) -> Radiograph:
    height, width = film.shape
    scale = longer_side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(film.pixels, size, interpolation=interpolation)
    return replace(_replace_pixels(film, resized), spacing_mm=None)


def _rotate(film: Radiograph, degrees: float) -> Radiograph:
    height, width = film.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    rotated = cv2.warpAffine(film.pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return _replace_pixels(film, rotated)


def _scale_contrast(film: Radiograph, factor: float) -> Radiograph:
    mean = float(film.pixels.mean())
    return _replace_pixels(film, (film.pixels - mean) * factor + mean)


def _replace_pixels(film: Radiograph, pixels: np.ndarray) -> Radiograph:
    """The same film with other pixels, clipped to [0, 1]."""
    return replace(film, pixels=np.ascontiguousarray(np.clip(pixels, 0, 1), dtype=np.float32))


def _save_as_jpeg(film: Radiograph) -> Radiograph:
    return _encode_and_decode(film, ".jpg", 255, cv2.IMWRITE_JPEG_QUALITY, 90)


def copy_film(film: Radiograph, longer_side: int, file_format: str) -> Radiograph:
    """The film in another size, saved as PNG or as JPEG of quality 75 and opened again. file_format: PNG or JPEG."""
    resized = _resize(film, longer_side)
    if file_format == "PNG":
        return _encode_and_decode(resized, ".png", 255)
    return _encode_and_decode(resized, ".jpg", 255, cv2.IMWRITE_JPEG_QUALITY, 75)


FILM_CHANGES: dict[str, FilmChange] = {
    "JPEG of quality 90": _save_as_jpeg,
    "PNG of 16 bits": lambda film: _encode_and_decode(film, ".png", 65535),
    "224 px": lambda film: _resize(film, 224),
    "512 px": lambda film: _resize(film, 512),
    "2,000 px": lambda film: _resize(film, 2000),
    "10 % brighter": lambda film: _replace_pixels(film, film.pixels + 0.1),
    "10 % darker": lambda film: _replace_pixels(film, film.pixels - 0.1),
    "10 % more contrast": lambda film: _scale_contrast(film, 1.1),
    "10 % less contrast": lambda film: _scale_contrast(film, 0.9),
    "turned by 3 degrees": lambda film: _rotate(film, 3.0),
    "turned by -3 degrees": lambda film: _rotate(film, -3.0),
}
