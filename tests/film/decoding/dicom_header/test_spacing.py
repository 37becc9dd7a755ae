"""The spacing of a DICOM film says where it holds."""

from typing import Any

import pytest

from cxr_core.film.decoding.dicom_header.spacing import read_spacing
from tests.film.decoding.dicom_header.test_statements import dataset

IMAGER = {"ImagerPixelSpacing": [0.2, 0.2]}
FACTOR = {"EstimatedRadiographicMagnificationFactor": 1.25}


@pytest.mark.parametrize(
    ("tags", "mm", "source"),
    [
        (IMAGER, 0.2, "detector"),
        ({"PixelSpacing": [0.2, 0.2]}, 0.2, "detector"),
        (IMAGER | FACTOR, 0.16, "magnification"),
        ({"PixelSpacing": [0.2, 0.2]} | IMAGER, 0.2, "detector"),
        ({"PixelSpacing": [0.2, 0.2]} | IMAGER | FACTOR, 0.16, "magnification"),
        ({"PixelSpacing": [0.16, 0.16]} | IMAGER | FACTOR, 0.16, "magnification"),
        ({"PixelSpacing": [0.15, 0.15]} | IMAGER | FACTOR, 0.15, "calibrated"),
        ({"PixelSpacing": [0.15, 0.15]} | IMAGER, 0.15, "calibrated"),
        (
            {"PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "FIDUCIAL"} | IMAGER,
            0.2,
            "calibrated",
        ),
        (
            {"PixelSpacing": [0.18, 0.18], "PixelSpacingCalibrationType": "GEOMETRY"},
            0.18,
            "magnification",
        ),
        ({"NominalScannedPixelSpacing": [0.17, 0.17]}, 0.17, "scanner"),
        ({"PixelSpacing": [0.17, 0.17], "ConversionType": "DF"}, 0.17, "scanner"),
        (IMAGER | {"EstimatedRadiographicMagnificationFactor": 7}, 0.2, "detector"),
    ],
)
def test_where_a_spacing_holds(tags: dict[str, Any], mm: float, source: str) -> None:
    found = read_spacing(dataset(**tags))
    assert found is not None
    assert (found.mm, found.source) == (pytest.approx((mm, mm)), source)


@pytest.mark.parametrize("value", [[0, 0], [-1, 1], [0.2], [0.1, 0.1, 0.1], ["nan", "inf"], ""])
def test_no_spacing(value: Any) -> None:
    file = dataset()
    if value != ["nan", "inf"]:
        file.PixelSpacing = value
    assert read_spacing(file) is None
