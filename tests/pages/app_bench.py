"""Helpers for tests of pages: run the app on Streamlit's test bench, and find what it shows."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "app.py"


class StartedPagesManager(PagesManager):
    """Keeps what the bench resets before each run, so that app.py always runs as on a server that has started."""


def start_app() -> AppTest:
    """A new browser tab on the Read page."""
    return AppTest.from_file(str(APP), default_timeout=120).run()


def open_page(app: AppTest, page: str, **parameters: str) -> AppTest:
    """Switch to a page, with parameters in its address. page: `data` for pages/data.py."""
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app


def visible_text(app: AppTest) -> str:
    """All prose of the page: Markdown, captions, messages and code."""
    kinds = (
        app.markdown,
        app.caption,
        app.text,
        app.error,
        app.warning,
        app.info,
        app.success,
        app.subheader,
        app.code,
        app.toast,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def finding_text(app: AppTest, finding: str, model: str) -> str:
    """What the Read page says of a finding by a model: verdict, label of its bar, and what the verdict rests on."""
    texts = []
    for name in ("finding", "explained"):
        part = find_container(app, f"{name}-{finding}-{model}")
        if part is not None:
            texts += [element.value for element in (*part.markdown, *part.caption)]
            texts += [bar.proto.body for bar in part.get("html")]
    assert texts, f"nothing is said of {finding} by {model}"
    return "\n".join(texts)


def find_container(app: AppTest, key: str) -> Any:
    """The container with a key; None where the page has none."""
    try:
        return app.container(key=key)
    except KeyError:
        return None


def not_assessed_text(app: AppTest) -> str:
    """The line of the Read page that says what was not assessed."""
    (line,) = [m.value for m in app.markdown if m.value.startswith("**Not assessed:**")]
    return str(line)


def table_text(app: AppTest) -> str:
    """All tables of the page as text."""
    return "\n".join(table.value.to_string() for table in app.table).replace("\\", "")


def table_rows(app: AppTest, column: str) -> list[dict[str, Any]]:
    """The rows of the first table that has a column."""
    for table in app.table:
        if column in table.value.columns:
            rows: list[dict[str, Any]] = table.value.to_dict("records")
            return rows
    raise AssertionError(f"no table has the column {column}")


def selectable_rows(app: AppTest) -> list[dict[str, str]]:
    """The rows of the table in which rows are selected, by column."""
    (data,) = [
        data
        for element in app.get("bidi_component")
        if "sorting" in (data := json.loads(element.proto.json or "{}"))
    ]
    names = [column["name"] for column in data["columns"]]
    return [dict(zip(names, row["cells"], strict=True)) for row in data["rows"]]


def column_cells(app: AppTest, column: str) -> list[str]:
    """The cells of one column of that table."""
    return [row[column] for row in selectable_rows(app)]


def find_labelled(elements: Iterable[Any], label: str) -> Any:
    """The first element with a label."""
    return next(element for element in elements if element.label == label)


def open_folder(app: AppTest, name: str) -> None:
    """Open an expander of the Read page whose content is drawn once it is opened."""
    key = app.session_state["read_page"].widget_key(name)
    if key not in app.session_state or not app.session_state[key]:
        app.session_state[key] = True
        app.run()


def endpoint_field(app: AppTest, label: str) -> Any:
    """A field of the endpoint coordinates on the Read page."""
    open_folder(app, "points")
    return find_labelled(app.number_input, label)


def prevalence_field(app: AppTest, finding: str) -> Any:
    """The field for the prevalence of a finding on the Read page."""
    open_folder(app, "prevalence")
    return find_labelled(app.sidebar.number_input, f"Prevalence of {finding}, in %")


def find_button(app: AppTest, label: str) -> Any:
    """The first button with a label."""
    return find_labelled(app.button, label)


def page_link_labels(app: AppTest) -> list[str]:
    """The labels of all links to pages."""
    return [link.proto.label for link in app.get("page_link")]


def button_labels(app: AppTest) -> list[str]:
    """The labels of all buttons."""
    return [button.label for button in app.button]


def upload(app: AppTest, **files: bytes) -> AppTest:
    """The Read page after these files were dropped on it: name without `.png` -> bytes."""
    app.file_uploader[0].set_value([(f"{name}.png", data, "") for name, data in files.items()])
    return app.run()
