"""Look-up tables against pydicom, which reads those that are as the standard asks; the others are in the corpus."""

import io

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_color_lut

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.lookup_tables import read_lookup_table
from tests.film.dicom_files import write_dicom

RNG = np.random.default_rng(12)
COLOURS = ("Red", "Green", "Blue")


def table(words: list[int], descriptor: list[int], vr: str = "US") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", vr, words if vr == "US" else np.array(words, "<u2").tobytes())
    return item


@pytest.mark.parametrize("count", [256, 255, 200])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_in_colour_is_that_of_pydicom(count: int, bits: int) -> None:
    places = RNG.integers(0, 256, (20, 24)).astype(np.uint8)
    tags: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in COLOURS:
        entries = RNG.integers(0, 1 << bits, count)
        entries[0] = (1 << bits) - 1
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [count, 0, bits]
        data = entries.astype(f"<u{bits // 8}").tobytes()
        tags[f"{colour}PaletteColorLookupTableData"] = data + b"\0" * (len(data) % 2)
    data = write_dicom(places, **tags)
    dataset = dcmread(io.BytesIO(data))
    if count % 2 and bits == 8:
        # pydicom counts the padding byte as an entry.
        for colour in COLOURS:
            dataset[f"{colour}PaletteColorLookupTableDescriptor"].value[0] = count + 1
        places = np.minimum(places, count - 1)
    reference = apply_color_lut(places, dataset) / ((1 << bits) - 1)
    luma = reference @ np.array([0.299, 0.587, 0.114])
    film = decode_film(data)
    assert np.abs(film.pixels - luma).max() < 1e-6
    assert film.irregularities == ()


@pytest.mark.parametrize(
    ("words", "descriptor", "entries", "bits"),
    [
        ([0x0201, 0x0403], [4, 0, 8], [1, 2, 3, 4], 8),  # two a word
        ([0x0201, 0x0003], [3, 0, 8], [1, 2, 3], 8),  # two a word, and a byte of padding
        ([1, 2, 3, 4], [4, 0, 8], [1, 2, 3, 4], 8),  # one a word
        ([1, 2, 3, 4000], [4, 0, 16], [1, 2, 3, 4000], 12),
        ([1, 2, 3, 65535], [4, 0, 16], [1, 2, 3, 65535], 16),
        ([0x0101, 0x2020], [2, 0, 16], [0x0101, 0x2020], 16),  # widened bytes
        ([1, 2, 3, 1023], [4, 0, 10], [1, 2, 3, 1023], 10),
        ([1, 2, 3, 1023, 0], [4, 0, 10], [1, 2, 3, 1023], 10),
        ([1, 2, 3, 1023, 9], [4, 0, 10], [1, 2, 3, 1023, 9], 10),
    ],
)
@pytest.mark.parametrize("vr", ["US", "OW"])
def test_entries_follow_from_the_descriptor(
    words: list[int], descriptor: list[int], entries: list[int], bits: int, vr: str
) -> None:
    values = np.arange(4.0)
    read = read_lookup_table(table(words, descriptor, vr), True, values, values)
    assert read.entries.tolist() == entries
    assert read.bits == bits


@pytest.mark.parametrize(
    ("words", "descriptor"),
    [
        ([0x0201, 0x0403], [4, 0, 16]),  # bytes, or half a table
        ([1], [4, 0, 16]),
        ([1, 2, 3, 4], [4, 0, 32]),
        ([1, 2, 3, 4], [4, 0]),
    ],
)
def test_a_table_whose_entries_cannot_be_told_is_refused(
    words: list[int], descriptor: list[int]
) -> None:
    values = np.arange(4.0)
    with pytest.raises(UndecodableFilm, match="grey table is incomplete"):
        read_lookup_table(table(words, descriptor), True, values, values)
