"""Decodes a JPEG to a film, after walking its markers before a decoder sees the file (ITU-T T.81, annex B).

The decoder gets a file rebuilt from the segments that carry pixels; EXIF, profiles, thumbnails and comments are left
out, after the orientation has been read.
"""

from dataclasses import dataclass, field

import numpy as np
import simplejpeg

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.jpeg_scans import ScanCoverage, is_torn
from cxr_core.film.decoding.raster import apply_orientation, read_exif_orientation, to_pixels
from cxr_core.film.limits import require_pixels
from cxr_core.film.radiograph import Radiograph

SIGNATURE = b"\xff\xd8\xff"

# Markers, T.81 table B.1.
EOI, SOS = 0xD9, 0xDA
DHT, JPG, DAC = 0xC4, 0xC8, 0xCC
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
JPEG_LS_FRAME = 0xF7  # T.87, C.2.2; occurs in DICOM only
# Sequential, progressive and lossless, with Huffman codes.
HUFFMAN_CODED = (0xC0, 0xC1, 0xC2, 0xC3)
LOSSLESS_FRAME = 0xC3
FRAMES = (frozenset(range(0xC0, 0xD0)) - {DHT, JPG, DAC}) | {JPEG_LS_FRAME}
# Tables, frame, scan and restart interval: T.81 B.2; Adobe's APP14 says how colours were transformed.
CARRIES_PIXELS = FRAMES | {DHT, DAC, SOS, 0xDB, 0xDD, APP0, APP14}

# Blocks that all scans decode together. A picture of MAX_SAMPLES in the ten scans that libjpeg makes has 13 million.
MAX_BLOCKS_OF_SCANS = 32_000_000

TORN = "torn_picture"  # a code of film/irregularities.py
COLOUR_SPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}  # by the number of components
# Adobe's marker of a file whose colours were not transformed (T.872, 6.5.3).
ADOBE_UNTRANSFORMED = bytes([0xFF, APP14, 0, 14]) + b"Adobe\x00\x64\x00\x00\x00\x00\x00"

DAMAGED = "This JPEG is damaged or cut short: {}. Export or copy the film again."


@dataclass(kw_only=True)
class Markers:
    """The facts that a JPEG's markers give.

    frame: the marker of the frame, such as 0xC0.  precision: bits per sample.  orientation: of EXIF, 1 to 8.
    adobe: whether Adobe's marker is there; transform: the colour transform that it names.  jfif: whether JFIF's is.
    identifiers, sampling: of the components, one byte each (T.81 B.2.2).  scans: what the scans hold.
    kept: the file in pieces, without the segments that carry no pixels.
    """

    frame: int = 0
    width: int = 0
    height: int = 0
    precision: int = 0
    components: int = 0
    orientation: int = 1
    adobe: bool = False
    transform: int | None = None
    jfif: bool = False
    identifiers: bytes = b""
    sampling: bytes = b""
    scans: ScanCoverage = field(default_factory=ScanCoverage)
    kept: list[bytes] = field(default_factory=list)

    @property
    def unit(self) -> tuple[int, int]:
        """Height and width of the minimum coded unit in pixels (T.81 A.2.4)."""
        if self.components == 1:
            return 8, 8
        tallest = max(byte & 15 for byte in self.sampling)
        widest = max(byte >> 4 for byte in self.sampling)
        return 8 * tallest, 8 * widest

    def count_blocks(self) -> dict[int, int]:
        """The blocks of 64 samples that each component has at least, by its identifier."""
        height, width = self.unit
        units = self.width * self.height // (height * width)
        if self.components == 1:
            return {self.identifiers[0]: units}
        counts = [units * (byte >> 4) * (byte & 15) for byte in self.sampling]
        return dict(zip(self.identifiers, counts, strict=True))


