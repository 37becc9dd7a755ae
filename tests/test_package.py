"""The installed package: the `silhouette` command reads with the models that ship and serves the dashboard."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_core import __main__ as command_line
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from tests.browser.served_app import wait_until_healthy
from tests.free_ports import find_free_port

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.process
EXPLAIN_EACH = """
import sys
from cxr_core.__main__ import main
for verb in sys.argv[1:]:
    try:
        main([verb, "--help"])
    except SystemExit as end:
        assert end.code == 0, verb
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the package was installed into, beside the packages that it needs."""
    folder = tmp_path_factory.mktemp("site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    done = subprocess.run([*pip, *options, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def environment(installed: Path, folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(installed), "CXR_WORKSPACE": str(folder / "workspace")}


def test_the_command_reads_a_film_from_any_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "film.png").write_bytes(encode_png(draw_phantom(PhantomSpec())))
    done = subprocess.run(
        [sys.executable, str(installed / "bin/silhouette"), "read", "--json", "film.png"],
        cwd=tmp_path,
        env=environment(installed, tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    line = json.loads(done.stdout)
    assert line["file"] == "film.png"
    assert {finding["model"] for finding in line["findings"]} == {
        "abnormality-adults",
        "cardiomegaly-adults",
        "pneumonia-children",
    }


def test_every_verb_explains_itself(installed: Path, tmp_path: Path) -> None:
    verbs = ["read", "prepare", "train", "evaluate", "publish", "app"]
    done = subprocess.run(
        [sys.executable, "-c", EXPLAIN_EACH, *verbs],
        cwd=tmp_path,
        env=environment(installed, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage:") == len(verbs)


def test_the_command_serves_the_dashboard(installed: Path, tmp_path: Path) -> None:
    port = find_free_port()
    served = subprocess.Popen(
        [sys.executable, str(installed / "bin/silhouette"), "app", "--port", str(port)],
        cwd=tmp_path,
        env=environment(installed, tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_healthy(f"http://localhost:{port}", served)
    finally:
        served.terminate()
        served.wait(timeout=60)


def test_a_verb_of_another_program_gets_the_words_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words: list[str] = []
    monkeypatch.setattr("train.prepare.main", lambda arguments: words.extend(arguments) or 3)
    assert command_line.main(["prepare", "--data", "films"]) == 3
    assert words == ["--data", "films"]
