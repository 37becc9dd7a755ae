"""Text tags of DICOM files with any bytes in them: the film is read or refused, and every sentence can be shown."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.quality import find_quality_flags
from tests.film.dicom_files import write_dicom

# Values whose place in the file is found again, so that other bytes of the same number can be put there.
TAGS = {
    "SpecificCharacterSet": "ISO_IR 100",
    "Modality": "DXDXDXDXDXDXDXDX",
    "BodyPartExamined": "CHESTCHESTCHESTX",
    "ViewPosition": "PAPAPAPAPAPAPAPA",
    "PatientAge": "058Y",
    "PatientSex": "FFFFFFFFFFFFFFFF",
    "SeriesDescription": "THORAXTHORAXTHOR",
    "PresentationIntentType": "FOR PRESENTATION",
}
SAMPLES = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
FILM = write_dicom(SAMPLES, BitsStored=12, **TAGS)
# Escapes of ISO 2022, separators and NUL occur more often than by chance.
BYTES = st.lists(st.integers(0, 255) | st.sampled_from(b"\x1b$B\\^=\0 \r\n"), max_size=16)


@given(st.dictionaries(st.sampled_from(list(TAGS)), BYTES.map(bytes)))
@settings(max_examples=120, deadline=None)
def test_any_bytes_in_a_tag_are_read_or_refused_with_a_sentence(values: dict[str, bytes]) -> None:
    data = FILM
    for tag, value in values.items():
        old = TAGS[tag].encode()
        data = data.replace(old, value[: len(old)].ljust(len(old)))
    try:
        film = decode_film(data)
    except FilmRefused as refusal:
        sentences = [str(refusal)]
    else:
        sentences = [flag.message for flag in find_quality_flags(film)]
    assert all(sentence.isprintable() for sentence in sentences)


def test_the_file_without_changes_is_read() -> None:
    assert decode_film(FILM).shape == (64, 64)
