"""One version, stated twice."""

import tomllib
from pathlib import Path

from cxr_core.version import VERSION


def test_the_program_states_the_version_of_its_package() -> None:
    table = tomllib.loads(
        Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    )
    assert table["project"]["version"] == VERSION
