"""How numbers, names and other people's text are put on the screen."""

import re

from cxr_core.findings import FINDINGS

OPERATING_POINT_NAMES = {
    "youden": "Balanced",
    "sensitivity_95": "Sensitive",
    "specificity_95": "Specific",
}


def per_cent(share: float) -> str:
    """A probability as whole per cent: never 0 % and never 100 %, which no model can know."""
    if share < 0.01:
        return "<1 %"
    if share > 0.99:
        return ">99 %"
    return f"{round(100 * share)} %"


def plain(text: str) -> str:
    """Text from a file, a tag or a card for a place that reads Markdown: shown letter by letter."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$:!])", r"\\\1", " ".join(text.split()))


def finding_name(key: str) -> str:
    """What people call a finding."""
    return FINDINGS[key].name if key in FINDINGS else key.replace("_", " ").capitalize()
