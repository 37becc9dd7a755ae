"""Decodes a file to a film; its content decides what kind of file it is, never its name."""

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.decoding import jpeg, png
from cxr_core.film.limits import require_bytes
from cxr_core.film.radiograph import Radiograph

# Grows with every change after which some file gives other pixels or other flags than before.
DECODING_VERSION = 2

EXPECTED = "A chest film is read from a PNG, a JPEG or a DICOM file: export it as one of these."

# (offset, magic, name), so that the refusal can name what was found.
OTHER_CONTAINERS = (
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"II*\x00", "a TIFF picture"),
    (0, b"MM\x00*", "a TIFF picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"8BPS", "a Photoshop document"),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\x00\x00\x01\x00", "an icon"),
    (0, b"icns", "an icon"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"BLP", "a BLP texture"),
    (4, b"ftyp", "an HEIF or AVIF picture or a film clip"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"MZ", "a program"),
    (0, b"\x7fELF", "a program"),
    (0, b"\x93NUMPY", "a NumPy array"),
)


def decode_film(data: bytes) -> Radiograph:
    """One film from a file's bytes: PNG, JPEG or DICOM.

    The size is checked from the header before any pixel is allocated. Raises OversizedFilm above the limits and
    UndecodableFilm for everything that is not one complete picture; the message says what was found and what to do.
    """
    require_bytes(len(data))
    try:
        return _decode_by_content(bytes(data))
    except MemoryError:
        raise OversizedFilm(
            "This picture needs more memory than decoding may take. Export it at its detector's own size, in grey.",
            "memory",
        ) from None


def _decode_by_content(data: bytes) -> Radiograph:
    if is_dicom(data):
        # Imported with the first DICOM file: pydicom and its codecs take half a second to load.
        from cxr_core.film.decoding.dicom import decode_dicom

        _require_plain_preamble(data)
        return decode_dicom(data)
    if data.startswith(png.SIGNATURE):
        return png.decode_png(data)
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.decode_jpeg(data)
    raise UndecodableFilm(f"This file is {name_container(data)}. {EXPECTED}")


def is_dicom(data: bytes) -> bool:
    """Whether the bytes are DICOM: by the prefix (PS3.10 7.1), else by a first element of group 0002 or 0008."""
    if data[128:132] == b"DICM":
        return True
    group, spelled = data[:2], data[4:6].isalpha() and data[4:6].isupper()
    if group in (b"\x02\x00", b"\x00\x08"):
        return spelled
    length = int.from_bytes(data[4:8], "little")
    return (
        group == b"\x08\x00"
        and data[3:4] in (b"\x00", b"\x01")
        and (spelled or length < len(data) - 8)
    )


def name_container(data: bytes) -> str:
    """What an unsupported file seems to be, in words."""
    for offset, magic, name in OTHER_CONTAINERS:
        if data.startswith(magic, offset):
            return name
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<script", b"<svg", b"<?xml")):
        return "a web page or XML, not a picture"
    return "not a picture that we know, or its beginning is missing"


def _require_plain_preamble(data: bytes) -> None:
    """Refuse a DICOM file that is another kind of file as well: its 128 free bytes may hold one (PS3.10 7.1)."""
    pictures = data.startswith((png.SIGNATURE, jpeg.SIGNATURE))
    other = name_container(data)
    if data[128:132] == b"DICM" and (pictures or not other.startswith("not a picture")):
        found = "another picture" if pictures else other
        raise UndecodableFilm(
            f"This DICOM file is also {found}. Export the film again as a plain DICOM file."
        )