def decode_jpeg(data: bytes) -> Radiograph:
    """One JPEG as a film. Raises UndecodableFilm or OversizedFilm; a file that is cut short is never read in part."""
    markers = read_markers(data)
    if markers.frame not in HUFFMAN_CODED:
        # An arithmetic decoder takes whatever is missing for zeros, as it should (T.81 D.1.8).
        raise UndecodableFilm(
            "This JPEG is of a kind that is not in use (arithmetic or hierarchical coding, or JPEG-LS). "
            "Export the film as an ordinary JPEG, as PNG or as DICOM."
        )
    if markers.precision != 8 or markers.components not in COLOUR_SPACES:
        raise UndecodableFilm(
            f"This JPEG has {markers.components} channels of {markers.precision} bits; grey, RGB or CMYK of 8 bits "
            "is read. Export the film as PNG or DICOM."
        )
    samples = decode_samples(b"".join(markers.kept), markers.components)
    if samples.ndim == 3 and samples.shape[2] == 4:
        samples = cmyk_to_rgb(samples, inverted=markers.adobe)
    grey = to_pixels(samples, 255)
    torn = (TORN,) if is_torn(samples, markers.unit) else ()
    return Radiograph(
        pixels=apply_orientation(grey.pixels, markers.orientation),
        container="jpeg",
        bits=8,
        colour=grey.colour,
        irregularities=grey.irregularities + torn,
    )


def read_markers(data: bytes) -> Markers:
    """Walk the markers from SOI to EOI. Raises UndecodableFilm when one is missing or other data follows the last."""
    markers = Markers(kept=[data[:2]])
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
        _read_segment(markers, marker, data[at + 4 : end])
        if marker == SOS:
            after = int(np.searchsorted(stops, end))
            if after == len(stops):
                raise UndecodableFilm(DAMAGED.format("it ends inside its pixels"))
            end = int(stops[after])
        if marker in CARRIES_PIXELS:
            markers.kept.append(data[at:end])
        at = end
    markers.kept.append(data[at : at + 2])
    _require_end(data[at + 2 :])
    _require_frame_and_scans(markers)
    _limit_work(markers, len(data))
    return markers


def _require_frame_and_scans(markers: Markers) -> None:
    if markers.components == 0:
        raise UndecodableFilm(DAMAGED.format("its frame header is missing"))
    if not markers.scans.is_complete(markers.frame, markers.identifiers):
        # libjpeg fills in what a missing scan would hold, without a warning.
        raise UndecodableFilm(DAMAGED.format("some of its scans are missing"))


def _limit_work(markers: Markers, size: int) -> None:
    """Refuse a JPEG that takes longer to decode than its picture explains. size: bytes of the file.

    A Huffman code has one bit at least, so the file has one for each block, or each sample where it is lossless; the
    decoder would make up those that are missing. Any number of scans, of a few bytes each, may refine a picture.
    """
    blocks = markers.count_blocks()
    codes = sum(blocks.values()) * (64 if markers.frame == LOSSLESS_FRAME else 1)
    if markers.frame in HUFFMAN_CODED and 8 * size < codes:
        raise UndecodableFilm(DAMAGED.format("its pixels break off in the middle"))
    scans = markers.scans.scans
    if sum(count * scans.get(name, 0) for name, count in blocks.items()) > MAX_BLOCKS_OF_SCANS:
        raise UndecodableFilm(
            "This JPEG refines its picture in more scans than any picture needs. Export the film again."
        )


def _marker_positions(data: bytes) -> np.ndarray:
    """Where 0xFF begins a marker that ends a scan: not stuffing, a restart or a fill byte (T.81 B.1.1.5).

    Every marker in use is 0xC0 or above; JPEG-LS stuffs 0xFF with anything below 0x80 (T.87, A.1).
    """
    octets = np.frombuffer(data, np.uint8)
    first = np.flatnonzero(octets[:-1] == 0xFF)
    second = octets[first + 1]
    positions: np.ndarray = first[
        (second >= 0xC0) & (second != 0xFF) & ((second < 0xD0) | (second > 0xD7))
    ]
    return positions


