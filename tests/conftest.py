"""What every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# One thread each: the networks of tests are tiny, and threads that wait for one another on busy cores cost minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from cxr_core.models.networks.torchvision_compat import declare_missing_operators

declare_missing_operators()  # before any test module imports pytorch-grad-cam, and with it torchvision

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real films, from CXR_REAL_DATA or beside the repository; the test is skipped without it."""
    folder = Path(os.environ.get("CXR_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real films in {folder}; set CXR_REAL_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_test_writes_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A workspace for all tests together: what one has decoded, another need not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        yield


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the test's own, so that nothing is written anywhere else."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("CXR_WORKSPACE", str(folder))
    return folder
