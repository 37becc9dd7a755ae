"""JPEG to samples: the markers are walked before a decoder sees the file (ITU-T T.81, annex B).

The decoder gets a file rebuilt from the segments that carry pixels; EXIF, profiles, thumbnails and comments are left
behind, after the orientation has been read.
"""

import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.raster import exif_orientation, to_pixels, upright
from cxr_core.film.limits import require_pixels
from cxr_core.film.radiograph import Radiograph

SIGNATURE = b"\xff\xd8\xff"

SOI, EOI, SOS, DHT, JPG, DAC, APP0, APP1, APP2, APP14 = (
    0xD8,
    0xD9,
    0xDA,
    0xC4,
    0xC8,
    0xCC,
    0xE0,
    0xE1,
    0xE2,
    0xEE,
)
JPEG_LS_FRAME = 0xF7  # T.87, C.2.2; met in DICOM only
FRAMES = (frozenset(range(0xC0, 0xD0)) - {DHT, JPG, DAC}) | {JPEG_LS_FRAME}
# Tables, frame, scan and restart interval: T.81 B.2; Adobe's APP14 says how colours were transformed.
CARRIES_PIXELS = FRAMES | {DHT, DAC, SOS, 0xDB, 0xDD, APP0, APP14}

DAMAGED = "This JPEG is damaged or cut short: {}. Export or copy the film again."


@dataclass(kw_only=True)
class Markers:
    """What the walk over the markers found."""

    width: int = 0
    height: int = 0
    precision: int = 0  # bits per sample
    components: int = 0
    orientation: int = 1
    adobe: bool = False
    unit: tuple[int, int] = (8, 8)  # (rows, columns) of pixels that are coded together, T.81 A.2
    kept: list[bytes] = field(default_factory=list)  # the file, less what carries no pixels


def decode_jpeg(data: bytes) -> Radiograph:
    """One JPEG as a film. Raises UndecodableFilm or OversizedFilm; a file that is cut short is never half read."""
    markers = walk(data)
    if markers.precision != 8 or markers.components not in (1, 3, 4):
        raise UndecodableFilm(
            f"This JPEG has {markers.components} channels of {markers.precision} bits; grey, RGB or CMYK of 8 bits "
            "is read. Export the film as PNG or DICOM."
        )
    samples = _samples(b"".join(markers.kept))
    if _breaks_off(samples, markers.unit):
        raise UndecodableFilm(DAMAGED.format("its pixels break off in the middle"))
    if samples.ndim == 3 and samples.shape[2] == 4:
        samples = _cmyk_to_rgb(samples, markers.adobe)
    pixels, colour = to_pixels(samples, 255)
    return Radiograph(
        pixels=upright(pixels, markers.orientation), container="jpeg", bits=8, colour=colour
    )


def walk(data: bytes) -> Markers:
    """The markers from SOI to EOI. Raises UndecodableFilm when one is missing or something follows the last."""
    found = Markers(kept=[data[:2]])
    stops = _marker_positions(data)
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":  # fill bytes, T.81 B.1.1.2
            at += 1
        if at + 2 > len(data) or data[at] != 0xFF:
            raise UndecodableFilm(DAMAGED.format("a marker is missing"))
        marker = data[at + 1]
        if marker == EOI:
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise UndecodableFilm(DAMAGED.format("it ends inside a segment"))
        _note(found, marker, data[at + 4 : end])
        if marker == SOS:
            after = int(np.searchsorted(stops, end))
            if after == len(stops):
                raise UndecodableFilm(DAMAGED.format("it ends inside its pixels"))
            end = int(stops[after])
        if marker in CARRIES_PIXELS:
            found.kept.append(data[at:end])
        at = end
    found.kept.append(data[at : at + 2])
    _require_end(data[at + 2 :])
    if found.components == 0:
        raise UndecodableFilm(DAMAGED.format("its frame header is missing"))
    return found


