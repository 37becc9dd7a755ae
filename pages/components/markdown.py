"""Escapes text for places that read Markdown."""

import re


def plain(text: str) -> str:
    """Text from a file, a tag or a card, escaped so that a place that reads Markdown shows it letter by letter."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$:!])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text as a code span: a web address in it is not made a link."""
    return f"`{' '.join(text.split()).replace('`', '')}`"
