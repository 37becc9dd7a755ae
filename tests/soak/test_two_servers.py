"""A bounded run of the soak; `python -m tests.soak.two_servers` runs it longer."""

from pathlib import Path

import pytest

from tests.soak.two_servers import KINDS, run_round


@pytest.mark.process
def test_two_servers_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    counts = run_round(tmp_path, servers=2, seed=17, actions=8)
    assert {f"{kind} done" for kind in KINDS} <= set(counts)
