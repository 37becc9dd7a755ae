"""A workspace whose jobs are stand-ins without networks, and which leaves no process behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.job_control import end_all

STAND_IN = Path(__file__).parent / "stand_in"


@pytest.fixture
def stand_in(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the jobs' data; they count steps or films. All their processes are ended at last."""
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    monkeypatch.setenv("CXR_RUN_NICENESS", "0")
    data = tmp_path / "data"
    data.mkdir()
    yield data
    end_all(workspace)
