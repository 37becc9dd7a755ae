"""Views, parts of the body and modalities are understood as files and tables write them."""

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

from cxr_core.film.vocabulary import (
    FOR_PROCESSING_CLASSES,
    MODALITIES,
    SOP_CLASS_MODALITIES,
    SOP_CLASS_ROOT,
    find_body_part,
    find_region_code,
    modality_of_sop_class,
    parse_modality,
    parse_view,
    parse_view_code,
)

PA = (
    "PA", "pa", "PA ERECT", "Postero-anterior", "POSTEROANTERIOR", "posterior anterior", "p.a.", "P-A", "P/A", "PA 2",
    "chest PA", "CHESTPA", "PAErect", "Thorax p.a. stehend", "dorsoventral", "d.-v.", "postéro-antérieure",
    "posteroanteriore", "póstero-anterior", "achter-voorwaarts", "PA_upright", "tylno-przednia", "后前位",
)  # fmt: skip
AP = (
    "AP", "AP SUPINE", "AP PORTABLE", "AP_PORTABLE", "ANTERO-POSTERIOR", "anteroposterior", "a.-p.", "AP1",
    "APSUPINE", "ApErect", "ventrodorsal", "V.D.", "antéro-postérieur", "anteroposteriore", "ântero-posterior",
    "AP decúbito supino", "AP_horizontal", "Thorax AP im Bett", "voor-achterwaarts", "AP semi-upright", "LEFT AP",
)  # fmt: skip
FRONTAL = ("Frontal", "frontale", "frontaal", "de face", "de frente", "正位", "F")
LATERAL = (
    "LATERAL", "Lateral", "LL", "RL", "LAT", "L LAT", "LAT R", "LLAT", "R-LAT", "XTABLE LATERAL", "LATERAL LEFT",
    "cross-table lateral", "XTABLELATERAL", "LEFT LATERAL", "seitlich", "Seitenaufnahme", "perfil", "Profil",
    "di profilo", "lateral izquierda", "latéral gauche", "latero-laterale", "laterale", "lateraal", "zijdelings", "L",
    "侧位", "боковая проекция",
)  # fmt: skip
SPECIAL = (
    "LLD", "RLD", "LEFT LATERAL DECUBITUS", "décubitus latéral", "OBLIQUE", "RAO", "LPO", "oblicua", "schräg",
    "schraeg", "LORDOTIC", "lordótica", "COSTAL", "Axial", "Coronal", "SWIMMERS", "décubitus dorsal", "MLO",
)  # fmt: skip
SEVERAL = ("AP/PA", "PA and lateral", "PA/LAT", "Frontal/Lateral", "frente y perfil", "AP LAT")
UNKNOWN = ("XYZ", "map", "cap", "Napa", "MEIER", "bilateral", "Parietal", "EXCLUDE", "2 views")
UNSTATED = (
    "",
    " ",
    "?",
    "-",
    "n/a",
    "N.A.",
    "UNKNOWN",
    "unk",
    "k. A.",
    "inconnu",
    "ERECT",
    "PORTABLE",
    "CHEST",
    "none",
)


@pytest.mark.parametrize(
    ("kind", "view", "texts"),
    [
        ("frontal", "PA", PA),
        ("frontal", "AP", AP),
        ("frontal", None, FRONTAL),
        ("lateral", "LATERAL", LATERAL),
        ("special", None, SPECIAL),
        ("special", "AP", ("AP_AXIAL", "AP LLD", "AP lordotic", "AP oblique supine")),
        ("several", None, SEVERAL),
        ("unknown", None, UNKNOWN),
        ("unstated", None, UNSTATED),
    ],
)
def test_views(kind: str, view: str | None, texts: tuple[str, ...]) -> None:
    found = {text: parse_view(text) for text in texts}
    expected = (kind, view)
    assert {
        text: named for text, named in found.items() if (named.kind, named.view) != expected
    } == {}


