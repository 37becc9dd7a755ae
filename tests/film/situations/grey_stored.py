"""Situations of stored values: bits, signs, padding and polarity of DICOM pixels."""

import cv2
import numpy as np
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from tests.film.corpus import Situation, base_values
from tests.film.dicom_files import write_dicom
from tests.film.situations.grey_films import (
    AS_WRITTEN,
    SIGN,
    STORED,
    edit,
    letter,
    pixels,
    read,
    values,
    write,
)

FULL_SCALE = "White is the smallest 2^k − 1 that holds the film."
LOWER_BITS = "Read from the lower bits; flagged."


def bits_above(stored: np.ndarray) -> np.ndarray:
    """An old overlay in the bits above 12: a box and a line of text."""
    drawing = np.zeros(stored.shape, np.uint8)
    cv2.rectangle(drawing, (20, 30), (120, 160), 1, 1)
    cv2.putText(drawing, "OVERLAY", (20, 220), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 5, 1)
    return stored | drawing.astype(np.int64) << 12


def padded(value: int) -> np.ndarray:
    """The film with eight rows of padding."""
    stored = values()
    stored[:8] = value
    return stored


def padding_black() -> np.ndarray:
    """The same as shown."""
    shown = pixels()
    shown[:8] = 0
    return shown


SITUATIONS: tuple[Situation, ...] = (
    read("12 bits in 16, no window", write, "Black is 0, white 4095."),
    read("12 bits, BitsStored 16, no window", lambda: write(bits=16), FULL_SCALE),
    read(
        "14 bits, BitsStored 16, no window",
        lambda: write(values(14), bits=16),
        FULL_SCALE,
        lambda: pixels(14),
    ),
    read(
        "12 bits, Explicit VR Big Endian",
        lambda: write_dicom(base_values(), ExplicitVRBigEndian, BitsStored=12),
        AS_WRITTEN,
    ),
    read(
        "12 bits, Implicit VR Little Endian",
        lambda: write_dicom(base_values(), ImplicitVRLittleEndian, BitsStored=12),
        AS_WRITTEN,
    ),
    read("12 bits with a sign", lambda: write(values() - 2048), "Black is −2048, white 2047."),
    read(
        "12 bits with a sign, BitsStored 16",
        lambda: write(values() - 2048, bits=16),
        "Black is −2048, white 2047.",
    ),
    read(
        "Values from 0 on, PixelRepresentation 1, BitsStored 16",
        lambda: write(bits=16, PixelRepresentation=1),
        "Black is 0.",
    ),
    read(
        "MONOCHROME1 with PresentationLUTShape INVERSE",
        lambda: write(
            4095 - values(), PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
        ),
        "Inverted once, not twice.",
    ),
    read(
        "MONOCHROME2 with PresentationLUTShape INVERSE",
        lambda: write(4095 - values(), PresentationLUTShape="INVERSE"),
        "Inverted.",
    ),
    read(
        "PixelPaddingValue 65535",
        lambda: write(padded(65535), bits=16, PixelPaddingValue=65535),
        "Padding is black, and does not widen the range.",
        padding_black,
    ),
    read(
        "PixelPaddingValue −2000 written as 63536",
        lambda: edit(
            write(padded(48) - 2048, bits=16),
            lambda dataset: dataset.add_new("PixelPaddingValue", "US", 63536),
        ),
        "Padding is black.",
        padding_black,
    ),
    read(
        "12 bits in the upper bits of the cell (HighBit 15)",
        lambda: write(values() << 4, HighBit=15),
        AS_WRITTEN,
    ),
    read(
        "An old overlay in the bits above the value",
        lambda: write(bits_above(values())),
        "The overlay is cut off.",
    ),
    read(
        "12 bits in the lower bits, HighBit 15",
        lambda: write(HighBit=15),
        LOWER_BITS,
        pixels,
        STORED,
    ),
    read(
        "HighBit 12 for 12 bits (counted from 1)",
        lambda: write(HighBit=12),
        LOWER_BITS,
        pixels,
        STORED,
    ),
    read("HighBit 7 left from an 8-bit file", lambda: write(HighBit=7), LOWER_BITS, pixels, STORED),
    read("HighBit 16 for 16 bits", lambda: write(bits=16, HighBit=16), LOWER_BITS, pixels, STORED),
    read(
        "14 bits, BitsStored 12 and HighBit 11",
        lambda: write(values(14)),
        "Read in 14 bits; flagged.",
        lambda: pixels(14),
        STORED,
    ),
    read(
        "12 bits, BitsStored 8 and HighBit 7",
        lambda: write(bits=8),
        "Read in 12 bits; flagged.",
        pixels,
        STORED,
    ),
    read(
        "14 bits with a sign, BitsStored 12",
        lambda: write(values(14) - 8192),
        "Read in 14 bits; flagged.",
        lambda: pixels(14),
        STORED,
    ),
    read(
        "8 bits, BitsStored 12",
        lambda: write(values(8)),
        "White is 255; flagged.",
        lambda: pixels(8),
        STORED,
    ),
    read(
        "10 bits, BitsStored 14",
        lambda: write(values(10), bits=14),
        "White is 1023; flagged.",
        lambda: pixels(10),
        STORED,
    ),
    read(
        "11 bits, BitsStored 12",
        lambda: write(values(11)),
        "BitsStored holds: a dark film is no contradiction.",
        lambda: values(11) / 4095,
    ),
    read(
        "12 bits in the upper bits, HighBit 11",
        lambda: write(values() << 4),
        "Read from the upper bits; flagged.",
        pixels,
        STORED,
    ),
    read(
        "Values without a sign, PixelRepresentation 1",
        lambda: write(PixelRepresentation=1),
        "Read without a sign, as the film then has no breaks; flagged.",
        pixels,
        SIGN,
    ),
    read(
        "Values with a sign, PixelRepresentation 0",
        lambda: write(values() - 2048, PixelRepresentation=0),
        "Read with a sign, as the film then has no breaks; flagged.",
        pixels,
        SIGN,
    ),
    read(
        "Values with a sign, PixelRepresentation 0, BitsStored 16",
        lambda: write(values() - 2048, bits=16, PixelRepresentation=0),
        "Read with a sign, as the film then has no breaks; flagged.",
        pixels,
        SIGN,
    ),
    read(
        "Values below 2048 with a white letter of 4095",
        lambda: write(letter(values(11), 4095)),
        "The letter does not make it a signed film.",
        lambda: letter(values(11), 4095) / 4095,
    ),
)
