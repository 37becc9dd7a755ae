"""How findings and numbers are put into words, the same in reports, on pages and in a shell."""

from cxr_core.findings import FINDINGS

OPERATING_POINT_NAMES = {
    "youden": "Balanced",
    "sensitivity_95": "Sensitive",
    "specificity_95": "Specific",
}
NOTICE = "Not for clinical use without a qualified reader."
DRAWING_NOTICE = "This is a drawing made by the program, not a film of a patient."


def per_cent(share: float) -> str:
    """A probability as whole per cent: never 0 % and never 100 %, which no model can know."""
    if share < 0.01:
        return "<1 %"
    if share > 0.99:
        return ">99 %"
    return f"{round(100 * share)} %"


def threshold_words(probability: float, threshold: float) -> str:
    """A threshold as whole per cent, and on which side of it a probability lies where whole per cent do not tell."""
    said = per_cent(threshold)
    return (
        f"{said}, just {side_of(probability, threshold)}" if said == per_cent(probability) else said
    )


def side_of(probability: float, threshold: float) -> str:
    """`above` or `below`; at the threshold counts as above it."""
    return "above" if probability >= threshold else "below"


def finding_name(key: str) -> str:
    """What people call a finding."""
    return FINDINGS[key].name if key in FINDINGS else key.replace("_", " ").capitalize()


def operating_point_name(name: str) -> str:
    """What people call an operating point."""
    return OPERATING_POINT_NAMES.get(name, name.replace("_", " ").capitalize())
