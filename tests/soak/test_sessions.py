"""A bounded run of the soak; `python -m tests.soak.sessions` runs it longer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.served_app import SHORT_SESSIONS, serve
from tests.soak import sessions
from tests.soak.sessions import SessionSoak

pytestmark = pytest.mark.process


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    yield from serve(SHORT_SESSIONS, tmp_path)


def test_each_session_gets_its_own_films(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "ALONE", 3)
    monkeypatch.setattr(sessions, "FORGOTTEN_WITHIN_S", 6.0)
    # A short run on a busy machine says nothing about a few MB; the long run does.
    monkeypatch.setattr(sessions, "MEMORY_WITHIN", 1.5)
    soak = SessionSoak(address, 17, tmp_path)
    soak.run(4, minutes=0.1)
    assert soak.tally.violations == []
    assert soak.tally.outcomes["read"] >= 4 + sessions.ALONE
