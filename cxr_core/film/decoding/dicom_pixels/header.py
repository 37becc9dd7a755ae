"""Completes what a DICOM file says about its pixels, where that can only be one thing (PS3.3 C.7.6.3)."""

from pydicom import Dataset

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.dicom_pixels.samples import COLOUR, GREY, STORED_DEPTH

REQUIRED = {"Rows": "rows", "Columns": "columns", "BitsAllocated": "bits of a pixel cell"}
FORMS = {name.replace("_", "").replace(" ", ""): name for name in (*GREY, *COLOUR)}
# The shape that goes with each (PS3.3 C.8.11.3.1.2).
FORM_OF_SHAPE = {"IDENTITY": "MONOCHROME2", "INVERSE": "MONOCHROME1"}


def complete_header(dataset: Dataset) -> tuple[str, ...]:
    """Fill in what is missing or misspelled; the irregularities. Raises UndecodableFilm for what cannot be known."""
    for keyword, name in REQUIRED.items():
        if dataset.get(keyword) is None:
            raise UndecodableFilm(
                f"This DICOM file does not say the number of {name} of its picture. Export the film again."
            )
    samples = dataset.get("SamplesPerPixel")
    dataset.PhotometricInterpretation = _find_form(dataset, samples)
    if samples is None:
        dataset.SamplesPerPixel = 3 if dataset.PhotometricInterpretation in COLOUR else 1
    # These two say nothing where they are missing: no sign, and colour by pixel.
    dataset.PixelRepresentation = dataset.get("PixelRepresentation") or 0
    dataset.PlanarConfiguration = dataset.get("PlanarConfiguration") or 0
    if dataset.get("BitsStored") is None:
        # Then they are no fewer than the cell's; HighBit would say which of them are meant.
        dataset.BitsStored = dataset.BitsAllocated
        return (STORED_DEPTH,)
    return ()


def _find_form(dataset: Dataset, samples: int | None) -> str:
    """The photometric interpretation in the standard's spelling; an unknown one as it is."""
    stated = str(dataset.get("PhotometricInterpretation") or "").strip().upper()
    if stated:
        return FORMS.get(stated.replace("_", "").replace(" ", ""), stated)
    if samples == 3:
        return "RGB"
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    if shape in FORM_OF_SHAPE:
        return FORM_OF_SHAPE[shape]
    raise UndecodableFilm(
        "This DICOM file does not say whether its large values are bright or dark (Photometric Interpretation). "
        "Export the film again."
    )
