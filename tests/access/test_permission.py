"""Every action that changes something is refused without its role, in the function that does it, and recorded."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_core.access import audit_chain
from cxr_core.access.actor import LOCAL, Actor, Role, acting_as, current_actor, use_actors_of
from cxr_core.access.audit import audit_folder
from cxr_core.access.permission import perform_action
from cxr_core.data import prepare, prepare_apart, subsets
from cxr_core.data.splits import saved_split
from cxr_core.errors import AccessRefused, AuditError, ModelError
from cxr_core.jobs import actions
from cxr_core.models.networks import user_code
from cxr_core.models.registry import active_version, undo
from cxr_core.models.registry.registry import find_active_version
from cxr_core.promotion import imports, publish
from cxr_core.site import profile_store
from tests.tiny import tiny_card, tiny_model

NOTHING: object = None  # never looked at: the role is asked for first
ADMIN_ACTIONS: dict[str, Callable[[], object]] = {
    "publication": lambda: publish.publish(Path("run")),
    "activation": lambda: active_version.activate_version("m", "1", "why"),
    "retirement": lambda: active_version.retire_model("m", "why"),
    "removal of a model": lambda: active_version.remove_version("m", "1", "why"),
    "roll-back": lambda: active_version.roll_back("m", "why"),
    "undo": lambda: undo.undo_last_change("m", "why"),
    "import": lambda: imports.import_model(b""),
    "installation of a site profile": lambda: profile_store.install(NOTHING, "why"),  # type: ignore[arg-type]
    "revocation of a site profile": lambda: profile_store.revoke("m", "f", "why"),
    "removal of a damaged site profile": profile_store.discard_damaged,
    "deletion of a run": lambda: actions.delete_run("run"),
    "deletion of a dataset": lambda: prepare.forget_dataset(Path("d")),
    "deletion of a subset": lambda: subsets.delete_subset("s"),
    "deletion of a split": lambda: saved_split.delete_split(NOTHING, "s"),  # type: ignore[arg-type]
    "permission of a user's own code": lambda: user_code.allow_code({"a.py": "0" * 64}),
    "prohibition of a user's own code": lambda: user_code.forbid_code({"a.py": "0" * 64}),
}
RESEARCHER_ACTIONS: dict[str, Callable[[], object]] = {
    "submission of a run": lambda: actions.submit_training(NOTHING),  # type: ignore[arg-type]
    "submission of an evaluation": lambda: actions.submit_evaluation_into(Path("e"), NOTHING),  # type: ignore[arg-type]
    "stop of a job": lambda: actions.stop_job("run"),
    "forced stop of a job": lambda: actions.force_stop_job("run"),
    "resumption of a run": lambda: actions.resume_run("run"),
    "preparation of a dataset": lambda: prepare_apart.prepare_apart(NOTHING, NOTHING),  # type: ignore[arg-type]
}
CASES = [(Role.RESEARCHER, name, act) for name, act in ADMIN_ACTIONS.items()]
CASES += [(Role.READER, name, act) for name, act in RESEARCHER_ACTIONS.items()]


def list_entries() -> list[dict[str, object]]:
    lines = (audit_folder() / "audit-000001.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(("role", "name", "act"), CASES, ids=[case[1] for case in CASES])
def test_without_the_role_nothing_is_done(
    workspace: Path, role: Role, name: str, act: Callable[[], object]
) -> None:
    with acting_as(Actor("8f1c", role)), pytest.raises(AccessRefused, match="needs the role"):
        act()
    (entry,) = list_entries()
    assert (entry["who"], entry["role"], entry["action"], entry["outcome"]) == (
        "8f1c",
        role.word,
        name,
        "refused",
    )
    assert {path.name for path in workspace.iterdir()} == {"audit"}


def test_an_action_is_recorded_before_and_after(workspace: Path) -> None:
    tiny_model(workspace / "models", tiny_card(findings=("pneumonia",)))
    with acting_as(Actor("8f1c", Role.ADMIN)):
        active_version.retire_model("tiny", "a reason with a name, Jane Doe")
        with pytest.raises(ModelError):
            active_version.retire_model("tiny", "again")
    facts = [(e["action"], e.get("model"), e["outcome"], e["who"]) for e in list_entries()]
    assert facts == [
        ("retirement", None, "started", "8f1c"),
        ("retirement", "tiny 1.0.0", "done", "8f1c"),
        ("retirement", None, "started", "8f1c"),
        ("retirement", None, "failed", "8f1c"),
    ]
    assert "Jane" not in json.dumps(list_entries())


def test_what_cannot_be_recorded_is_not_done(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model(workspace / "models", tiny_card(findings=("pneumonia",)))
    monkeypatch.setattr(audit_chain.os, "write", lambda descriptor, data: 0)
    with pytest.raises(AuditError, match="retirement is not done unrecorded"):
        active_version.retire_model("tiny", "why")
    active = find_active_version("tiny")
    assert active is not None
    assert active.version == "1.0.0"


def test_a_server_says_who_acts_unless_a_block_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_actor() == LOCAL
    reader, program = Actor("8f1c", Role.READER), Actor("key:pacs", Role.READER)
    monkeypatch.setattr("cxr_core.access.actor._find_actor", lambda: LOCAL)
    use_actors_of(lambda: reader)
    assert current_actor() == reader
    with acting_as(program):
        assert current_actor() == program
    assert current_actor() == reader


def test_a_fault_within_an_action_is_recorded_as_failed(workspace: Path) -> None:
    with pytest.raises(ZeroDivisionError), perform_action("activation", Role.ADMIN):
        1 / 0  # noqa: B018
    assert [entry["outcome"] for entry in list_entries()] == ["started", "failed"]
