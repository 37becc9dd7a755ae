"""The study of a tab that has gone is kept for its token alone, for a while, and within bounds."""

from types import SimpleNamespace

import pytest

from pages.components.read.page_state import ReadPageState, StudyEntry
from pages.components.read.recovery import kept_studies
from pages.components.read.recovery.kept_studies import KeptStudies


@pytest.fixture
def connected() -> set[str]:
    return set()


@pytest.fixture
def studies(connected: set[str]) -> KeptStudies:
    return KeptStudies(connected.__contains__)


def study(size: int = 10) -> ReadPageState:
    state = ReadPageState()
    examination = SimpleNamespace(concerns=(), film=None)
    entry = StudyEntry(key="1", name="a.png", data=bytes(size), examination=examination)  # type: ignore[arg-type]
    entry.forget = lambda: setattr(entry, "data", b"")  # type: ignore[method-assign]
    state.add_entry(entry)
    return state


def test_a_left_study_goes_to_who_has_its_token(studies: KeptStudies) -> None:
    state = study()
    token = studies.add("first", state)
    studies.leave("first")
    assert studies.claim("another token", "second") is None
    assert studies.claim(token, "second") is state
    assert list(state.entries) == ["1"]


def test_a_study_that_is_open_in_another_tab_is_not_given_away(
    studies: KeptStudies, connected: set[str]
) -> None:
    token = studies.add("first", study())
    connected.add("first")
    assert studies.claim(token, "second") is None


def test_the_end_of_the_former_session_leaves_an_adopted_study_alone(studies: KeptStudies) -> None:
    state = study()
    token = studies.add("first", state)
    assert studies.claim(token, "second") is state
    studies.leave("first")
    studies.drop_old_studies()
    assert list(state.entries) == ["1"]


def test_a_study_that_nobody_asks_for_is_forgotten(
    studies: KeptStudies, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = study()
    token = studies.add("first", state)
    studies.leave("first")
    monkeypatch.setattr(kept_studies, "KEEP_S", 0.0)
    studies.drop_old_studies()
    assert state.entries == {}
    assert studies.claim(token, "second") is None


@pytest.mark.parametrize(("bound", "value"), [("MOST_STUDIES", 2), ("MOST_BYTES", 25)])
def test_beyond_the_bounds_the_oldest_studies_go_first(
    studies: KeptStudies, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(kept_studies, bound, value)
    states = [study() for _ in range(3)]
    for number, state in enumerate(states):
        studies.add(str(number), state)
    for number in range(3):
        studies.leave(str(number))
    assert [bool(state.entries) for state in states] == [False, True, True]


def test_what_was_removed_before_the_tab_had_gone_is_not_kept(studies: KeptStudies) -> None:
    state = study()
    studies.add("first", state)
    state.remove_entries({"1"})
    assert state.removed is not None
    studies.leave("first")
    assert state.removed is None
