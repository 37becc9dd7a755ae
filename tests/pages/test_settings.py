"""The server's settings and the pages' sources keep the app safe and private."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]


def test_server_listens_on_this_machine_only() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["server"]["address"] == "localhost"
    assert settings["server"]["maxUploadSize"] == 64
    assert settings["server"]["enableXsrfProtection"] is True
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["client"]["showErrorDetails"] == "none"


def test_no_page_writes_html_of_its_own() -> None:
    forbidden = {"unsafe_allow_html", "unsafe_allow_javascript"}
    offenders = []
    for path in SOURCES:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        keywords = [node for node in nodes if isinstance(node, ast.keyword)]
        offenders += [
            f"{path.relative_to(ROOT)}:{keyword.value.lineno}: {keyword.arg}"
            for keyword in keywords
            if keyword.arg in forbidden
        ]
    assert not offenders


def test_first_paint_imports_no_heavy_library() -> None:
    code = (
        "import sys; from pages.components import cache, markdown, session;"
        "from pages.components.read import drop_zone, patient_form;"
        "sys.exit(str({'torch', 'cv2', 'numpy', 'pandas'} & set(sys.modules) or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not done.stderr.strip().splitlines()[-1:], done.stderr
