"""Other people's text on a page."""

import re


def plain(text: str) -> str:
    """Text from a file, a tag or a card for a place that reads Markdown: shown letter by letter."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$:!])", r"\\\1", " ".join(text.split()))
