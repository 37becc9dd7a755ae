"""DICOM files written for the tests: a small film as any modality would store it, with a patient to lose."""

import warnings
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

# Words that must never leave the decoder.
SECRETS = ("Geheim", "Secret", "SECRETID", "19610203", "1.2.826.0.1.99.7", "Hospital", "ACC4711")


def film_dataset(samples: np.ndarray, **tags: Any) -> Dataset:
    """The data set of one grey or RGB film; `tags` are set last, None deletes one."""
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = "1.2.826.0.1.99.7.3"
    dataset.StudyInstanceUID = "1.2.826.0.1.99.7.1"
    dataset.PatientName = "Geheim^Secret"
    dataset.PatientID = "SECRETID"
    dataset.PatientBirthDate = "19610203"
    dataset.SeriesDate = "19610203"  # with a date of the study the film would have an age
    dataset.InstitutionName = "Hospital"
    dataset.AccessionNumber = "ACC4711"
    dataset.Modality = "DX"
    dataset.Rows, dataset.Columns = samples.shape[:2]
    dataset.SamplesPerPixel = 1 if samples.ndim == 2 else 3
    if samples.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = "MONOCHROME2" if samples.ndim == 2 else "RGB"
    dataset.BitsAllocated = samples.dtype.itemsize * 8
    dataset.BitsStored = dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(samples.dtype.kind == "i")
    if tags.get("BitsStored") and "HighBit" not in tags:
        tags["HighBit"] = tags["BitsStored"] - 1
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def write_dicom(
    samples: np.ndarray,
    syntax: UID = ExplicitVRLittleEndian,
    *,
    preamble: bool = True,
    stream: bytes | None = None,
    **tags: Any,
) -> bytes:
    """The bytes of one film. stream: a codestream to encapsulate instead of the samples."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wrong values are written on purpose
        return _write(film_dataset(samples, **tags), samples, syntax, stream, preamble)


def _write(
    dataset: Dataset, samples: np.ndarray, syntax: UID, stream: bytes | None, preamble: bool
) -> bytes:
    little = syntax != ExplicitVRBigEndian
    plain = (
        syntax
        if syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian)
        else ExplicitVRLittleEndian
    )
    pixels = samples.astype(samples.dtype.newbyteorder("<" if little else ">")).tobytes()
    dataset.PixelData = pixels + b"\x00" * (len(pixels) % 2)
    dataset["PixelData"].VR = (
        "OB" if dataset.BitsAllocated == 8 and plain != ImplicitVRLittleEndian else "OW"
    )
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        dataset.SOPClassUID,
        dataset.SOPInstanceUID,
    )
    meta.TransferSyntaxUID = plain
    implicit = plain == ImplicitVRLittleEndian
    file = FileDataset(
        "", dataset, b"\x00" * 128, meta, is_implicit_VR=implicit, is_little_endian=little
    )
    if stream is not None:
        file.PixelData = encapsulate([stream])
        file["PixelData"].VR = "OB"
        file["PixelData"].is_undefined_length = True
        meta.TransferSyntaxUID = syntax
    elif syntax.is_compressed and not syntax.is_deflated:
        file.compress(syntax, generate_instance_uid=False)
    else:
        meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    return data if preamble else data[132:]
