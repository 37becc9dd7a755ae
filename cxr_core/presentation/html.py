"""Renders self-contained HTML pages from Jinja2 templates: no script, nothing fetched, all text escaped."""

import functools
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

SHARED_TEMPLATES = Path(__file__).with_name("templates")
CONTENT_SECURITY_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class TableCell:
    """A table cell with a CSS class and a width of its own, for the macro `data_table`."""

    text: str
    css_class: str = ""
    columns: int = 1


def render_template(template: Path, **values: object) -> str:
    """HTML text of a Jinja2 template with these values.

    template: a `*.html.j2` file, by convention `Path(__file__).parent / "templates" / "report.html.j2"`. Templates and
    style sheets that it names are looked for in its own folder first, then in this package's `templates`:
    `base.html.j2` (the page: extend it and fill the blocks `title`, `style`, `body`) and `macros.html.j2` (tables,
    lists of facts). `{{ inline_css("report.css") }}` inlines a style sheet.

    Every value is escaped, and characters that cannot be printed, such as marks that turn the writing direction, become
    U+FFFD. Only a `Markup` (a picture or a chart that the program made itself) goes out as it is. Raises
    jinja2.UndefinedError for a name that the template uses and `values` lacks.
    """
    return _load_environment(template.parent).get_template(template.name).render(values)


@functools.cache
def _load_environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, SHARED_TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_replace_unprintable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

    def inline_css(name: str) -> Markup:
        assert environment.loader is not None
        source, _, _ = environment.loader.get_source(environment, name)
        return Markup(source)

    environment.globals["inline_css"] = inline_css
    environment.globals["content_security_policy"] = Markup(CONTENT_SECURITY_POLICY)
    return environment


def _replace_unprintable(value: object) -> object:
    """A template's value as text; a Markup stays what it is."""
    if isinstance(value, Markup):
        return value
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


# Below: the former string functions, until the last report is a template.

POLICY = CONTENT_SECURITY_POLICY


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
    return (SHARED_TEMPLATES / "base.css").read_text(encoding="utf-8") + own.read_text(
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
