"""Small DICOM films of two made-up patients, as a modality would send them, for archives in tests."""

import numpy as np

from tests.dicom_io.bench import film_file

STUDY, PRIOR, OTHER, CT = (f"1.2.826.0.1.99.8.{number}" for number in range(1, 5))
PATIENT = "SECRETID"
# Words of these films that must be in no log, no file of the workspace and no error.
IDENTITY = ("Geheim", "Secret^", "SECRETID", "ACC4711", "1.2.826.0.1.99.8.")
PICTURE = (np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 4096).astype(np.uint16)


def make_film(study: str = STUDY, number: int = 1, pixels: np.ndarray = PICTURE, **tags) -> bytes:
    """A DX film for presentation in a series of its own."""
    series = f"{study}.{number}"
    described = {
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "SOPInstanceUID": f"{series}.1",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1",
        "StudyDate": "20261101",
        "StudyTime": "101500",
        "StudyDescription": "Chest PA",
        "ViewPosition": "PA",
    }
    return film_file(pixels, **described | tags)


def make_archive_content() -> list[bytes]:
    """A study with a frontal and a lateral film, a prior study, a study of another patient, and a CT."""
    return [
        make_film(),
        make_film(number=2, ViewPosition="LL"),
        make_film(PRIOR, StudyDate="20250301", StudyDescription="Chest before"),
        make_film(OTHER, PatientID="OTHER1", PatientName="Other^One", AccessionNumber="B2"),
        make_film(
            CT,
            PatientID="OTHER1",
            PatientName="Other^One",
            AccessionNumber="B3",
            StudyDescription="CT of the chest",
            Modality="CT",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.2",
        ),
    ]
