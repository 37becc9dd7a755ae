"""The codes of views, regions and SOP classes say what the standard's own tables say."""

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    EnhancedXAImageStorage,
    EnhancedXRFImageStorage,
    SecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from cxr_core.film.decoding.dicom_header.codes import (
    FOR_PROCESSING_CLASSES,
    SOP_CLASS_MODALITIES,
    SOP_CLASS_ROOT,
    find_region_code,
    modality_of_sop_class,
    parse_view_code,
)
from cxr_core.film.vocabulary import MODALITIES, find_body_part, parse_view


def test_view_codes_agree_with_the_meanings_of_the_standard() -> None:
    """PS3.16 CID 4010, as pydicom has it: the code and its meaning say the same."""
    odd = {}
    for name in cid_concepts[4010]["SCT"]:
        for code, (meaning, _) in concepts["SCT"][name].items():
            by_meaning = parse_view(meaning)
            for written in (code, mapping["SCT"].get(code, code)):
                by_code = parse_view_code(written)
                known = by_code.kind != "unknown" and by_meaning.kind != "unknown"
                if known and by_code != by_meaning:
                    odd[meaning] = (by_code, by_meaning)
    assert odd == {}
    for code in ("R-10214", "272479007", "R-40888"):
        assert parse_view_code(code).view == "PA"


def test_region_codes_agree_with_the_meanings_of_the_standard() -> None:
    """PS3.16 CID 4009 and CID 4: chest, ribs and larger regions by their code and by their meaning."""
    odd = {}
    for context in (4, 4009):
        for name in cid_concepts[context]["SCT"]:
            for code, (meaning, _) in concepts["SCT"][name].items():
                by_code, by_meaning = find_region_code(code), find_body_part(meaning)
                known = by_code.kind != "unknown" and by_meaning.kind != "unknown"
                if known and by_code.kind != by_meaning.kind:
                    odd[meaning] = (by_code, by_meaning)
                if mapping["SCT"].get(code):
                    assert find_region_code(mapping["SCT"][code]) == by_code
    assert odd == {}


@pytest.mark.parametrize(
    ("uid", "modality"),
    [
        (ComputedRadiographyImageStorage, "CR"),
        (DigitalXRayImageStorageForPresentation, "DX"),
        (DigitalXRayImageStorageForProcessing, "DX"),
        (XRayRadiofluoroscopicImageStorage, "RF"),
        (EnhancedXRFImageStorage, "RF"),
        (XRayAngiographicImageStorage, "XA"),
        (EnhancedXAImageStorage, "XA"),
        (CTImageStorage, "CT"),
        (SecondaryCaptureImageStorage, None),
        ("1.2.3", None),
    ],
)
def test_a_sop_class_says_the_modality(uid: str, modality: str | None) -> None:
    assert modality_of_sop_class(uid) == modality


def test_every_listed_class_has_a_known_modality() -> None:
    assert set(SOP_CLASS_MODALITIES.values()) <= MODALITIES
    assert DigitalXRayImageStorageForProcessing in FOR_PROCESSING_CLASSES
    for uid in FOR_PROCESSING_CLASSES:
        assert uid.removeprefix(SOP_CLASS_ROOT) in SOP_CLASS_MODALITIES
