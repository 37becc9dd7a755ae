"""Lists the codes and SOP classes by which a DICOM file names views, regions of the body and kinds of picture.

SNOMED CT codes, and those of the older SRT scheme: PS3.16 CID 4010 (views) and CID 4009 (regions), annex D of PS3.16.
"""

from cxr_core.film.vocabulary import NamedPart, NamedView

VIEW_CODES: dict[str, NamedView] = {
    **dict.fromkeys(("272479007", "R-10214", "R-40888"), NamedView(kind="frontal", view="PA")),
    **dict.fromkeys(("399348003", "R-10206"), NamedView(kind="frontal", view="AP")),
    **dict.fromkeys(("399033003", "R-10202"), NamedView(kind="frontal")),
    **dict.fromkeys(
        ("399067008", "R-102CD", "399173006", "R-10236", "399198007", "R-10232", "399352003", "R-10228",
         "399260004", "R-10224"),
        NamedView(kind="lateral", view="LATERAL"),
    ),
    **dict.fromkeys(
        ("399182000", "R-102C1", "399236003", "R-10234", "399184004", "R-10238", "399135007", "R-10220", "399356000",
         "R-40985", "R-10222", "399006002", "R-10212", "399038007", "R-10210", "399160007", "R-10204", "399061009",
         "R-10241", "399110001", "R-102C2", "260427002", "R-40783", "260426006", "R-40782", "30730003", "G-A145",
         "399004004", "R-10246", "399132005", "R-10252", "399325008", "R-10254", "399162004", "R-10242", "399196006",
         "R-10244"),
        NamedView(kind="special"),
    ),
    **dict.fromkeys(("399059000", "R-10216"), NamedView(kind="special", view="PA")),
    **dict.fromkeys(("399312000", "R-10208"), NamedView(kind="special", view="AP")),
}  # fmt: skip

CHEST_CODES: dict[str, tuple[str, ...]] = {
    "CHEST": ("816094009", "51185008", "T-D3000", "43799004", "T-D3200", "302551006"),
    "LUNG": ("39607008", "T-28000", "86598002", "T-280A0", "3120008", "T-29000"),
    "HEART": ("80891009", "T-32000"),
    "MEDIASTINUM": ("72410000", "T-D3300"),
}
RIB_CODES = ("113197003", "T-11300", "78904004", "T-D3050", "272710004", "T-D0170")
# The body, the trunk, and the chest together with neck, abdomen or pelvis.
LARGER_CODES = (
    "38266002", "T-D0010", "22943007", "T-D2000", "416550000", "R-FAB55", "416775004", "R-FAB56", "417437006",
    "R-FAB52", "416152001", "R-FAB53", "416319003", "R-FAB54",
)  # fmt: skip
OTHER_CODES: dict[str, tuple[str, ...]] = {
    "ABDOMEN": ("818981001", "818982008", "T-D4000", "71854001", "T-59300", "69695003", "T-57000"),
    "ANKLE": ("70258002", "T-15750"),
    "BREAST": ("76752008", "T-04000"),
    "CLAVICLE": ("51299004", "T-12310"),
    "ELBOW": ("16953009", "T-15430"),
    "EXTREMITY": ("66019005", "T-D0300", "53120007", "T-D8000", "40983000", "T-D8200", "61685007", "T-D9000"),
    "FEMUR": ("68367000", "T-D9100", "71341001", "T-12710"),
    "FINGER": ("7569003", "T-D8800", "76505004", "T-D8810"),
    "FOOT": ("56459004", "T-D9700", "80144004", "T-12770"),
    "FOREARM": ("14975008", "T-D8500"),
    "HAND": ("85562004", "T-D8700"),
    "HEAD": ("69536005", "T-D1100", "774007", "T-D1000", "91397008", "T-11196"),
    "HIP": ("24136001", "T-15710", "29836001", "T-D2500"),
    "HUMERUS": ("85050009", "T-12410"),
    "JAW": ("661005", "T-D1213", "91609006", "T-11180", "70925003", "T-11170"),
    "KNEE": ("72696002", "T-D9200", "64234005", "T-12730"),
    "LEG": ("30021000", "T-D9400", "87342007", "T-12750"),
    "NECK": ("45048000", "T-D1600", "4596009", "T-24100"),
    "ORBIT": ("363654007", "T-D14AE", "81745001", "T-AA000"),
    "PELVIS": ("816092008", "T-D6000"),
    "PHANTOM": ("706342009", "R-FE0C7"),
    "SCAPULA": ("79601000", "T-12280"),
    "SHOULDER": ("16982005", "T-D2220"),
    "SINUS": ("2095001", "T-22000"),
    "SKULL": ("89546000", "T-11100"),
    "SPINE": ("421060004", "T-D04FF", "122495006", "T-11502", "122496007", "T-11503", "122494005", "T-11501",
              "1217254007", "1217257000", "1217256009", "1217253001", "54735007", "T-11AD0", "64688005", "T-11BF0"),
    "STERNUM": ("56873002", "T-11210"),
    "TOE": ("29707007", "T-D9800"),
    "WRIST": ("74670003", "T-15460"),
}  # fmt: skip
REGION_CODES: dict[str, NamedPart] = {
    **{code: NamedPart(kind="chest", part=part) for part, codes in CHEST_CODES.items() for code in codes},
    **dict.fromkeys(RIB_CODES, NamedPart(kind="ribs", part="RIB")),
    **dict.fromkeys(LARGER_CODES, NamedPart(kind="larger", part="WHOLEBODY")),
    **{code: NamedPart(kind="other", part=part) for part, codes in OTHER_CODES.items() for code in codes},
}  # fmt: skip

