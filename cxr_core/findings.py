"""The findings this project knows: their keys, names, definitions and what each dataset calls them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One radiological finding. aliases: what sources call it, lower case."""

    key: str
    name: str
    definition: str
    aliases: frozenset[str] = field(default_factory=frozenset)


def _finding(key: str, name: str, definition: str, *aliases: str) -> tuple[str, Finding]:
    spoken = {name.lower(), key, *aliases}
    return key, Finding(
        key, name, definition, frozenset(spoken | {alias.replace(" ", "_") for alias in spoken})
    )


FINDINGS: dict[str, Finding] = dict(
    [
        _finding(
            "cardiomegaly",
            "Cardiomegaly",
            "An enlarged heart shadow: on a PA film of an adult its greatest width is more than half of the thorax's.",
            "enlarged heart",
            "heart enlargement",
        ),
        _finding(
            "pneumonia",
            "Pneumonia",
            "Infection of the lung, seen as opacity of its air spaces or interstitium.",
            "bacterial pneumonia",
            "viral pneumonia",
        ),
        _finding(
            "atelectasis", "Atelectasis", "Loss of volume of a part of the lung.", "atelectases"
        ),
        _finding(
            "effusion",
            "Effusion",
            "Fluid in the pleural space.",
            "pleural effusion",
            "pleural effusions",
        ),
        _finding(
            "infiltration",
            "Infiltration",
            "Opacity of the lung that is not further named.",
            "infiltrate",
            "infiltrates",
        ),
        _finding(
            "mass", "Mass", "A round opacity of more than 3 cm.", "lung mass", "pulmonary mass"
        ),
        _finding(
            "nodule", "Nodule", "A round opacity of up to 3 cm.", "lung nodule", "pulmonary nodule"
        ),
        _finding("pneumothorax", "Pneumothorax", "Air in the pleural space."),
        _finding(
            "consolidation",
            "Consolidation",
            "Air spaces filled, so that vessels can no longer be told apart.",
        ),
        _finding(
            "edema",
            "Edema",
            "Fluid in the lung's interstitium or air spaces.",
            "oedema",
            "pulmonary edema",
            "pulmonary oedema",
        ),
        _finding("emphysema", "Emphysema", "Air spaces widened for good.", "pulmonary emphysema"),
        _finding(
            "fibrosis", "Fibrosis", "Scarring of the lung.", "lung fibrosis", "pulmonary fibrosis"
        ),
        _finding("pleural_thickening", "Pleural thickening", "A thickened pleura."),
        _finding(
            "hernia",
            "Hernia",
            "Abdominal contents within the thorax.",
            "hiatal hernia",
            "hiatus hernia",
        ),
    ]
)

NO_FINDING_ALIASES = frozenset({"no finding", "no_finding", "no findings", "normal"})


def finding_named(label: str) -> Finding | None:
    """The finding that a dataset calls `label`, in any case; None when nobody knows it."""
    sought = label.strip().lower()
    return next((finding for finding in FINDINGS.values() if sought in finding.aliases), None)


def is_no_finding(label: str) -> bool:
    """Whether a label says that there is none, in any case."""
    return label.strip().lower() in NO_FINDING_ALIASES


# What is outlined on a film, in this order; left and right are the patient's.
STRUCTURES = ("heart", "left_lung", "right_lung")

# Above this cardiothoracic ratio a heart is called enlarged, on PA films of adults (Danzer 1919).
RATIO_LIMIT = 0.5
