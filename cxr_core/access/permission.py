"""Lets those act who have the role for it, and records what they did."""

from collections.abc import Iterator
from contextlib import contextmanager

from cxr_core.access.actor import Actor, Role, current_actor
from cxr_core.access.audit import DONE, FAILED, REFUSED, STARTED, record_action, record_or_refuse
from cxr_core.errors import AccessRefused
from cxr_core.workspace.log import Task, log_task

WHOM_TO_ASK = "Ask whoever manages sign-in at your site."


def require_role(role: Role, action: str) -> Actor:
    """The one who acts. Raises AccessRefused, which names the action, for a lower role; that is recorded."""
    actor = current_actor()
    if actor.role < role:
        record_action(action, who=actor, outcome=REFUSED)
        raise AccessRefused(describe_missing_role(role, action, actor))
    return actor


def describe_missing_role(role: Role, action: str, actor: Actor) -> str:
    """What somebody may not do, and whom to ask."""
    own = "none" if actor.role is Role.NONE else f"the role {actor.role.word}"
    needed = f"{action[:1].upper()}{action[1:]} needs the role {role.word}"
    return f"{needed}, and you have {own}. {WHOM_TO_ASK}"


@contextmanager
def perform_action(kind: str, role: Role) -> Iterator[Task]:
    """Around what needs a role, or as decorator of the function that does it: checks, logs (`log_task`) and records.

    The audit log has a line before and one with the outcome; where the first cannot be written, nothing is done.
    Model and version are those that the action adds to the log's task. Raises AccessRefused, AuditError.
    """
    actor = require_role(role, kind)
    record_or_refuse(kind, STARTED)
    outcome = FAILED
    with log_task(kind) as task:
        try:
            yield task
            outcome = DONE
        finally:
            details = task.details
            model = " ".join(str(details[key]) for key in ("model", "version") if key in details)
            name = next((str(details[key]) for key in ("run", "key") if key in details), None)
            record_action(kind, who=actor, model=model, name=name, outcome=outcome)
