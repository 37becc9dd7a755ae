"""Understands what files and tables call a view, a body part, a modality, a sex and an age, in several languages.

Texts are compared without case, accents and punctuation. Only the program's own terms come out, so that a name which
was typed into the wrong field does not. A text that is not understood ("unknown") is told apart from one that says
nothing ("unstated"), and both from a known term that does not fit.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cxr_core.film.radiograph import Sex, View

ViewKind = Literal["frontal", "lateral", "special", "several", "unknown", "unstated"]
PartKind = Literal["chest", "ribs", "larger", "other", "unknown", "unstated"]


@dataclass(frozen=True, kw_only=True)
class NamedView:
    """What a text says about the view.

    kind: frontal; lateral; special (oblique, decubitus, lordotic, a slice ...); several (frontal and lateral); unknown
    (not understood); unstated.
    view: PA, AP or LATERAL; None where the text does not decide, as "Frontal" and "AP/PA" do not.
    """

    kind: ViewKind
    view: View | None = None


@dataclass(frozen=True, kw_only=True)
class NamedPart:
    """What a text says about the part of the body.

    kind: chest; ribs (a part of the chest, often under another exposure); larger (the chest and more); other (a known
    part without the chest); unknown (not understood); unstated.
    part: DICOM's term, such as CHEST or HAND (PS3.16 annex L); None for unknown and unstated.
    """

    kind: PartKind
    part: str | None = None


# Texts that say nothing, as `split_words` joins them.
UNSTATED = frozenset((
    "", "unknown", "unk", "ukn", "unspecified", "undefined", "undetermined", "none", "null", "nil", "nan", "na", "n a",
    "default", "not specified", "not stated", "not applicable", "not available", "missing", "unbekannt", "k a",
    "keine angabe", "inconnu", "inconnue", "desconocido", "desconocida", "desconhecido", "desconhecida", "sconosciuto",
    "sconosciuta", "onbekend", "no especificado", "nao informado", "non specificato", "non precise",
))  # fmt: skip

# Letters that Unicode does not take apart into a base letter and an accent.
PLAIN_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})

# Phrases of several words, each brought to the one word that the tables below know.
VIEW_PHRASES = (
    (r"\b(antero|anterior|anteriore|ventro|voor) ?(posterior|posterieur|dorsal|achterwaarts)\w*", "ap"),
    (r"\b(postero|posterior|posteriore|dorso|achter) ?(anterior|anterieur|ventral|voorwaarts)\w*", "pa"),
    (r"\bant ?post\b|\bprzednio ?tyln\w*", "ap"),
    (r"\bpost ?ant\b|\btylno ?przedni\w*", "pa"),
    (r"\b(a p|v d|vd)\b", "ap"),
    (r"\b(p a|d v|dv)\b", "pa"),
    (r"\b[lr] l\b", "ll"),
    (r"\bside view\b", "lateral"),
    (r"\bmedio ?lateral\w*|\blatero ?medial\w*", "lateral"),
)  # fmt: skip
POSTURES = (
    "supine|prone|erect|upright|portable|mobile|standing|sitting|semi|semierect|semiupright|recumbent|bedside|axial|"
    "lordotic|chest|thorax|view|proj|projection|horizontal|left|right|lt|rt|xr|cr|dx|cxr"
)
# Words that were written without a space: "APSUPINE", "CHESTPA".
JOINED_VIEW = re.compile(rf"(ap|pa|lat|llat|rlat)({POSTURES})|({POSTURES})(ap|pa|lat|llat|rlat)")

# An entry is a whole word; "stem*" begins a word; "*stem*" lies anywhere within one.
VIEW_WORDS: dict[str, tuple[str, ...]] = {
    "PA": ("pa", "后前位", "後前位"),
    "AP": ("ap", "前后位", "前後位"),
    "frontal": ("fronta*", "front", "face", "frente", "vorne", "*正位*", "*正面*", "прям*"),
    # PS3.3 C.8.7.1.1.2 and C.8.11.5.1.1 call them LL and RL; so do CheXpert and PadChest.
    "lateral": (
        "ll", "rl", "lat", "latl", "latr", "llat", "rlat", "xtlat", "lateral*", "latero*", "*tablelateral*",
        "leftlateral*", "rightlateral*", "chestlateral*", "thoraxlateral*", "lateraal*", "profil", "profils",
        "perfil", "profilo", "profiel", "seitlich*", "seite", "seitenaufnahme", "seitenansicht", "seitbild",
        "zijdelings*", "zijaanzicht", "zijopname", "sideview", "boczn*", "боков*", "*侧位*", "*側位*", "*側面*",
    ),
    # Also what PA and AP films are not: the standard's oblique and decubitus views (LLD, RLO ...), and slices.
    "special": (
        "obli*", "obl", "lao", "rao", "lpo", "rpo", "llo", "rlo", "schrag*", "schraeg*", "schuin*", "lld", "rld",
        "decub*", "dekub*", "lordo*", "apicolordo*", "axial*", "assial*", "axiaal*", "transvers*", "coronal*",
        "sagit*", "tangent*", "swimmer*", "costal*", "cc", "mlo", "xccl", "caudocranial*", "craniocaudal*", "scout",
        "topogram*", "localizer*",
    ),
}  # fmt: skip
# Words beside a view that do not say which view it is.
POSTURE_WORDS: tuple[str, ...] = (
    *POSTURES.split("|"), "liegend", "stehend", "sitzend", "bett*", "debout", "couche", "assis", "lit", "pie",
    "acostado", "sentado", "bipedestacion", "leito", "deitado", "piedi", "letto", "sdraiato", "liggend", "staand",
    "zittend", "l", "r", "inspiration", "expiration", "ap1",
)  # fmt: skip
LYING_WORDS = ("supin*", "dors*", "pron*", "ventral*")

CHEST_WORDS: dict[str, tuple[str, ...]] = {
    "LUNG": ("lung*", "*pulm*", "poumon*", "polmon*", "longen", "*pleur*", "pluc*", "plaman*", "keuhko*",
             "phoi", "paru", "akciger*", "легк*"),
    "HEART": ("heart*", "*cardia*", "*cardio*", "herz*", "coeur*", "cuore", "corazon", "coracao"),
    "MEDIASTINUM": ("*mediastin*",),
    "CHEST": (
        "chest", "*thora*", "*torax*", "*torac*", "*torak*", "thx", "cxr", "chst", "chx", "brust", "brustkorb*",
        "brustkasten", "brustraum", "poitrine", "pecho", "peito", "petto", "borst", "borstkas*", "pectoral*",
        "ribcage", "klatka", "klatki", "piersiow*", "hrudnik*", "mellkas*", "rintakeha*", "brostkorg*", "bryst*",
        "gogus*", "nguc", "piept", "*胸*", "груд*",
    ),
}  # fmt: skip
# "CHESTPA", "PORTCHEST", but neither Chester nor chestnut.
CHEST_INSIDE = re.compile(r"chest(?!er|n)")
RIB_WORDS = (
    "rib", "ribs", "rippe*", "cote", "cotes", "costal*", "costill*", "costa", "costae", "costole", "costola",
    "costela*", "ribben", "hemithora*", "hemitora*", "emitora*", "halbthorax",
)  # fmt: skip
WHOLE_WORDS = (
    "wholebody*", "totalbody*", "babygram*", "ganzkorper*", "ganzkoerper*", "trunk", "torso", "rumpf", "tronc",
    "tronco", "cuerpo", "corpo", "corps", "lichaam", "fullbody",
)  # fmt: skip
# "De pie" is standing, not a foot.
POSTURE_PHRASES = re.compile(r"\b(de|en) pie\b|\b(arm|arms|head) (up|down)\b")
WHOLE_PHRASES = re.compile(r"\b(whole|total|full|entire) body\b")

# PS3.16 annex L, and how sites spell them. Spine and sternum come before the chest, whose name they contain.
BEFORE_CHEST: dict[str, tuple[str, ...]] = {
    "SPINE": (
        "*spine*", "spinal*", "*vertebr*", "*wirbel*", "rachis", "columna", "coluna", "colonna", "*wervel*", "bws",
        "hws", "lws", "thoracolumb*", "thorakolumb*", "toracolomb*", "toracolumb*", "dorsolumb*", "dorsolomb*",
        "lumbo*", "lumbar*", "lombo*", "sacr*", "coccy*",
    ),
    "STERNUM": ("stern", "sternum*", "sternal*", "brustbein*", "esternon", "esterno", "sterno", "borstbeen"),
}  # fmt: skip
OTHER_PARTS: dict[str, tuple[str, ...]] = {
    **BEFORE_CHEST,
    "ABDOMEN": ("*abdom*", "*addom*", "abd", "bauch*", "vientre", "ventre", "buik*", "kub", "stomach", "colon",
                "renal*", "kidney*", "niere*", "uro*", "liver", "brzuch*"),
    "PELVIS": ("*pelvi*", "becken*", "bacino", "bacia", "bassin", "bekken*", "miednic*"),
    "SKULL": ("*skull*", "schadel*", "schaedel*", "crane", "crani*", "craneo", "schedel*", "czaszk*"),
    "HEAD": ("head*", "kopf", "tete", "cabeza", "cabeca", "testa", "hoofd", "brain*", "cereb*", "gehirn", "facial*",
             "gesicht"),
    "NECK": ("neck*", "hals", "cou", "cuello", "collo", "pescoco", "nek", "cervic*", "larynx", "pharynx"),
    "SHOULDER": ("shoulder*", "schulter*", "epaule*", "hombro*", "spalla", "spalle", "ombro*", "schouder*", "barki",
                 "acj"),
    "CLAVICLE": ("clavic*", "klavik*", "schlusselbein*", "sleutelbeen*"),
    "SCAPULA": ("scapul*", "skapul*", "escapul*", "omoplat*", "schulterblatt"),
    "HUMERUS": ("humer*", "oberarm*", "bovenarm*", "omero", "umero"),
    "ELBOW": ("elbow*", "ellbogen*", "ellenbogen*", "coude*", "codo", "codos", "gomito", "cotovelo*", "elleboog*"),
    "FOREARM": ("forearm*", "unterarm*", "antebra*", "avambracc*", "onderarm*", "radius", "ulna", "avant"),
    "WRIST": ("wrist*", "handgelenk*", "poignet*", "muneca*", "polso", "polsi", "punho*", "pols"),
    "HAND": ("hand", "hands", "hande", "haende", "main", "mains", "mano", "manos", "mani", "mao", "maos", "handen"),
    "FINGER": ("finger*", "doigt*", "dedo*", "dito", "dita", "vinger*", "thumb*", "daumen", "pouce*", "pulgar"),
    "HIP": ("hip", "hips", "hufte*", "huefte*", "hanche*", "cadera*", "anca", "anche", "quadril*", "heup*"),
    "FEMUR": ("femur*", "femor*", "oberschenkel*", "thigh*", "cuisse*", "muslo*", "coscia", "coxa", "bovenbeen"),
    "KNEE": ("knee*", "knie*", "genou*", "rodilla*", "ginocch*", "joelho*", "patell*"),
    "LEG": ("leg", "legs", "tibia*", "fibula*", "perone*", "unterschenkel*", "jambe*", "pierna*", "gamba", "gambe",
            "perna*", "onderbeen", "been"),
    "ANKLE": ("ankle*", "sprunggelenk*", "knochel*", "cheville*", "tobillo*", "cavigli*", "tornozelo*", "enkel*"),
    "FOOT": ("foot", "feet", "fuss*", "pied*", "pie", "pies", "voet*", "pes", "calcan*", "heel*", "ferse*"),
    "TOE": ("toe", "toes", "zehe*", "orteil*", "hallux"),
    "BREAST": ("breast*", "mammo*", "mamma*", "mama", "mamas"),
    "JAW": ("jaw*", "kiefer*", "mandib*", "maxil*", "machoire*", "tmj"),
    "TEETH": ("tooth", "teeth", "dental*", "zahn*", "zahne", "dents", "diente*", "denti", "dentes", "tanden"),
    "SINUS": ("sinus*", "nnh", "*paranasal*", "nasal*", "nose", "nase"),
    "ORBIT": ("orbit*", "eye", "eyes", "auge*"),
    "EXTREMITY": ("extrem*", "exm", "limb*", "arm", "arms", "bein", "beine", "bras", "brazo*", "braccio", "braco"),
    "ESOPHAGUS": ("esophag*", "oesophag*", "esofag*", "osophag*"),
    "PHANTOM": ("phantom*",),
}  # fmt: skip

# Parts under which a chest film may come.
CHEST_PARTS = frozenset((*CHEST_WORDS, "THORAX", "RIB", "WHOLEBODY"))

SEX_WORDS: dict[Sex, tuple[str, ...]] = {
    "F": ("f", "fem", "female", "woman", "girl", "w", "weiblich", "frau", "feminin", "feminine", "femme", "femenino",
          "femenina", "mujer", "feminino", "feminina", "mulher", "femmina", "femminile", "donna", "vrouw",
          "vrouwelijk"),
    "M": ("m", "male", "man", "boy", "h", "mannlich", "maennlich", "mann", "masculin", "homme", "masculino", "hombre",
          "homem", "maschio", "maschile", "uomo", "mannelijk"),
}  # fmt: skip
# "034Y", "34", "34 years", "8 Monate", "6 mois". A bare number is one of years.
AGE = re.compile(r"(-?\d+(?:[.,]\d+)?)\s*([a-z]*)")
AGE_UNITS: dict[float, tuple[str, ...]] = {
    1.0: ("", "y", "yr", "yrs", "yo", "year", "years", "a", "j", "jahr", "jahre", "ans", "ano", "anos", "anni", "anno",
          "jaar"),
    1 / 12: ("m", "mo", "mth", "month", "months", "mon", "monat", "monate", "mois", "mes", "meses", "mesi", "mese",
             "maand", "maanden"),
    7 / 365.25: ("w", "wk", "wks", "week", "weeks", "woche", "wochen", "semaine", "semaines", "semana", "semanas",
                 "settimane", "weken"),
    1 / 365.25: ("d", "day", "days", "t", "tag", "tage", "jour", "jours", "dia", "dias", "giorni", "dagen"),
}  # fmt: skip

# Defined terms of PS3.3 C.7.3.1.1.1 that hold pictures or occur together with them.
MODALITIES = frozenset((
    "CR", "DX", "DR", "RG", "RF", "XA", "MG", "PX", "IO", "OT", "SC", "XC", "ES", "GM", "SM", "OP", "OPT",
    "OPM", "OPV", "OCT", "IVUS", "IVOCT", "CT", "MR", "NM", "PT", "US", "BI", "BDUS", "BMD", "DG", "LS", "TG",
    "HC", "ECG", "EPS", "HD", "SR", "KO", "PR", "SEG", "REG", "RTIMAGE", "RTDOSE", "RTSTRUCT", "RTPLAN",
    "RTRECORD", "DOC", "FID", "PLAN", "RWV", "SRF", "VA", "VF", "AU", "M3D",
))  # fmt: skip
RADIOGRAPHY = frozenset({"CR", "DX", "DR", "RG", "RF"})
# "Other" and "secondary capture" say how a file was made, not how the picture was taken.
UNSPECIFIC_MODALITIES = frozenset({"OT", "SC"})
MODALITY_WORDS: dict[str, tuple[str, ...]] = {
    "CR": ("computed radiography", "cr"),
    "DX": ("digital radiography", "dx", "dxr", "ddr"),
    "RG": ("xr", "rx", "xray", "x ray", "x rays", "cxr", "radiograph", "radiography", "plain film", "plain radiograph",
           "rontgen", "roentgen", "radiographie", "radiografia", "radiology"),
    "RF": ("fluoroscopy",),
    "MG": ("mammography", "mammogram"),
    "CT": ("ct", "ct scan", "computed tomography", "cat"),
    "MR": ("mr", "mri"),
    "PT": ("pet", "pt"),
    "US": ("ultrasound", "sonography"),
    "NM": ("nuclear medicine", "scintigraphy"),
}  # fmt: skip


def split_words(text: str) -> list[str]:
    """The words of a text, lower-case and without accents: "Tórax a.-p." -> torax, a, p."""
    # A small letter before a capital one ends a word: "ApErect".
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text)
    return re.findall(r"[^\W\d_]+", _remove_accents(text))


def _remove_accents(text: str) -> str:
    """Lower-case letters without accents: Ä as a."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(PLAIN_LETTERS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def parse_view(text: str) -> NamedView:
    """The view that a text names: "AP SUPINE", "postero-anterior", "L LAT", "Thorax seitlich"."""
    phrase = " ".join(split_words(text))
    if phrase in UNSTATED:
        return NamedView(kind="unstated")
    for pattern, word in VIEW_PHRASES:
        phrase = re.sub(pattern, word, phrase)
    if phrase == "l":  # PadChest's name of the lateral view
        return NamedView(kind="lateral", view="LATERAL")
    if phrase == "f":
        return NamedView(kind="frontal")
    words = _separate_joined(phrase.split())
    named = {meaning for meaning, entries in VIEW_WORDS.items() if _has_word(words, entries)}
    if named:
        return _decide_view(named, words)
    if all(_matches(word, POSTURE_WORDS) for word in words):
        return NamedView(kind="unstated")
    return NamedView(kind="unknown")


