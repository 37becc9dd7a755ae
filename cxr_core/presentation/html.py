"""Renders self-contained HTML pages from Jinja2 templates: no script, nothing fetched, all text escaped."""

import functools
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
