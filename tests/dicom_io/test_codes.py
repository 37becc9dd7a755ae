"""The codes: the standard's own where its dictionaries have them, well-formed where not, and all of them documented."""

from pathlib import Path

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code

from cxr_core.dicom_io.codes import (
    FINDING_CODES,
    MEANING_LENGTH,
    OWN_SCHEME,
    SEGMENT_CODES,
    list_codes,
    own_code,
)
from cxr_core.dicom_io.object_kinds import KINDS, parse_kinds
from cxr_core.errors import SettingsError
from cxr_core.findings import FINDINGS, STRUCTURES

DOCUMENT = Path(__file__).parents[2] / "docs" / "dicom.md"
# Of SNOMED CT, and not in pydicom's dictionaries: read in other public tables (docs/dicom.md).
LOOKED_UP = {
    "399208008": "Plain chest X-ray",
    "8186001": "Cardiomegaly",
    "233604007": "Pneumonia",
    "46621007": "Atelectasis",
    "95436008": "Lung consolidation",
    "87433001": "Pulmonary emphysema",
    "51615001": "Pulmonary fibrosis",
    "39839004": "Diaphragmatic hernia",
    "168734001": "Standard chest X-ray abnormal",
    "44029006": "Left lung",
    "3341006": "Right lung",
}
PIXELS = "{pixels}"  # of UCUM, whose annotations in braces are free


def standard_codes() -> list[Code]:
    return [code for _, code in list_codes() if code.scheme_designator != OWN_SCHEME]


def test_codes_of_the_standard_are_in_its_dictionaries_under_their_meaning():
    for code in standard_codes():
        if code.value in (*LOOKED_UP, PIXELS):
            continue
        entries = concepts[code.scheme_designator].values()
        meanings = [entry[code.value][0].lower() for entry in entries if code.value in entry]
        assert code.meaning.lower() in meanings, code


def test_the_other_codes_of_snomed_are_those_that_were_looked_up():
    dictionary = {value for entry in concepts["SCT"].values() for value in entry}
    others = {
        code.value: code.meaning
        for code in standard_codes()
        if code.scheme_designator == "SCT" and code.value not in dictionary
    }
    assert others == LOOKED_UP


def test_every_code_of_snomed_has_its_check_digit():
    codes = {code.value for code in standard_codes() if code.scheme_designator == "SCT"}
    assert [value for value in codes if not has_verhoeff_digit(value)] == []
    assert not has_verhoeff_digit("8186002")


def has_verhoeff_digit(number: str) -> bool:
    """Whether the last digit of a SNOMED CT identifier checks the others, by the dihedral group of ten."""

    def multiply(one: int, other: int) -> int:
        if one < 5:
            return (one + other) % 5 + (0 if other < 5 else 5)
        return (one - other) % 5 + (5 if other < 5 else 0)

    permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    total = 0
    for place, digit in enumerate(map(int, reversed(number))):
        for _ in range(place % 8):
            digit = permutation[digit]
        total = multiply(total, digit)
    return total == 0


def test_own_codes_are_told_apart_and_fit():
    own = {
        code.value: code.meaning for _, code in list_codes() if code.scheme_designator == OWN_SCHEME
    }
    assert len(own) == len({*own.values()})
    assert OWN_SCHEME.startswith("99")  # private, by PS3.16 8.2
    assert max(len(code.meaning) for _, code in list_codes()) <= MEANING_LENGTH
    assert len(own_code("x", "word " * 40).meaning) == MEANING_LENGTH


def test_every_finding_and_structure_has_a_code_and_none_is_shared():
    assert set(FINDING_CODES) <= set(FINDINGS)
    assert set(FINDINGS) - set(FINDING_CODES) == {"pleural_thickening"}
    assert len({code.value for code in FINDING_CODES.values()}) == len(FINDING_CODES)
    assert tuple(SEGMENT_CODES) == STRUCTURES


def test_the_document_lists_every_code():
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| `") and line.count("|") == 5]
    expected = [
        f"| `{code.value}` | {code.scheme_designator} | {code.meaning} | {use} |"
        for use, code in list_codes()
    ]
    assert table == expected
    assert all(any(line.startswith(f"| `{kind}` |") for line in lines) for kind in KINDS)


def test_kinds_of_objects_are_parsed():
    assert parse_kinds("segmentation, sr,sr") == ("sr", "segmentation")
    for wrong in ("", ",", "sr,xml"):
        with pytest.raises(SettingsError, match="choose from sr, image, pdf, segmentation"):
            parse_kinds(wrong)
