"""The table of layouts in docs/data.md. `python -m tests.data.collections.document` writes it."""

from pathlib import Path

from cxr_core.data.account import Account
from tests.data.collections import class_folders, several_rows, tables
from tests.data.collections.layout import Layout

DOCUMENT = Path(__file__).parents[3] / "docs" / "data.md"
START = "<!-- layouts: written by python -m tests.data.collections.document -->\n"
END = "<!-- end of layouts -->\n"
LAYOUTS: tuple[Layout, ...] = (*class_folders.LAYOUTS, *tables.LAYOUTS, *several_rows.LAYOUTS)


def render_table() -> str:
    """A row for each layout, with what becomes of its example."""
    lines = [
        "| layout | what lies there | what is read | its example in the tests |",
        "|---|---|---|---|",
    ]
    for layout in LAYOUTS:
        cells = (layout.name, layout.contents, layout.answer, _describe_example(layout))
        lines += [f"| {' | '.join(cells)} |"]
    return "\n".join([*lines, ""])


def render_document(text: str) -> str:
    """The document with the table between its marks."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{render_table()}\n{END}{after}"


def _describe_example(layout: Layout) -> str:
    files = Account(found=layout.files, used=len(layout.films), left_out=layout.left_out)
    return f"{layout.files} files: {files.phrase}"


if __name__ == "__main__":
    DOCUMENT.write_text(render_document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
