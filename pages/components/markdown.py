"""Text for places that read Markdown."""

import re


def plain(text: str) -> str:
    """Text from a file, a tag or a card for a place that reads Markdown: shown letter by letter."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$:!])", r"\\\1", " ".join(text.split()))


def threshold_text(share: float) -> str:
    """A threshold in per cent, with a decimal near 0 and 100 %, where whole ones would no longer tell them apart."""
    return f"{100 * share:.1f} %" if share < 0.1 or share > 0.9 else f"{round(100 * share)} %"