def find_body_part(text: str) -> NamedPart:
    """The part of the body that a text names: "TÓRAX", "CHEST_PORTABLE", "Brustkorb", "HAND"."""
    phrase = " ".join(split_words(text))
    if phrase in UNSTATED:
        return NamedPart(kind="unstated")
    words = POSTURE_PHRASES.sub(" ", phrase).split()
    other = _find_entry(words, OTHER_PARTS)
    if other in BEFORE_CHEST and not _names_chest_itself(words):
        return NamedPart(kind="other", part=other)
    if _has_word(words, WHOLE_WORDS) or WHOLE_PHRASES.search(phrase):
        return NamedPart(kind="larger", part="WHOLEBODY")
    chest = _find_entry(words, CHEST_WORDS)
    if chest is None and CHEST_INSIDE.search(phrase):
        chest = "CHEST"
    if chest is not None and other is not None:
        return NamedPart(kind="larger", part="WHOLEBODY")
    if _has_word(words, RIB_WORDS):
        return NamedPart(kind="ribs", part="RIB")
    if chest is not None:
        return NamedPart(kind="chest", part=chest)
    return NamedPart(kind="unknown" if other is None else "other", part=other)


def parse_modality(text: str) -> str | None:
    """DICOM's term of a modality, also for "X-ray" or "MRI"; None when it is not understood."""
    code = text.strip().upper()
    if code in MODALITIES:
        return code
    phrase = " ".join(split_words(text))
    for modality, phrases in MODALITY_WORDS.items():
        if phrase in phrases:
            return modality
    return None


