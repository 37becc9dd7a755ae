"""docs/python.md: its example runs, on a synthetic film with the models that ship."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cxr_core
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from tests.test_readme import blocks

ROOT = Path(__file__).parents[1]


@pytest.mark.training
def test_the_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.rint(draw_phantom(PhantomSpec()).pixels * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (tmp_path / "film.png").write_bytes(buffer.getvalue())
    monkeypatch.chdir(tmp_path)
    (example,) = blocks(ROOT / "docs/python.md", "python")
    exec(compile(example, "docs/python.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "cardiomegaly",
        "pneumonia",
        "abnormality",
    ]
    assert lines[0].split()[2] in {"present", "absent", "indeterminate"}
    assert "None None" in lines[1], "54 years: the children's model does not fit"


def test_the_package_offers_what_the_page_lists() -> None:
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in cxr_core.__all__)
    assert all(getattr(cxr_core, name) for name in cxr_core.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Film'"):
        cxr_core.Film  # noqa: B018


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, cxr_core; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
