"""Lists the findings that come with the program: their keys, names, definitions, and aliases in datasets.

`known_findings.py` adds those that a workspace defines.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One radiological finding. aliases: its names in datasets, in lower case."""

    key: str
    name: str
    definition: str
    aliases: frozenset[str] = frozenset()


def spell_aliases(*names: str) -> frozenset[str]:
    """Names in lower case, each with spaces and with underscores."""
    spoken = {name.lower() for name in names}
    return frozenset(spoken | {name.replace(" ", "_") for name in spoken})


def _define_finding(key: str, name: str, definition: str, *aliases: str) -> tuple[str, Finding]:
    return key, Finding(key, name, definition, spell_aliases(name, key, *aliases))


# The finding of films that are not normal, whatever they show; it comes after the findings that say what they show.
ABNORMALITY = "abnormality"

FINDINGS: dict[str, Finding] = dict(
    [
        _define_finding(
            "cardiomegaly",
            "Cardiomegaly",
            "An enlarged heart shadow: on a PA film of an adult its greatest width is more than half of the thorax's.",
            "enlarged heart",
            "heart enlargement",
        ),
        _define_finding(
            "pneumonia",
            "Pneumonia",
            "Infection of the lung, seen as opacity of its air spaces or interstitium.",
            "bacterial pneumonia",
            "viral pneumonia",
            "pneumonia bacterial",
            "pneumonia viral",
            "pneumonia/bacterial",
            "pneumonia/viral",
            "pneumonia/viral/covid-19",
            "covid-19 pneumonia",
            "pnemonia",  # as CoronaHack's table spells it
        ),
        _define_finding(
            "atelectasis", "Atelectasis", "Loss of volume of a part of the lung.", "atelectases"
        ),
        _define_finding(
            "effusion",
            "Effusion",
            "Fluid in the pleural space.",
            "pleural effusion",
            "pleural effusions",
        ),
        _define_finding(
            "infiltration",
            "Infiltration",
            "Opacity of the lung that is not further named.",
            "infiltrate",
            "infiltrates",
        ),
        _define_finding(
            "mass", "Mass", "A round opacity of more than 3 cm.", "lung mass", "pulmonary mass"
        ),
        _define_finding(
            "nodule", "Nodule", "A round opacity of up to 3 cm.", "lung nodule", "pulmonary nodule"
        ),
        _define_finding("pneumothorax", "Pneumothorax", "Air in the pleural space."),
        _define_finding(
            "consolidation",
            "Consolidation",
            "Air spaces filled, so that vessels can no longer be told apart.",
        ),
        _define_finding(
            "edema",
            "Edema",
            "Fluid in the lung's interstitium or air spaces.",
            "oedema",
            "pulmonary edema",
            "pulmonary oedema",
        ),
        _define_finding(
            "emphysema", "Emphysema", "Air spaces widened for good.", "pulmonary emphysema"
        ),
        _define_finding(
            "fibrosis", "Fibrosis", "Scarring of the lung.", "lung fibrosis", "pulmonary fibrosis"
        ),
        _define_finding("pleural_thickening", "Pleural thickening", "A thickened pleura."),
        _define_finding(
            "hernia",
            "Hernia",
            "Abdominal contents within the thorax.",
            "hiatal hernia",
            "hiatus hernia",
        ),
        _define_finding(
            ABNORMALITY,
            "Abnormal film",
            "Anything on the film that a radiologist would not call normal, whether or not it has a name here.",
            "abnormal",
            "not normal",
            "no lung opacity / not normal",  # as the RSNA challenge calls it
        ),
    ]
)

NO_FINDING_ALIASES = frozenset({"no finding", "no_finding", "no findings", "normal", "healthy"})


def sort_for_display(keys: Iterable[str]) -> list[str]:
    """Findings in the order of their keys; what a film shows comes before whether it is normal at all."""
    return sorted(keys, key=lambda key: (key == ABNORMALITY, key))


def is_no_finding(label: str) -> bool:
    """Whether a label means that there is no finding, in any case."""
    return label.strip().lower() in NO_FINDING_ALIASES


# The structures that a segmenter segments, in this order; left and right are the patient's.
STRUCTURES = ("heart", "left_lung", "right_lung")

# Above this cardiothoracic ratio a heart is called enlarged, on PA films of adults (Danzer 1919).
RATIO_LIMIT = 0.5