def parse_sex(text: str) -> Sex | None:
    """F or M, also as a word; None for another sex, and for what is not understood."""
    phrase = " ".join(split_words(text))
    for sex, words in SEX_WORDS.items():
        if phrase in words:
            return sex
    return None


def parse_age(text: str) -> float | None:
    """Years from a number or a number with a unit ("057Y", "8 months"); None when it is neither.

    Nothing is said of whether a person can be so old.
    """
    match = AGE.fullmatch(_remove_accents(text).strip().rstrip("."))
    if match is None:
        return None
    for years, names in AGE_UNITS.items():
        if match[2] in names:
            return float(match[1].replace(",", ".")) * years
    return None


def _decide_view(named: set[str], words: list[str]) -> NamedView:
    """The view of a text from the meanings found in it."""
    directions = named & {"PA", "AP"}
    direction: View | None = None
    if len(directions) == 1:
        direction = "PA" if "PA" in directions else "AP"
    if "special" in named and not _is_lying_frontal(named, words):
        return NamedView(kind="special", view=direction)
    frontal = bool(directions) or "frontal" in named
    if frontal and "lateral" in named:
        return NamedView(kind="several")
    if "lateral" in named:
        return NamedView(kind="lateral", view="LATERAL")
    return NamedView(kind="frontal", view=direction)


