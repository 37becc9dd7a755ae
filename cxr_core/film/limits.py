"""Limits the size of files and pictures; checked on the header, before any pixel is allocated."""

from cxr_core.errors import OversizedFilm, UndecodableFilm

# The server takes uploads of up to 64 MB (its MB are 2^20 bytes). The largest chest film in use, a 43 cm
# detector at 0.1 mm, has 18 megapixels, uncompressed 37 MB.
MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 64_000_000
# Of all channels: a picture in colour takes several times as long. The largest film as RGBA has 74 million.
MAX_SAMPLES = 80_000_000


def require_bytes(size: int) -> None:
    """Refuse a file that is empty or above MAX_BYTES. size: bytes."""
    if size == 0:
        raise UndecodableFilm(
            "This file is empty. Export the film again and upload the whole file.", "empty"
        )
    if size > MAX_BYTES:
        raise OversizedFilm(
            f"This file has {size / 2**20:.0f} MB; at most {MAX_BYTES // 2**20} MB are read. "
            "Export the film as a single compressed picture."
        )


def require_pixels(width: int, height: int, channels: int = 1) -> None:
    """Refuse a picture whose header says no pixels at all, or more than MAX_PIXELS or MAX_SAMPLES."""
    if width < 1 or height < 1:
        raise UndecodableFilm(
            f"This picture says it is {width} × {height} pixels, so it holds none. Export it again."
        )
    if width * height > MAX_PIXELS:
        raise OversizedFilm(
            f"This picture says it is {width} × {height} pixels; at most {MAX_PIXELS // 10**6} megapixels are read. "
            "Export it at its detector's own size."
        )
    if width * height * channels > MAX_SAMPLES:
        raise OversizedFilm(
            f"This picture says it is {width} × {height} pixels of {channels} channels; at most "
            f"{MAX_SAMPLES // channels // 10**6} megapixels of so many channels are read. Export it in grey."
        )