def _marker_positions(data: bytes) -> np.ndarray:
    """Where 0xFF begins a marker that ends a scan: not stuffing, a restart or a fill byte (T.81 B.1.1.5).

    Every marker in use is 0xC0 or above; JPEG-LS stuffs 0xFF with anything below 0x80 (T.87, A.1).
    """
    octets = np.frombuffer(data, np.uint8)
    first = np.flatnonzero(octets[:-1] == 0xFF)
    second = octets[first + 1]
    return first[(second >= 0xC0) & (second != 0xFF) & ((second < 0xD0) | (second > 0xD7))]


def _note(found: Markers, marker: int, body: bytes) -> None:
    """Take down what one segment says."""
    if marker in FRAMES and len(body) >= 6:
        if found.components:
            raise UndecodableFilm(DAMAGED.format("it holds two frames"))
        found.precision, found.components = body[0], body[5]
        found.height, found.width = (
            int.from_bytes(body[1:3], "big"),
            int.from_bytes(body[3:5], "big"),
        )
        factors = body[7::3] if found.components > 1 else b"\x11"
        found.unit = (
            8 * max((byte & 15 for byte in factors), default=1),
            8 * max((byte >> 4 for byte in factors), default=1),
        )
        require_pixels(found.width, found.height)
    elif marker == APP1 and body.startswith(b"Exif\x00\x00") and found.orientation == 1:
        found.orientation = exif_orientation(body[6:])
    elif marker == APP2 and body.startswith(b"MPF\x00"):
        raise UndecodableFilm(
            "This JPEG holds several pictures (MPO); a chest film is one. Export a single image."
        )
    elif marker == APP14 and body.startswith(b"Adobe"):
        found.adobe = True


def _require_end(rest: bytes) -> None:
    """Behind the last marker only padding may follow (some archives fill up to whole blocks)."""
    extra = rest.strip(b"\x00\xff\r\n ")
    if extra:
        # Whatever hides behind a picture (a page, an archive, a second picture) is nothing a film needs.
        raise UndecodableFilm(
            f"This JPEG is followed by {len(rest)} bytes of something else. Export the film again as a plain JPEG."
        )


def _samples(data: bytes) -> np.ndarray:
    """(H, W) grey, (H, W, 3) RGB or (H, W, 4) CMYK uint8, CMYK as Pillow gives it: inverted, as Adobe writes it."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            picture.load()
            return np.asarray(picture)
    except (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError):
        # What libjpeg and Pillow raise for damaged streams; the text of it is for programmers, not for readers.
        raise UndecodableFilm(DAMAGED.format("its pixels cannot be decoded")) from None


def _breaks_off(samples: np.ndarray, unit: tuple[int, int]) -> bool:
    """Whether pixels are missing though the file ends properly, as when a broken copy was closed with an EOI.

    libjpeg fills the rest with units of exactly 128. A grey margin does the same, but in whole rows or columns: only
    a filling that begins in the middle of a row, below a row that is not filled, is one that breaks off. (One that
    breaks off just at a row's start passes for a margin, and a lost late scan of a progressive file is not seen.)
    """
    (height, width), (rows, columns) = (
        (size // edge for size, edge in zip(samples.shape, unit, strict=False)),
        unit,
    )
    if (
        samples[height * rows - 1 :: -rows, width * columns - 1] != 128
    ).all() or height * width == 0:
        return False
    whole = samples[: height * rows, : width * columns].reshape(height, rows, width, columns, -1)
    filled = (whole == 128).all(axis=(1, 3, 4))
    first = height * width - int(np.argmin(filled.ravel()[::-1])) if not filled.all() else 0
    row, column = divmod(first, width)
    return 0 < first < height * width and column > 0 and not (row > 0 and filled[row - 1, -1])


def _cmyk_to_rgb(cmyk: np.ndarray, adobe: bool) -> np.ndarray:
    """Ink to light: R = (1 - C)(1 - K). cmyk: (H, W, 4) uint8 of which Pillow has undone Adobe's inversion.

    Without Adobe's marker nothing was inverted, so Pillow's inversion is taken back.
    """
    light = cmyk if not adobe else 255 - cmyk
    product = light[..., :3].astype(np.uint16) * light[..., 3:]
    return ((product + 127) // 255).astype(np.uint8)