# SOP classes (PS3.4 B.5) by the last parts of their UID. A secondary capture says nothing and is not listed.
SOP_CLASS_ROOT = "1.2.840.10008.5.1.4.1.1."
SOP_CLASS_MODALITIES: dict[str, str] = {
    "1": "CR", "1.1": "DX", "1.1.1": "DX", "1.2": "MG", "1.2.1": "MG", "1.3": "IO", "1.3.1": "IO", "2": "CT",
    "2.1": "CT", "2.2": "CT", "3": "US", "3.1": "US", "4": "MR", "4.1": "MR", "4.2": "MR", "4.3": "MR", "4.4": "MR",
    "5": "NM", "6": "US", "6.1": "US", "6.2": "US", "12.1": "XA", "12.1.1": "XA", "12.2": "RF", "12.2.1": "RF",
    "12.3": "XA", "13.1.1": "XA", "13.1.2": "XA", "13.1.3": "MG", "13.1.4": "MG", "13.1.5": "MG", "20": "NM",
    "66.4": "SEG", "77.1.1": "ES", "77.1.2": "GM", "77.1.3": "SM", "77.1.4": "XC", "77.1.6": "SM", "128": "PT",
    "128.1": "PT", "130": "PT", "481.1": "RTIMAGE", "481.2": "RTDOSE",
}  # fmt: skip
FOR_PROCESSING_CLASSES = frozenset(SOP_CLASS_ROOT + last for last in ("1.1.1", "1.2.1", "1.3.1"))


def parse_view_code(code: str) -> NamedView:
    """The view of a code of View Code Sequence (PS3.16 CID 4010); unknown for another code."""
    return VIEW_CODES.get(code.strip().upper(), NamedView(kind="unknown"))


def find_region_code(code: str) -> NamedPart:
    """The part of a code of Anatomic Region Sequence (PS3.16 CID 4009); unknown for another code."""
    return REGION_CODES.get(code.strip().upper(), NamedPart(kind="unknown"))


def modality_of_sop_class(uid: str) -> str | None:
    """The modality that a SOP class holds; None for secondary captures and what is not listed."""
    if not uid.startswith(SOP_CLASS_ROOT):
        return None
    return SOP_CLASS_MODALITIES.get(uid.removeprefix(SOP_CLASS_ROOT))