def _read_segment(markers: Markers, marker: int, body: bytes) -> None:
    """Add to the markers what one segment says."""
    if marker in FRAMES and len(body) >= 6:
        if markers.components:
            raise UndecodableFilm(DAMAGED.format("it holds two frames"))
        markers.frame, markers.precision, markers.components = marker, body[0], body[5]
        markers.identifiers = body[6 : 6 + 3 * body[5] : 3]
        markers.sampling = body[7 : 7 + 3 * body[5] : 3]
        if len(body) < 6 + 3 * body[5] or not all(
            1 <= byte >> 4 <= 4 and 1 <= byte & 15 <= 4 for byte in markers.sampling
        ):
            raise UndecodableFilm(DAMAGED.format("its frame header is damaged"))
        markers.height, markers.width = (
            int.from_bytes(body[1:3], "big"),
            int.from_bytes(body[3:5], "big"),
        )
        require_pixels(markers.width, markers.height, markers.components)
    elif marker == APP1 and body.startswith(b"Exif\x00\x00") and markers.orientation == 1:
        markers.orientation = read_exif_orientation(body[6:])
    elif marker == APP2 and body.startswith(b"MPF\x00"):
        raise UndecodableFilm(
            "This JPEG holds several pictures (MPO); a chest film is one. Export a single image."
        )
    elif marker == APP14 and body.startswith(b"Adobe"):
        markers.adobe = True
        markers.transform = body[11] if len(body) > 11 else None
    elif marker == APP0 and body.startswith(b"JFIF\x00"):
        markers.jfif = True
    elif marker == SOS:
        markers.scans.add(body)


def _require_end(rest: bytes) -> None:
    """After the last marker only padding may follow (some archives fill up to whole blocks)."""
    extra = rest.strip(b"\x00\xff\r\n ")
    if extra:
        # A page, an archive or a second picture may hide there; no film needs it.
        raise UndecodableFilm(
            f"This JPEG is followed by {len(rest)} bytes of something else. Export the film again as a plain JPEG."
        )


def decode_samples(data: bytes, components: int) -> np.ndarray:
    """The samples of a JPEG with checked markers: (H, W) grey, (H, W, 3) RGB or (H, W, 4) CMYK as stored, uint8.

    libjpeg-turbo with `strict` refuses what libjpeg otherwise only warns of: a stream that ends too early, bytes that
    belong to no scan, impossible codes. Raises UndecodableFilm.
    """
    try:
        samples: np.ndarray = simplejpeg.decode_jpeg(data, COLOUR_SPACES[components], strict=True)
    except ValueError as error:
        # The text of the error is for programmers, not for readers.
        if "premature end" in str(error).lower():
            raise UndecodableFilm(DAMAGED.format("its pixels break off in the middle")) from None
        raise UndecodableFilm(DAMAGED.format("its pixels cannot be decoded")) from None
    return samples[..., 0] if components == 1 else samples


def require_sound_scans(markers: Markers) -> None:
    """Refuse a JPEG of any frame and precision, as DICOM holds them, whose entropy-coded data are damaged.

    Other decoders fill up what is missing without a word. libjpeg-turbo does not, and its entropy decoder works alike
    for every precision (T.81 F.2.2 and H.2), so it gets the stream labelled as one of 8 bits; the samples it returns
    mean nothing and are dropped. Raises UndecodableFilm.
    """
    pieces = [markers.kept[0], ADOBE_UNTRANSFORMED]
    for piece in markers.kept[1:]:
        if piece[1] in (APP0, APP14):
            continue
        if piece[1] in FRAMES:
            piece = piece[:4] + b"\x08" + piece[5:]
        pieces.append(piece)
    decode_samples(b"".join(pieces), markers.components)


def cmyk_to_rgb(cmyk: np.ndarray, *, inverted: bool) -> np.ndarray:
    """Ink to light: R = (1 - C)(1 - K). cmyk: (H, W, 4) uint8 as stored; inverted: 0 is full ink (Adobe)."""
    light = cmyk if inverted else 255 - cmyk
    product = light[..., :3].astype(np.uint16) * light[..., 3:]
    rgb: np.ndarray = ((product + 127) // 255).astype(np.uint8)
    return rgb
