"""Situations of grey tables: Modality LUT and VOI LUT, PS3.3 C.11.1.1 and C.11.2.1.1."""

import numpy as np
from pydicom.uid import ExplicitVRBigEndian

from tests.film.corpus import Situation, base_values
from tests.film.dicom_files import write_dicom
from tests.film.situations.grey_films import (
    AS_WRITTEN,
    BY_STANDARD,
    DEPTH,
    LENGTH,
    SCALED,
    WINDOW,
    curve,
    lut,
    pack,
    read,
    refuse,
    through,
    values,
    write,
)

SITUATIONS: tuple[Situation, ...] = (
    read(
        "Modality LUT, 16 bits",
        lambda: write(ModalityLUTSequence=lut(curve(65535), 16)),
        BY_STANDARD,
        lambda: through(curve(65535), 65535),
    ),
    read(
        "Modality LUT, then a window",
        lambda: write(
            ModalityLUTSequence=lut(curve(65535), 16), WindowCenter=32768, WindowWidth=70000
        ),
        BY_STANDARD,
        lambda: np.clip((through(curve(65535), 1) - 32767.5) / 69999 + 0.5, 0, 1),
    ),
    read(
        "VOI LUT, 10 bits",
        lambda: write(VOILUTSequence=lut(curve(1023), 10)),
        BY_STANDARD,
        lambda: through(curve(1023), 1023),
    ),
    read(
        "VOI LUT, big endian",
        lambda: write_dicom(
            base_values(),
            ExplicitVRBigEndian,
            BitsStored=12,
            VOILUTSequence=lut(curve(65535), 16, order=">"),
        ),
        BY_STANDARD,
        lambda: through(curve(65535), 65535),
    ),
    read(
        "VOI LUT that begins at 500",
        lambda: write(VOILUTSequence=lut(curve(65535, 3500), 16, 500)),
        BY_STANDARD,
        lambda: through(curve(65535, 3500), 65535, 500),
    ),
    read(
        "Modality LUT of 65,536 entries (written as 0)",
        lambda: write(values(16), bits=16, ModalityLUTSequence=lut(curve(65535, 65536), 16)),
        BY_STANDARD,
        lambda: curve(65535, 65536)[values(16)] / 65535,
    ),
    read(
        "VOI LUT of 65,536 entries over signed values",
        lambda: write(
            values(16) - 32768,
            bits=16,
            VOILUTSequence=lut(curve(65535, 65536), 16, -32768, first_vr="SS"),
        ),
        BY_STANDARD,
        lambda: curve(65535, 65536)[values(16)] / 65535,
    ),
    read(
        "Modality LUT of 12 bits under 16",
        lambda: write(ModalityLUTSequence=lut(curve(4095), 16)),
        SCALED,
        lambda: through(curve(4095), 4095),
        DEPTH,
    ),
    read(
        "Modality LUT of 14 bits under 16, VR US",
        lambda: write(ModalityLUTSequence=lut(curve(16383), 16, vr="US")),
        SCALED,
        lambda: through(curve(16383), 16383),
        DEPTH,
    ),
    read(
        "Modality LUT of 12 bits under 16, then a window",
        lambda: write(ModalityLUTSequence=lut(curve(4095), 16), **WINDOW),
        "The window holds; the depth does not matter.",
        lambda: np.clip((through(curve(4095), 1) - 2047.5) / 4999 + 0.5, 0, 1),
    ),
    read(
        "VOI LUT of 12 bits under 16",
        lambda: write(VOILUTSequence=lut(curve(4095), 16)),
        SCALED,
        lambda: through(curve(4095), 4095),
        DEPTH,
    ),
    read(
        "VOI LUT of 8 bits under 16",
        lambda: write(VOILUTSequence=lut(curve(255), 16)),
        SCALED,
        lambda: through(curve(255), 255),
        DEPTH,
    ),
    read(
        "VOI LUT of 10 bits under 12",
        lambda: write(VOILUTSequence=lut(curve(1023), 12)),
        SCALED,
        lambda: through(curve(1023), 1023),
        DEPTH,
    ),
    read(
        "VOI LUT of 16 bits under 12",
        lambda: write(VOILUTSequence=lut(curve(65535), 12)),
        SCALED,
        lambda: through(curve(65535), 65535),
        DEPTH,
    ),
    read(
        "VOI LUT of 16 bits under 8",
        lambda: write(VOILUTSequence=lut(curve(65535), 8)),
        SCALED,
        lambda: through(curve(65535), 65535),
        DEPTH,
    ),
    read(
        "VOI LUT of 16 bits under 0",
        lambda: write(VOILUTSequence=lut(curve(65535), 0)),
        SCALED,
        lambda: through(curve(65535), 65535),
        DEPTH,
    ),
    read(
        "VOI LUT of 8 bits, one entry a word",
        lambda: write(VOILUTSequence=lut(curve(255), 8)),
        AS_WRITTEN,
        lambda: through(curve(255), 255),
    ),
    read(
        "VOI LUT of 8 bits, two entries a word, VR US",
        lambda: write(VOILUTSequence=lut(pack(curve(255)), 8, count=4096, vr="US")),
        AS_WRITTEN,
        lambda: through(curve(255), 255),
    ),
    read(
        "VOI LUT of 8 bits, two entries a word, VR OW",
        lambda: write(VOILUTSequence=lut(pack(curve(255)), 8, count=4096)),
        AS_WRITTEN,
        lambda: through(curve(255), 255),
    ),
    read(
        "VOI LUT of 8 bits, two entries a word, big endian",
        lambda: write_dicom(
            base_values(),
            ExplicitVRBigEndian,
            BitsStored=12,
            VOILUTSequence=lut(pack(curve(255)), 8, count=4096, order=">"),
        ),
        AS_WRITTEN,
        lambda: through(curve(255), 255),
    ),
    read(
        "Modality LUT of 8 bits, 4095 entries, two a word",
        lambda: write(ModalityLUTSequence=lut(pack(curve(255, 4095)), 8, count=4095)),
        AS_WRITTEN,
        lambda: through(curve(255, 4095), 255),
    ),
    read(
        "Table values above 32767 written as SS",
        lambda: write(ModalityLUTSequence=lut(curve(65535), 16, vr="SS")),
        "Entries have no sign, whatever the VR.",
        lambda: through(curve(65535), 65535),
    ),
    read(
        "VOI LUT one word too long",
        lambda: write(VOILUTSequence=lut(np.append(curve(65535), 0), 16, count=4096)),
        "The padding is left out; flagged.",
        lambda: through(curve(65535), 65535),
        LENGTH,
    ),
    read(
        "VOI LUT one word too short",
        lambda: write(VOILUTSequence=lut(curve(65535)[:-1], 16, count=4096)),
        "The last entry stands for the missing one; flagged.",
        lambda: through(curve(65535)[:-1], 65535),
        LENGTH,
    ),
    read(
        "Modality LUT of 8 bits, two a word, one word too short",
        lambda: write(ModalityLUTSequence=lut(pack(curve(255)[:-2]), 8, count=4096)),
        "The last entry stands for those missing; flagged.",
        lambda: through(curve(255)[:-2], 255),
        LENGTH,
    ),
    read(
        "VOI LUT that states 2048 of its 4096 entries",
        lambda: write(VOILUTSequence=lut(curve(65535), 16, count=2048)),
        "All entries are used; flagged.",
        lambda: through(curve(65535), 65535),
        LENGTH,
    ),
    read(
        "VOI LUT that states 0 entries and has 4096",
        lambda: write(VOILUTSequence=lut(curve(65535), 16, count=0)),
        "Read, as the film needs no more; flagged.",
        lambda: through(curve(65535), 65535),
        LENGTH,
    ),
    refuse(
        "VOI LUT that ends before the film's values do",
        lambda: write(VOILUTSequence=lut(curve(65535)[:3000], 16, count=4096)),
        "grey table is incomplete",
    ),
    refuse(
        "VOI LUT of half its length under 16 bits",
        lambda: write(VOILUTSequence=lut(pack(curve(255)), 16, count=4096)),
        "grey table is incomplete",
    ),
    refuse(
        "VOI LUT of 40 bits",
        lambda: write(VOILUTSequence=lut(curve(65535), 40)),
        "grey table is incomplete",
    ),
    refuse(
        "VOI LUT without entries",
        lambda: write(VOILUTSequence=lut(np.array([], int), 16, count=4096)),
        "grey table is incomplete",
    ),
    read(
        "Modality LUT over signed values, first value written as US 63488",
        lambda: write(values() - 2048, ModalityLUTSequence=lut(curve(65535), 16, 63488)),
        "Read as −2048.",
        lambda: through(curve(65535), 65535),
    ),
    read(
        "VOI LUT over unsigned values, first value 40000 written as SS",
        lambda: write(
            values() + 40000,
            bits=16,
            VOILUTSequence=lut(curve(65535), 16, 40000 - 65536, first_vr="SS"),
        ),
        "Read as 40000.",
        lambda: through(curve(65535), 65535),
    ),
    read(
        "VOI LUT behind a negative rescale, first value written as US",
        lambda: write(
            RescaleSlope=1,
            RescaleIntercept=-1024,
            VOILUTSequence=lut(curve(65535), 16, 65536 - 1024),
        ),
        "Read as −1024.",
        lambda: through(curve(65535), 65535),
    ),
    read(
        "VOI LUT from 40000 on, behind a rescale of 16-bit values by −1024",
        lambda: write(
            values() + 41024,
            bits=16,
            RescaleSlope=1,
            RescaleIntercept=-1024,
            VOILUTSequence=lut(curve(65535), 16, 40000),
        ),
        "Read as 40000: only so it covers the film.",
        lambda: through(curve(65535), 65535),
    ),
)
