"""Pages of HTML that need nothing else: no script, nothing fetched, every word escaped here."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Cell(str):
    """A whole table cell, `<td>` to `</td>`, escaped already."""


def page(title: str, style: str, body: Iterable[str], schemes: str = "light dark") -> str:
    """A whole page. style: CSS of the tree's own; body: elements, escaped already; schemes: those the CSS has."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="{schemes}">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"{element('title', title)}\n<style>\n{style}</style></head>\n"
        f"<body>\n{chr(10).join(body)}\n</body></html>\n"
    )


def screen_style(own: Path) -> str:
    """CSS of a page that is read on a screen: what such pages share, then a file of this page's own."""
    return Path(__file__).with_name("base.css").read_text(encoding="utf-8") + own.read_text(
        encoding="utf-8"
    )


def table(header: Iterable[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table whose first column names the row. header, rows: plain text, or a `Cell` after the first column."""
    heads = "".join(element("th", name) for name in header)
    lines = "".join(
        f'<tr><th scope="row">{text(first)}</th>{"".join(map(_cell, rest))}</tr>'
        for first, *rest in rows
    )
    return f"<table{_class(kind)}><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def cell(words: str, kind: str = "", columns: int = 1) -> Cell:
    """A table cell of a class of its own, over some columns."""
    span = f' colspan="{columns}"' if columns > 1 else ""
    return Cell(f"<td{span}{_class(kind)}>{text(words)}</td>")


def element(tag: str, words: str, kind: str = "") -> str:
    """An element that holds plain text."""
    return f"<{tag}{_class(kind)}>{text(words)}</{tag}>"


def text(words: str) -> str:
    """Text for the page; what cannot be printed, such as marks that turn the writing direction, becomes U+FFFD."""
    return html.escape("".join(c if c.isprintable() else "\ufffd" for c in words))


def _class(kind: str) -> str:
    return f' class="{text(kind)}"' if kind else ""


def _cell(content: str) -> str:
    return content if isinstance(content, Cell) else element("td", content)
