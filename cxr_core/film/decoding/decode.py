"""Decodes a file to a film; its content decides what kind of file it is, never its name."""

from collections.abc import Callable

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.decoding import bmp, jpeg, png, tiff, webp
from cxr_core.film.decoding.tiff_parts.directory import SIGNATURES as TIFF_SIGNATURES
from cxr_core.film.limits import require_bytes
from cxr_core.film.radiograph import Radiograph

# Grows with every change after which some file gives other pixels or other flags than before.
DECODING_VERSION = 4

EXPECTED = (
    "A chest film is read from DICOM, PNG, JPEG, TIFF, WebP or BMP: export it as one of these."
)
FROM_A_PHONE = "Export the film itself from its workstation; where there is only a photograph, save it as JPEG."

Decoder = Callable[[bytes], Radiograph]

# (offset, magic, name, decoder) of the pictures that are read.
PICTURES: tuple[tuple[int, bytes, str, Decoder], ...] = (
    (0, png.SIGNATURE, "a PNG picture", png.decode_png),
    (0, jpeg.SIGNATURE, "a JPEG picture", jpeg.decode_jpeg),
    (8, webp.SIGNATURE, "a WebP picture", webp.decode_webp),
    (0, bmp.SIGNATURE, "a BMP picture", bmp.decode_bmp),
    *((0, signature, "a TIFF picture", tiff.decode_tiff) for signature in TIFF_SIGNATURES),
)

# (offset, magic, name), so that the refusal can name what was found.
OTHER_CONTAINERS = (
    (0, b"GIF8", "a GIF picture"),
    (0, b"8BPS", "a Photoshop document"),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\x00\x00\x01\x00", "an icon"),
    (0, b"icns", "an icon"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"BLP", "a BLP texture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL \r\n\x87\n", "a JPEG XL picture"),
    (0, b"\x8aMNG\r\n\x1a\n", "an animated picture (MNG)"),
    (0, b"P5", "a PGM picture"),
    (0, b"P6", "a PPM picture"),
    (344, b"n+1\x00", "a NIfTI volume"),
    (0, b"NRRD", "an NRRD volume"),
    (0, b"ObjectType = Image", "the header of a MetaImage"),
    (0, b"\xd0\xcf\x11\xe0", "an Office document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"MZ", "a program"),
    (0, b"\x7fELF", "a program"),
    (0, b"\x93NUMPY", "a NumPy array"),
)


# Brands of ISO base media files (ISO/IEC 14496-12, 4.3), of which the first four bytes behind "ftyp" are the main one.
BRANDS = {
    "an AVIF picture": (b"avif", b"avis"),
    "an HEIC picture": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "a Canon camera's raw picture": (b"crx ",),
}


def decode_film(data: bytes) -> Radiograph:
    """One film from a file's bytes: DICOM, PNG, JPEG, TIFF, WebP or BMP.

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
    for offset, magic, _, decode in PICTURES:
        if data.startswith(magic, offset):
            return decode(data)
    found = name_container(data)
    advice = FROM_A_PHONE if found in BRANDS else EXPECTED
    raise UndecodableFilm(f"This file is {found}. {advice}")


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
    """What a file that is no DICOM seems to be, in words."""
    if data[4:8] == b"ftyp":
        return _name_brand(data)
    for offset, magic, name in OTHER_CONTAINERS:
        if data.startswith(magic, offset):
            return name
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<script", b"<svg", b"<?xml")):
        return "a web page or XML, not a picture"
    return "not a picture that we know, or its beginning is missing"


def _require_plain_preamble(data: bytes) -> None:
    """Refuse a DICOM file that is another kind of file as well: its 128 free bytes may hold one (PS3.10 7.1)."""
    is_picture = any(data.startswith(magic, offset) for offset, magic, _, _ in PICTURES)
    found = "another picture" if is_picture else name_container(data)
    if data[128:132] == b"DICM" and not found.startswith("not a picture"):
        raise UndecodableFilm(
            f"This DICOM file is also {found}. Export the film again as a plain DICOM file."
        )


def _name_brand(data: bytes) -> str:
    """What an ISO base media file is: by its main brand, else by one that it is compatible with."""
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, length, 4))]
    for name, known in BRANDS.items():
        if any(brand in known for brand in brands):
            return name
    return "a film clip"
