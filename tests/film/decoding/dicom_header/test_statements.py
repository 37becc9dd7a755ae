"""View, part of the body and modality are decided from every place of a DICOM file that names them."""

import warnings
from typing import Any

import pytest
from pydicom import Dataset, Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from cxr_core.film.decoding.dicom_header.display import read_orientation
from cxr_core.film.decoding.dicom_header.statements import (
    Statement,
    decide_body_part,
    decide_modality,
    decide_view,
    is_unprocessed,
)


def dataset(**tags: Any) -> Dataset:
    """A data set with these elements."""
    made = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wrong values are written on purpose
        for keyword, value in tags.items():
            setattr(made, keyword, value)
    return made


def coded(code: str, meaning: str = "", modifier: str = "") -> Sequence:
    """A sequence with one coded concept."""
    item = dataset(CodeValue=code, CodingSchemeDesignator="SCT", CodeMeaning=meaning)
    if modifier:
        item.ViewModifierCodeSequence = coded("0", modifier)
    return Sequence([item])


PA, LATERAL = coded("272479007", "postero-anterior"), coded("399173006", "left lateral")

VIEWS = [
    ({}, None, ()),
    ({"ViewPosition": "PA"}, "PA", ()),
    ({"ViewPosition": "AP SUPINE"}, "AP", ()),
    ({"ViewPosition": "XTABLE LATERAL"}, "LATERAL", ()),
    ({"ViewPosition": "MEIER"}, None, ("unknown_view",)),
    ({"ViewPosition": "MEIER", "ViewCodeSequence": PA}, "PA", ()),
    ({"ViewPosition": "ERECT"}, None, ()),
    ({"ViewPosition": ["PA", "LAT"]}, None, ("view_disagrees",)),
    ({"ViewPosition": "LLD"}, None, ("special_view",)),
    ({"ViewPosition": "AP LORDOTIC"}, "AP", ("special_view",)),
    ({"ViewCodeSequence": PA}, "PA", ()),
    ({"ViewCodeSequence": LATERAL}, "LATERAL", ()),
    ({"ViewCodeSequence": coded("X-1", "Projection postéro-antérieure")}, "PA", ()),
    ({"ViewCodeSequence": coded("X-1", "Meier")}, None, ("unknown_view",)),
    ({"ViewCodeSequence": coded("399348003", "AP", "axial")}, "AP", ("special_view",)),
    ({"ViewPosition": "PA", "ViewCodeSequence": LATERAL}, None, ("view_disagrees",)),
    ({"ViewPosition": "LL", "ViewCodeSequence": PA}, None, ("view_disagrees",)),
    ({"ViewPosition": "AP", "ViewCodeSequence": PA}, None, ("direction_disagrees",)),
    ({"ViewPosition": "PA", "ViewCodeSequence": PA}, "PA", ()),
    ({"PatientOrientation": ["L", "F"]}, None, ()),
    ({"PatientOrientation": ["P", "F"]}, "LATERAL", ()),
    ({"PatientOrientation": ["F", "A"]}, "LATERAL", ()),
    ({"PatientOrientation": ["L", "P"]}, None, ("special_view",)),
    ({"PatientOrientation": ["LA", "F"]}, None, ("special_view",)),
    ({"PatientOrientation": ["L", "FP"]}, None, ()),
    ({"ViewPosition": "PA", "PatientOrientation": ["A", "F"]}, None, ("view_disagrees",)),
    # Devices write L\F on every image, so it does not speak against a lateral view.
    ({"ViewPosition": "LL", "PatientOrientation": ["L", "F"]}, "LATERAL", ()),
    ({"SeriesDescription": "W Chest Lat"}, None, ("described_otherwise",)),
    ({"ProtocolName": "Thorax seitlich"}, None, ("described_otherwise",)),
    ({"SeriesDescription": "Chest PA and lateral"}, None, ()),
    ({"SeriesDescription": "Chest lateral", "ViewPosition": "PA"}, "PA", ()),
]
PARTS = [
    ({}, None, ()),
    ({"BodyPartExamined": "TÓRAX"}, "CHEST", ()),
    ({"BodyPartExamined": "HAND"}, "HAND", ()),
    ({"BodyPartExamined": "MEIER"}, None, ("unknown_body_part",)),
    ({"BodyPartExamined": "RIBS"}, "RIB", ("rib_film",)),
    ({"BodyPartExamined": "WHOLEBODY"}, "WHOLEBODY", ("larger_region",)),
    ({"BodyPartExamined": ["CHEST", "ABDOMEN"]}, "WHOLEBODY", ("larger_region",)),
    ({"AnatomicRegionSequence": coded("51185008", "Thorax")}, "CHEST", ()),
    ({"AnatomicRegionSequence": coded("T-D8700")}, "HAND", ()),
    ({"AnatomicRegionSequence": coded("X-1", "Brustkorb")}, "CHEST", ()),
    (
        {"BodyPartExamined": "CHEST", "AnatomicRegionSequence": coded("85562004", "Hand")},
        "CHEST",
        ("body_part_disagrees",),
    ),
    (
        {"BodyPartExamined": "HAND", "AnatomicRegionSequence": coded("51185008")},
        "CHEST",
        ("body_part_disagrees",),
    ),
    ({"BodyPartExamined": "MEIER", "AnatomicRegionSequence": coded("51185008")}, "CHEST", ()),
    ({"SeriesDescription": "Hand PA"}, None, ("described_otherwise",)),
    ({"SeriesDescription": "Hand PA", "BodyPartExamined": "CHEST"}, "CHEST", ()),
    ({"SeriesDescription": "AP de pie"}, None, ()),
]
DX, CT = DigitalXRayImageStorageForPresentation, CTImageStorage
MODALITIES = [
    ({}, None, ()),
    ({"Modality": "DX"}, "DX", ()),
    ({"SOPClassUID": DX}, "DX", ()),
    ({"SOPClassUID": ComputedRadiographyImageStorage}, "CR", ()),
    ({"SOPClassUID": XRayRadiofluoroscopicImageStorage}, "RF", ()),
    ({"SOPClassUID": XRayAngiographicImageStorage}, "XA", ()),
    ({"SOPClassUID": CT}, "CT", ()),
    ({"SOPClassUID": SecondaryCaptureImageStorage}, None, ()),
    ({"Modality": "DX", "SOPClassUID": SecondaryCaptureImageStorage}, "DX", ()),
    ({"Modality": "CR", "SOPClassUID": DX}, "CR", ()),
    ({"Modality": "ZZ", "SOPClassUID": DX}, "DX", ()),
    ({"Modality": "XRAY", "SOPClassUID": DX}, "RG", ()),
    ({"Modality": "OT", "SOPClassUID": DX}, "DX", ()),
    ({"Modality": "DX", "SOPClassUID": CT}, "DX", ("modality_disagrees",)),
    ({"Modality": "OT", "SOPClassUID": CT}, "OT", ("modality_disagrees",)),
    ({"Modality": "CT", "SOPClassUID": DX}, "CT", ()),
    ({"Modality": "MG", "SOPClassUID": ComputedRadiographyImageStorage}, "MG", ()),
]


