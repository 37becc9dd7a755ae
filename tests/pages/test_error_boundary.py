"""What a part of a page shows when it fails, and that the parts around it are still shown."""

import ast
from pathlib import Path

from streamlit.testing.v1 import AppTest

PAGES = Path(__file__).parents[2] / "pages"


def parts_of_which_one_fails() -> None:
    """A small page, which runs on the test bench by itself."""
    import streamlit as st

    from cxr_core.errors import DataError
    from pages.components.error_boundary import show_errors

    @st.fragment
    @show_errors()
    def draw() -> None:
        st.markdown("in the fragment")
        raise DataError("grids.u8 is too short; prepare again")

    first, second = st.tabs(["First", "Second"])
    with first, show_errors():
        raise DataError("issues.json holds *no* list; prepare again")
    with second, show_errors():
        draw()
    with show_errors():
        st.button("Fails", on_click=show_errors()(lambda: (_ for _ in ()).throw(DataError("no"))))
    st.markdown("the last part")


def fault() -> None:
    """A page with a fault of the program."""
    from pages.components.error_boundary import show_errors

    with show_errors():
        raise ZeroDivisionError("secret of a patient")


def test_a_part_that_fails_says_why_and_the_others_are_shown() -> None:
    app = AppTest.from_function(parts_of_which_one_fails).run()
    assert not app.exception
    assert [error.value for error in app.error] == [
        r"issues.json holds \*no\* list; prepare again",
        "grids.u8 is too short; prepare again",
    ]
    assert [text.value for text in app.markdown] == ["in the fragment", "the last part"]


def test_a_callback_that_fails_leaves_the_page_as_it_is() -> None:
    app = AppTest.from_function(parts_of_which_one_fails).run()
    app.button[0].click().run()
    assert not app.exception
    assert "no" in [error.value for error in app.error]
    assert app.markdown[-1].value == "the last part"


def test_a_fault_of_the_program_passes_the_boundary() -> None:
    assert AppTest.from_function(fault).run().exception


def reported() -> None:
    """A page on which the handler of the whole app says that the program is at fault."""
    from pages.components.error_boundary import report_fault

    assert report_fault(ZeroDivisionError("secret of a patient"))


def test_the_report_of_a_fault_gives_its_kind_and_time_but_not_its_text() -> None:
    (error,) = AppTest.from_function(reported).run().error
    assert "ZeroDivisionError, 20" in error.value
    assert "report it" in error.value
    assert "secret" not in error.value


def is_called(decorator: ast.expr, name: str) -> bool:
    """Whether a decorator is this function, with arguments or without."""
    return ast.unparse(decorator).partition("(")[0] == name


def test_every_fragment_and_dialog_shows_its_own_errors() -> None:
    unguarded = []
    for path in sorted(PAGES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            decorators = node.decorator_list
            runs_alone = any(
                is_called(each, name)
                for each in decorators
                for name in ("st.fragment", "st.dialog")
            )
            if runs_alone and not is_called(decorators[-1], "show_errors"):
                unguarded.append(f"{path.name}: {node.name}")
    assert unguarded == []  # the page around them does not see what they raise
