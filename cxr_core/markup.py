"""Pages of HTML that need nothing else: no script, nothing fetched, light and dark, every word escaped here."""

import html
from collections.abc import Iterable, Sequence

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, style: str, body: Iterable[str]) -> str:
    """A whole page. style: CSS of the tree's own; body: elements, escaped already."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"{element('title', title)}\n<style>\n{style}</style></head>\n"
        f"<body>\n{chr(10).join(body)}\n</body></html>\n"
    )


def table(header: Iterable[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table whose first column names the row. header, rows: plain text."""
    heads = "".join(element("th", name) for name in header)
    lines = "".join(
        f'<tr><th scope="row">{text(first)}</th>{"".join(element("td", cell) for cell in rest)}</tr>'
        for first, *rest in rows
    )
    attribute = f' class="{text(kind)}"' if kind else ""
    return f"<table{attribute}><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def element(tag: str, words: str, kind: str = "") -> str:
    """An element that holds plain text."""
    attribute = f' class="{text(kind)}"' if kind else ""
    return f"<{tag}{attribute}>{text(words)}</{tag}>"


def text(words: str) -> str:
    """Text for the page; what cannot be printed, such as marks that turn the writing direction, becomes U+FFFD."""
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in words))
