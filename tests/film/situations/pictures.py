"""Situations: PNG, JPEG, WebP, TIFF and BMP."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image

from tests.film.bmp_files import GREY_PALETTE, encode_runs, pad_rows, write_bmp
from tests.film.corpus import Situation, base_pixels, base_values
from tests.film.tiff_files import write_tiff

HEADING = "PNG, JPEG, WebP, TIFF and BMP"

AS_IT_IS = "It is read as it is."
UPRIGHT = "It is read and set upright."
OVER_BLACK = "It is read over black, the background of a film."
TINTED = "It is read as grey and flagged."
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
BLUE_BASE = (0.75, 0.85, 1)  # how red, green and blue pass through the film's base

# Adam7, W3C PNG 8.1: first column, first row, column step, row step of each pass.
PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def grey() -> np.ndarray:
    """The drawn chest in 8 bits: (256, 224) uint8."""
    return np.rint(base_pixels() * 255).astype(np.uint8)


def grey_pixels() -> np.ndarray:
    return grey() / 255


def picture(mode: str = "L") -> Image.Image:
    return Image.fromarray(grey()).convert(mode)


def save(shown: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    shown.save(buffer, kind, **options)
    return buffer.getvalue()


def read_by_pillow(data: bytes) -> np.ndarray:
    """Luma of a picture as Pillow decodes it: (H, W) in [0, 1]."""
    with Image.open(io.BytesIO(data)) as opened:
        rgb: np.ndarray = np.asarray(opened.convert("RGB")) / 255 @ LUMA
    return rgb


def as_saved(kind: str, mode: str, **options: object) -> tuple[Callable[[], bytes], Callable]:
    """How to build a file with losses, and its pixels as Pillow decodes them."""

    def build() -> bytes:
        return save(picture(mode), kind, **options)

    return build, lambda: read_by_pillow(build())


def turned(orientation: int) -> tuple[Image.Image, Image.Exif]:
    """The chest as a camera stores it that was held otherwise, and the EXIF that says so (EXIF 2.32, tag 0x0112)."""
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture().transpose(turns[orientation]), exif


def save_turned(kind: str, orientation: int, **options: object) -> bytes:
    stored, exif = turned(orientation)
    return save(stored, kind, exif=exif, **options)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def write_png16(values: np.ndarray, stated_bits: int = 0) -> bytes:
    """A grey PNG of 16 bits; stated_bits: what its sBIT chunk says, 0 for none."""
    data = cv2.imencode(".png", values.astype(np.uint16))[1].tobytes()
    stated = png_chunk(b"sBIT", bytes([stated_bits])) if stated_bits else b""
    return data[:33] + stated + data[33:]  # behind the signature and IHDR


def write_interlaced_png() -> bytes:
    values = grey()
    lines = b""
    for left, top, across, down in PASSES:
        for row in values[top::down, left::across]:
            lines += b"\x00" + row.tobytes()
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 8, 0, 0, 0, 1)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")


def transparent_half() -> Image.Image:
    """The chest whose right third is transparent; what is stored there is white."""
    values = np.dstack([grey()] * 3)
    values[:, 150:] = 255
    shown = Image.fromarray(values)
    alpha = np.where(np.arange(values.shape[1]) < 150, 255, 0).astype(np.uint8)
    shown.putalpha(Image.fromarray(np.tile(alpha, (values.shape[0], 1))))
    return shown


def half_black() -> np.ndarray:
    pixels = grey_pixels().copy()
    pixels[:, 150:] = 0
    return pixels


def coloured_float(tint: Sequence[float]) -> np.ndarray:
    """The chest in a tint: (256, 224, 3) in [0, 1]."""
    return grey_pixels()[..., None] * np.array(tint)


def as_image(rgb: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8))


def uneven_light() -> np.ndarray:
    """The chest on a light box that is bluer in one corner."""
    rgb = coloured_float((0.8, 0.9, 1))
    rgb[..., 0] *= np.linspace(1, 0.92, rgb.shape[1])[None, :]
    return rgb


def with_letters() -> Image.Image:
    values = np.asarray(as_image(coloured_float(BLUE_BASE))).copy()
    cv2.putText(values, "R", (8, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
    return Image.fromarray(values)


def lettered_pixels() -> np.ndarray:
    """Luma of the same, by how much the tint lowered that of white; the letters become white."""
    luma = np.asarray(with_letters()) / 255 @ LUMA
    return np.clip(luma / np.dot(BLUE_BASE, LUMA), 0, 1)


def with_arrow(shown: Image.Image) -> Image.Image:
    values = np.asarray(shown.convert("RGB")).copy()
    cv2.arrowedLine(values, (150, 170), (120, 140), (255, 0, 0), 2, tipLength=0.3)
    return Image.fromarray(values)


def without_arrow() -> np.ndarray:
    """What is shown under and beside the arrow: luma of the picture as it was written."""
    shown: np.ndarray = np.asarray(with_arrow(picture())) / 255 @ LUMA
    return shown


def false_colours(scale: int) -> bytes:
    return save(Image.fromarray(cv2.applyColorMap(grey(), scale)[..., ::-1]), "PNG")


def many_colours() -> bytes:
    """A picture in colour: the chest whose hue changes over it."""
    hue = np.linspace(0, 179, grey().shape[1]).astype(np.uint8)
    hsv = np.dstack([np.tile(hue, (grey().shape[0], 1)), np.full_like(grey(), 150), grey()])
    return save(Image.fromarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)), "PNG")


def write_palette_tiff(step: int) -> bytes:
    """A TIFF whose palette turns the greys round; step: by which its entries were multiplied."""
    palette = np.tile(np.arange(256)[::-1] * step, 3)
    return write_tiff(255 - grey(), 8, photometric=3, tags={320: palette.tolist()})


def write_tiff_with_thumbnail() -> bytes:
    small = picture().resize((56, 64))
    small.encoderinfo = {"tiffinfo": {254: 1}}  # a reduced copy
    return save(picture(), "TIFF", save_all=True, append_images=[small])


def iso_file(brand: bytes) -> bytes:
    """The first bytes of an ISO base media file."""
    return struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, b"mif1") + bytes(200)


def read_as(name: str, build: Callable[[], bytes], answer: str = AS_IT_IS) -> Situation:
    """A situation that keeps every grey of 8 bits."""
    return Situation(name=name, build=build, answer=answer, expected=grey_pixels)


def read_12_bits(name: str, build: Callable[[], bytes]) -> Situation:
    return Situation(name=name, build=build, answer=AS_IT_IS, expected=base_pixels, tolerance=2e-5)


def read_lossy(name: str, kind: str, mode: str, **options: object) -> Situation:
    build, expected = as_saved(kind, mode, **options)
    answer = "It is read, with the losses that it has."
    return Situation(name=name, build=build, answer=answer, expected=expected, tolerance=0.012)


def refuse(name: str, build: Callable[[], bytes], refused: str, answer: str) -> Situation:
    return Situation(name=name, build=build, answer=answer, refused=refused)


PNG = (
    read_as("PNG in grey", lambda: save(picture(), "PNG")),
    read_as("PNG in RGB, all three alike", lambda: save(picture("RGB"), "PNG")),
    read_as("PNG with a palette of greys", lambda: save(picture("P"), "PNG")),
    read_as("PNG with an alpha channel that is opaque", lambda: save(picture("RGBA"), "PNG")),
    read_as("PNG, interlaced", write_interlaced_png),
    Situation(
        name="PNG with transparent parts",
        build=lambda: save(transparent_half(), "PNG"),
        answer=OVER_BLACK,
        expected=half_black,
        flags=frozenset({"clipped"}),
    ),
    read_12_bits("PNG of 16 bits, 12 in use, unscaled", lambda: write_png16(base_values())),
    read_12_bits(
        "PNG of 16 bits, 12 in use, unscaled, sBIT says 12", lambda: write_png16(base_values(), 12)
    ),
    read_12_bits(
        "PNG of 16 bits, 12 in use, scaled up, sBIT says 12",
        lambda: write_png16(base_values() << 4 | base_values() >> 8, 12),
    ),
    read_12_bits(
        "PNG of 16 bits, scaled up to all 16",
        lambda: write_png16(np.rint(base_pixels() * 65535)),
    ),
    read_as("PNG that EXIF says was held sideways", lambda: save_turned("PNG", 6), UPRIGHT),
    refuse(
        "PNG, animated",
        lambda: save(picture(), "PNG", save_all=True, append_images=[picture().rotate(9)]),
        "animated",
        "It is refused: a film is one picture.",
    ),
)

JPEG = (
    read_lossy("JPEG in grey", "JPEG", "L", quality=85),
    read_lossy("JPEG in colour, 4:2:0, of a grey film", "JPEG", "RGB", quality=85),
    read_lossy("JPEG, progressive", "JPEG", "L", quality=85, progressive=True),
    read_lossy("JPEG in CMYK, as printers' programs write it", "JPEG", "CMYK", quality=90),
    read_lossy("JPEG whose colours are RGB, not YCbCr", "JPEG", "RGB", quality=90, keep_rgb=True),
    Situation(
        name="JPEG that EXIF says was held sideways",
        build=lambda: save_turned("JPEG", 6, quality=95),
        answer=UPRIGHT,
        expected=lambda: np.rot90(read_by_pillow(save(turned(6)[0], "JPEG", quality=95)), -1),
        tolerance=0.012,
    ),
    Situation(
        name="JPEG that EXIF says was held upside down",
        build=lambda: save_turned("JPEG", 3, quality=95),
        answer=UPRIGHT,
        expected=lambda: read_by_pillow(save(turned(3)[0], "JPEG", quality=95))[::-1, ::-1],
        tolerance=0.012,
    ),
    refuse(
        "JPEG of several pictures (MPO)",
        lambda: save(picture(), "MPO", save_all=True, append_images=[picture().rotate(9)]),
        "several pictures",
        "It is refused: a film is one picture.",
    ),
)

WEBP = (
    read_as("WebP, lossless", lambda: save(picture(), "WEBP", lossless=True)),
    read_as("WebP, lossless, named film.jpg", lambda: save(picture("RGB"), "WEBP", lossless=True)),
    read_lossy("WebP, lossy", "WEBP", "RGB", quality=85),
    Situation(
        name="WebP with transparent parts",
        build=lambda: save(transparent_half(), "WEBP", lossless=True),
        answer=OVER_BLACK,
        expected=half_black,
        flags=frozenset({"clipped"}),
    ),
    read_as(
        "WebP that EXIF says was held sideways",
        lambda: save_turned("WEBP", 6, lossless=True),
        UPRIGHT,
    ),
    refuse(
        "WebP, animated",
        lambda: save(picture(), "WEBP", save_all=True, append_images=[picture().rotate(9)]),
        "animated",
        "It is refused: a film is one picture.",
    ),
)

TIFF = (
    read_as("TIFF in grey", lambda: save(picture(), "TIFF")),
    read_as("TIFF in RGB, all three alike", lambda: save(picture("RGB"), "TIFF")),
    read_as("TIFF in CMYK", lambda: save(picture("CMYK"), "TIFF")),
    read_as("TIFF, LZW", lambda: save(picture(), "TIFF", compression="tiff_lzw")),
    read_as("TIFF, PackBits", lambda: save(picture(), "TIFF", compression="packbits")),
    read_as("TIFF, Deflate", lambda: save(picture(), "TIFF", compression="tiff_adobe_deflate")),
    read_lossy("TIFF, JPEG inside", "TIFF", "L", compression="jpeg", quality=85),
    read_12_bits(
        "TIFF of 16 bits, 12 in use, LZW with differences",
        lambda: cv2.imencode(
            ".tif",
            base_values(),
            [cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_PREDICTOR, 2],
        )[1].tobytes(),
    ),
    read_12_bits(
        "TIFF of 16 bits in RGB, 12 in use",
        lambda: write_tiff(np.dstack([base_values()] * 3), 16, photometric=2),
    ),
    read_12_bits("TIFF of 12 bits, packed", lambda: write_tiff(base_values(), 12)),
    read_12_bits("TIFF, big endian", lambda: write_tiff(base_values(), 16, order=">")),
    read_12_bits("BigTIFF", lambda: write_tiff(base_values(), 16, big=True)),
    read_12_bits("TIFF in tiles", lambda: write_tiff(base_values(), 16, tile=48)),
    read_12_bits(
        "TIFF in which 0 is white",
        lambda: write_tiff(4095 - base_values(), 16, photometric=0, rows_per_strip=40),
    ),
    read_as(
        "TIFF in separate planes",
        lambda: write_tiff(np.dstack([grey()] * 3), 8, photometric=2, planar=True),
    ),
    read_as("TIFF with a palette", lambda: write_palette_tiff(257)),
    read_as("TIFF with a palette whose low bytes are 0", lambda: write_palette_tiff(256)),
    Situation(
        name="TIFF with a palette of 16 bits that holds 8",
        build=lambda: write_palette_tiff(1),
        answer="It is scaled by the values that it reaches, and flagged.",
        expected=grey_pixels,
        flags=frozenset({"lut_depth"}),
    ),
    read_12_bits(
        "TIFF of floating-point values from 0 to 1",
        lambda: write_tiff(base_pixels().astype(np.float32), 32, tags={339: [3]}),
    ),
    refuse(
        "TIFF of floating-point values beyond 1 that are no whole numbers",
        lambda: write_tiff((base_pixels() * 3.7).astype(np.float32), 32, tags={339: [3]}),
        "floating-point values",
        "It is refused: nothing says which of them is white.",
    ),
    read_as(
        "TIFF whose orientation says it lies on its side",
        lambda: write_tiff(np.rot90(grey()), 8, tags={274: [6]}),
        UPRIGHT,
    ),
    read_as("TIFF with a thumbnail", write_tiff_with_thumbnail),
    refuse(
        "TIFF of several pages",
        lambda: save(picture(), "TIFF", save_all=True, append_images=[picture()]),
        "2 pages",
        "It is refused, with the number of pages.",
    ),
    refuse(
        "TIFF, compressed as a fax or as JPEG 2000",
        lambda: write_tiff(grey(), 8, tags={259: [34712]}),
        "JPEG 2000",
        "It is refused, and the compressions that are read are named.",
    ),
)

BMP = (
    read_as("BMP with a palette of greys", lambda: save(picture(), "BMP")),
    read_as("BMP of 24 bits", lambda: save(picture("RGB"), "BMP")),
    read_as("BMP of 32 bits whose fourth byte is 0", lambda: save(picture("RGBA"), "BMP")),
    read_as(
        "BMP whose rows begin at the top",
        lambda: write_bmp(pad_rows(grey()), (-256, 224), 8, palette=GREY_PALETTE),
    ),
    read_as(
        "BMP of run lengths",
        lambda: write_bmp(encode_runs(grey()), (256, 224), 8, compression=1, palette=GREY_PALETTE),
    ),
    read_as(
        "BMP whose palette begins with white",
        lambda: write_bmp(pad_rows(255 - grey()[::-1]), (256, 224), 8, palette=GREY_PALETTE[::-1]),
    ),
    refuse(
        "BMP that ends in the middle",
        lambda: save(picture(), "BMP")[:30000],
        "cut short",
        "It is refused: no file is read in part.",
    ),
)

OTHERS = (
    refuse(
        "HEIC, as phones save photographs",
        lambda: iso_file(b"heic"),
        "HEIC",
        "It is refused: export the film, or save the photograph as JPEG.",
    ),
    refuse(
        "AVIF",
        lambda: iso_file(b"avif"),
        "AVIF",
        "It is refused: export the film, or save the picture as JPEG.",
    ),
    refuse(
        "JPEG 2000 outside DICOM",
        lambda: save(picture(), "JPEG2000"),
        "JPEG 2000",
        "It is refused, and the formats that are read are named.",
    ),
    refuse(
        "GIF",
        lambda: save(picture(), "GIF"),
        "GIF",
        "It is refused, and the formats that are read are named.",
    ),
    refuse(
        "JPEG XL",
        lambda: b"\xff\x0a" + bytes(100),
        "JPEG XL",
        "It is refused, and the formats that are read are named.",
    ),
    refuse(
        "PDF",
        lambda: b"%PDF-1.7\n" + bytes(100),
        "PDF",
        "It is refused, and the formats that are read are named.",
    ),
)

COLOURS = (
    Situation(
        name="film on blue base",
        build=lambda: save(as_image(coloured_float(BLUE_BASE)), "PNG"),
        answer=TINTED,
        expected=grey_pixels,
        flags=frozenset({"tinted"}),
        tolerance=0.02,
    ),
    Situation(
        name="film in sepia, as JPEG of quality 75",
        build=lambda: save(as_image(coloured_float((1, 0.88, 0.7))), "JPEG", quality=75),
        answer=TINTED,
        expected=lambda: read_by_pillow(save(picture(), "JPEG", quality=75)),
        flags=frozenset({"tinted"}),
        tolerance=0.08,
    ),
    Situation(
        name="film on blue base with white letters",
        build=lambda: save(with_letters(), "PNG"),
        answer=TINTED,
        expected=lettered_pixels,
        flags=frozenset({"tinted"}),
        tolerance=0.02,
    ),
    Situation(
        name="film on an uneven light box",
        build=lambda: save(as_image(uneven_light()), "PNG"),
        answer=TINTED,
        expected=grey_pixels,
        flags=frozenset({"tinted"}),
        tolerance=0.05,
    ),
    Situation(
        name="film with a coloured arrow",
        build=lambda: save(with_arrow(picture()), "PNG"),
        answer="It is read, and the marks are flagged.",
        expected=without_arrow,
        flags=frozenset({"coloured_marks"}),
    ),
    refuse(
        "film in false colours (magma)",
        lambda: false_colours(cv2.COLORMAP_MAGMA),
        "in colour",
        "It is refused as a picture in colour.",
    ),
    refuse(
        "film in false colours (jet)",
        lambda: false_colours(cv2.COLORMAP_JET),
        "in colour",
        "It is refused as a picture in colour.",
    ),
    refuse(
        "picture of many colours",
        many_colours,
        "in colour",
        "It is refused as a picture in colour.",
    ),
)

SITUATIONS: tuple[Situation, ...] = (*PNG, *JPEG, *WEBP, *TIFF, *BMP, *OTHERS, *COLOURS)
