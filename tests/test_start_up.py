"""Help and mistakes in the arguments are answered before anything large is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(
    f"train.{path.stem}"
    for path in (ROOT / "train").glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
LARGE = ("torch", "streamlit", "pandas", "scipy", "sklearn", "matplotlib", "fpdf", "jinja2")
# Calls each program in one process and prints, as JSON, the exit status and the large modules loaded after each call.
CALL_EACH = """
import contextlib, importlib, io, json, sys
calls, large = json.loads(sys.argv[1])
found = []
for program, arguments in calls:
    main = importlib.import_module(program).main
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
    found.append([program, arguments, status, [name for name in large if name in sys.modules]])
print(json.dumps(found))
"""


def call_each(calls: list[tuple[str, list[str]]]) -> list[list]:
    result = subprocess.run(
        [sys.executable, "-c", CALL_EACH, json.dumps([calls, LARGE])],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return json.loads(result.stdout)


def test_help_imports_nothing_large():
    programs = ["cxr_core.__main__", *COMMANDS]
    assert len(programs) > 12
    calls = [(program, ["--help"]) for program in programs]
    calls += [("cxr_core.__main__", ["read", "--help"])]
    assert call_each(calls) == [[*call, 0, []] for call in calls]


def test_a_mistyped_flag_or_key_imports_nothing_large():
    fit = ["pneumonia-children", "--data", "films"]
    calls = [
        ("cxr_core.__main__", ["read", "film.png", "--jsn"]),
        *((program, ["--no-such-flag"]) for program in COMMANDS),
        ("train.fit", [*fit, "--set", "epocs=3"]),
        ("train.fit", [*fit, "--set", "epochs=many"]),
        ("train.seeds", [*fit, "--run", "runs", "--set", "epocs=3"]),
        ("train.grid", [*fit, "--set", "epocs=3"]),
    ]
    assert call_each(calls) == [[*call, 2, []] for call in calls]


@pytest.mark.parametrize(
    ("modules", "large"),
    [
        ("cxr_core.__main__, cxr_core.reading.reader", ["torch"]),
        ("pages.components.read.study_view, pages.components.read.upload", ["streamlit"]),
    ],
)
def test_what_reads_or_shows_a_film_imports_no_other_large_library(modules: str, large: list[str]):
    program = (
        f"import json, sys; import {modules}; "
        "print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, json.dumps(LARGE)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert json.loads(result.stdout) == large