@pytest.mark.parametrize(("tags", "view", "irregularities"), VIEWS)
def test_view(tags: dict[str, Any], view: str | None, irregularities: tuple[str, ...]) -> None:
    file = dataset(**tags)
    found = decide_view(file, read_orientation(file))
    assert found == Statement(value=view, irregularities=irregularities)


@pytest.mark.parametrize(("tags", "part", "irregularities"), PARTS)
def test_body_part(tags: dict[str, Any], part: str | None, irregularities: tuple[str, ...]) -> None:
    assert decide_body_part(dataset(**tags)) == Statement(value=part, irregularities=irregularities)


@pytest.mark.parametrize(("tags", "modality", "irregularities"), MODALITIES)
def test_modality(
    tags: dict[str, Any], modality: str | None, irregularities: tuple[str, ...]
) -> None:
    expected = Statement(value=modality, irregularities=irregularities)
    assert decide_modality(dataset(**tags)) == expected


def test_the_sop_class_of_the_meta_group_counts_where_the_data_set_has_none() -> None:
    file = dataset()
    file.file_meta = dataset(MediaStorageSOPClassUID=DigitalXRayImageStorageForProcessing)
    assert decide_modality(file).value == "DX"
    assert is_unprocessed(file)


@pytest.mark.parametrize(
    ("tags", "unprocessed"),
    [
        ({}, False),
        ({"PresentationIntentType": "FOR PRESENTATION"}, False),
        ({"PresentationIntentType": "FOR PROCESSING"}, True),
        ({"SOPClassUID": DigitalXRayImageStorageForProcessing}, True),
    ],
)
def test_unprocessed(tags: dict[str, Any], unprocessed: bool) -> None:
    assert is_unprocessed(dataset(**tags)) is unprocessed
