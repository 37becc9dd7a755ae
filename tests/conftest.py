"""What every test may ask for."""

import os
from pathlib import Path

import pytest

from cxr_core.models.torchvision_ops import declare_missing_operators

declare_missing_operators()  # before any test module imports pytorch-grad-cam, and with it torchvision

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real films, from CXR_REAL_DATA or beside the repository; the test is skipped without it."""
    folder = Path(os.environ.get("CXR_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real films in {folder}; set CXR_REAL_DATA to the folder that holds them")
    return folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the test's own, so that nothing is written anywhere else."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("CXR_WORKSPACE", str(folder))
    return folder