def _is_lying_frontal(named: set[str], words: list[str]) -> bool:
    """Whether "decubitus" only means that the patient lies on the back or belly ("AP decúbito supino")."""
    others = [word for word in words if not _matches(word, ("decub*", "dekub*"))]
    return (
        bool(named & {"PA", "AP"})
        and "lateral" not in named
        and _has_word(words, LYING_WORDS)
        and not _has_word(others, VIEW_WORDS["special"])
    )


def _separate_joined(words: list[str]) -> list[str]:
    """The words, those written without a space taken apart: apsupine -> ap, supine."""
    separated: list[str] = []
    for word in words:
        match = JOINED_VIEW.fullmatch(word)
        separated += [part for part in match.groups() if part] if match else [word]
    return separated


def _names_chest_itself(words: list[str]) -> bool:
    """Whether a text names the chest beside its spine or sternum: "CHEST AND T-SPINE", but not "THORACIC SPINE"."""
    return _has_word(words, ("chest", "thorax", "torax", "torace", "lungs", "lunge", "cxr"))


def _find_entry(words: list[str], table: dict[str, tuple[str, ...]]) -> str | None:
    """The first key of a table whose entries match one of the words."""
    for key, entries in table.items():
        if _has_word(words, entries):
            return key
    return None


def _has_word(words: Iterable[str], entries: tuple[str, ...]) -> bool:
    return any(_matches(word, entries) for word in words)


def _matches(word: str, entries: tuple[str, ...]) -> bool:
    """Whether a word is one of the entries: `word`, `stem*` or `*stem*`."""
    for entry in entries:
        stem = entry.strip("*")
        if entry.startswith("*"):
            found = stem in word
        elif entry.endswith("*"):
            found = word.startswith(stem)
        else:
            found = word == stem
        if found:
            return True
    return False
