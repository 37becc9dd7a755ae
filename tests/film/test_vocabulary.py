"""Views, parts of the body and modalities are understood as files and tables write them."""

import pytest

from cxr_core.film.vocabulary import (
    find_body_part,
    parse_age,
    parse_modality,
    parse_sex,
    parse_view,
)

PA = (
    "PA", "pa", "PA ERECT", "Postero-anterior", "POSTEROANTERIOR", "posterior anterior", "p.a.", "P-A", "P/A", "PA 2",
    "chest PA", "CHESTPA", "PAErect", "Thorax p.a. stehend", "dorsoventral", "d.-v.", "postéro-antérieure",
    "posteroanteriore", "póstero-anterior", "achter-voorwaarts", "PA_upright", "POST ANT", "tylno-przednia", "后前位",
)  # fmt: skip
AP = (
    "AP", "AP SUPINE", "AP PORTABLE", "AP_PORTABLE", "ANTERO-POSTERIOR", "anteroposterior", "a.-p.", "AP1",
    "APSUPINE", "ApErect", "ventrodorsal", "V.D.", "antéro-postérieur", "anteroposteriore", "ântero-posterior",
    "AP decúbito supino", "AP_horizontal", "Thorax AP im Bett", "voor-achterwaarts", "AP semi-upright",
    "ANT-POST", "LEFT AP",
)  # fmt: skip
FRONTAL = ("AP/PA", "Frontal", "frontale", "frontaal", "de face", "de frente", "正位", "F")
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
SEVERAL = ("PA and lateral", "PA/LAT", "Frontal/Lateral", "frente y perfil", "AP LAT")
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


CHEST = (
    "CHEST", "CHEST PA", "CHEST_PORTABLE", "CHESTPA", "PORTCHEST", "CHEST^ROUTINE", "THORAX", "TÓRAX", "Torax AP",
    "TO\u0301RAX", "BRUSTKORB", "BRUST", "POITRINE", "PECHO", "PEITO", "PETTO", "TORACE", "BORSTKAS", "Thorakal",
    "CXR", "THX", "LUNGS", "Lunge", "POUMONS", "PULMÓN", "PULMAO", "POLMONI", "HEART", "CŒUR", "MEDIASTINUM",
    "KLATKA PIERSIOWA", "胸部", "грудная клетка", "TELE-THORAX", "Thorax 2 Ebenen", "PECTORAL",
    "BRÖSTKORG", "NGỰC", "GÖĞÜS",
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


@pytest.mark.parametrize(
    ("text", "modality"),
    [("DX", "DX"), ("cr ", "CR"), ("X-ray", "RG"), ("Röntgen", "RG"), ("MRI", "MR"), ("CT", "CT"), ("ZZ", None),
     ("", None), ("Meier", None)],
)  # fmt: skip
def test_modalities(text: str, modality: str | None) -> None:
    assert parse_modality(text) == modality


@pytest.mark.parametrize(
    ("text", "sex"),
    [("F", "F"), ("female", "F"), ("W", "F"), ("weiblich", "F"), ("Féminin", "F"), ("mujer", "F"), ("M", "M"),
     ("MALE", "M"), ("männlich", "M"), ("H", "M"), ("O", None), ("", None), ("Meier", None)],
)  # fmt: skip
def test_sexes(text: str, sex: str | None) -> None:
    assert parse_sex(text) == sex


@pytest.mark.parametrize(
    ("text", "years"),
    [("034Y", 34), ("81", 81), ("57.5", 57.5), ("57,5", 57.5), ("006M", 0.5), ("8 Monate", 8 / 12),
     ("3 W", 21 / 365.25), ("010D", 10 / 365.25), ("60 Jahre", 60), ("60 años", 60),
     ("60 ans.", 60), ("-1", -1), ("411Y", 411)],
)  # fmt: skip
def test_ages(text: str, years: float) -> None:
    assert parse_age(text) == pytest.approx(years)


@pytest.mark.parametrize("text", ["", "unknown", "34 apples", "Y", "12-14", "Meier 5"])
def test_no_age(text: str) -> None:
    assert parse_age(text) is None