@pytest.mark.parametrize("text", [*PA, *AP, *LATERAL])
def test_case_and_spaces_around_a_view_do_not_matter(text: str) -> None:
    if text in ("PAErect", "ApErect"):
        return  # here a capital letter is the only sign of a new word; the next test has them in capitals
    assert parse_view(f"  {text.upper()} ") == parse_view(text.lower()) == parse_view(text)


def test_words_without_a_space_are_taken_apart_in_capitals_too() -> None:
    assert parse_view("PAERECT").view == "PA"
    assert parse_view("APERECT").view == "AP"


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


CHEST = (
    "CHEST", "CHEST PA", "CHEST_PORTABLE", "CHESTPA", "PORTCHEST", "CHEST^ROUTINE", "THORAX", "TÓRAX", "Torax AP",
    "TO\u0301RAX", "BRUSTKORB", "BRUST", "POITRINE", "PECHO", "PEITO", "PETTO", "TORACE", "BORSTKAS", "Thorakal",
    "CXR", "THX", "LUNGS", "Lunge", "POUMONS", "PULMÓN", "PULMAO", "POLMONI", "HEART", "CŒUR", "MEDIASTINUM",
    "KLATKA PIERSIOWA", "胸部", "грудная клетка", "TELE-THORAX", "Thorax 2 Ebenen", "PECTORAL",
)  # fmt: skip
PARTS = {
    "HAND": ("HAND", "LEFT_HAND", "MAIN", "MANO", "MÃO"),
    "WRIST": ("WRIST", "Handgelenk", "POIGNET", "MUÑECA"),
    "SPINE": ("TSPINE", "THORACIC SPINE", "BWS", "BRUSTWIRBELSÄULE", "LSPINE", "columna dorsal", "rachis dorsal"),
    "STERNUM": ("STERNUM", "BRUSTBEIN"),
    "FOOT": ("FOOT", "FUSS", "Fuß", "PIED", "VOET"),
    "ABDOMEN": ("ABDOMEN", "ABD", "BAUCH", "VIENTRE"),
    "SKULL": ("SKULL", "SCHÄDEL", "CRÁNEO"),
    "KNEE": ("KNEE", "KNIE", "GENOU", "RODILLA", "GINOCCHIO", "JOELHO"),
    "BREAST": ("BREAST",),
    "SHOULDER": ("SHOULDER", "ÉPAULE", "SCHULTER"),
}  # fmt: skip


@pytest.mark.parametrize("text", CHEST)
def test_a_chest_is_a_chest_in_every_spelling(text: str) -> None:
    assert find_body_part(text).kind == "chest"


@pytest.mark.parametrize(
    ("part", "text"), [(part, text) for part, texts in PARTS.items() for text in texts]
)
def test_another_part_is_named(part: str, text: str) -> None:
    found = find_body_part(text)
    assert (found.kind, found.part) == ("other", part)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("ribs", ("RIBS", "RIB", "CÔTES", "COSTILLAS", "RIPPEN", "parrilla costal", "HEMITHORAX")),
        ("larger", ("WHOLEBODY", "WHOLE BODY", "BABYGRAM", "CHESTABDOMEN", "NECKCHEST", "TRUNK")),
        ("unknown", ("MEIER", "CHESTER", "MANCHESTER", "OTHER", "XYZ")),
        ("unstated", ("", "UNKNOWN", "UNSPECIFIED", "N/A", "NA", "NONE", "DEFAULT", "***")),
    ],
)
def test_doubtful_parts(kind: str, texts: tuple[str, ...]) -> None:
    assert {text: found for text in texts if (found := find_body_part(text)).kind != kind} == {}


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
    ("text", "modality"),
    [("DX", "DX"), ("cr ", "CR"), ("X-ray", "RG"), ("Röntgen", "RG"), ("MRI", "MR"), ("CT", "CT"), ("ZZ", None),
     ("", None), ("Meier", None)],
)  # fmt: skip
def test_modalities(text: str, modality: str | None) -> None:
    assert parse_modality(text) == modality


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
