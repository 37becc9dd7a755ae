"""What the server's settings and the pages' sources promise about safety and privacy."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]


def test_server_stays_on_this_machine_and_keeps_to_itself() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["server"]["address"] == "localhost"
    assert settings["server"]["maxUploadSize"] == 64
    assert settings["server"]["enableXsrfProtection"] is True
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["client"]["showErrorDetails"] == "none"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_writes_html_of_its_own(path: Path) -> None:
    keywords = {
        node.arg
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if hasattr(node, "arg")
    }
    assert not {"unsafe_allow_html", "unsafe_allow_javascript"} & keywords


def test_first_paint_waits_for_no_heavy_import() -> None:
    code = (
        "import sys; from pages.components import cache, films, markdown, patient, session;"
        "sys.exit(str({'torch', 'cv2', 'numpy', 'pandas'} & set(sys.modules) or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not done.stderr.strip().splitlines()[-1:], done.stderr
