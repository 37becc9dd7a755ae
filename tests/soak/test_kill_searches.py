"""A search on a cluster of two nodes keeps every trial once, though its command and its workers are killed."""

import sys

import pytest

from tests.soak import kill_searches

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.mark.timeout(3600)
def test_no_trial_is_lost_or_counted_twice(monkeypatch):
    pytest.importorskip("optuna", reason="needs the extra `cluster`")
    arguments = ["--ray", "--trials=6", "--count=3", "--pause=60"]
    monkeypatch.setattr(sys, "argv", ["kill_searches", *arguments])
    assert kill_searches.main() == 0
