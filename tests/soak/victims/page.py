"""What the pages ask for, one thing after another, as the server's process does it when somebody clicks.

Each request is noted outside the workspace as soon as the page would show it as done. The scheduler is a victim of its
own and is not started here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_core.data.prepare import record_decision, withdraw_decision
from cxr_core.data.registry import find_dataset
from cxr_core.errors import SilhouetteError
from cxr_core.jobs import actions, files, scheduler, status
from cxr_core.jobs.job import TrainingRequest
from cxr_core.jobs.records import EvaluationRequest
from tests.soak.victims.preparation import read_dataset
from tests.soak.victims.program import Program, Site, require
from tests.soak.victims.site import REASON, RECIPE

ACCEPTED, EXCLUDED = "patients_scoped", "unsuitable"


@dataclass(frozen=True)
class Step:
    """One request. is_done: whether its effect is there.  undone_by: the step that takes it back."""

    carry_out: Callable[[], object]
    is_done: Callable[[], bool]
    undone_by: int = 1000


def _list_steps(site: Site) -> list[Step]:
    def submit(token: str) -> object:
        request = TrainingRequest(recipe=RECIPE, data=("films",), token=token, device="cpu")
        return actions.submit_training(request)

    def evaluation() -> EvaluationRequest:
        return EvaluationRequest(model="victim", data=("films",), split="test")

    return [
        Step(lambda: _decide(ACCEPTED), lambda: _is_decided(ACCEPTED), 9),
        Step(lambda: submit("first"), lambda: _state("first") == "queued", 4),
        Step(lambda: submit("second"), lambda: _state("second") == "queued", 7),
        Step(lambda: actions.move_job(_run("second"), -1), lambda: _place("second") == 1, 4),
        Step(lambda: actions.stop_job(_run("first")), lambda: _state("first") == "stopped", 6),
        Step(lambda: actions.submit_evaluation(evaluation()), lambda: _evaluation() == "queued", 8),
        Step(lambda: actions.resume_run(_run("first")), lambda: _state("first") == "queued"),
        Step(lambda: actions.delete_run(_run("second")), lambda: _state("second") == ""),
        Step(lambda: actions.stop_job(_evaluation_id()), lambda: _evaluation() == "stopped", 10),
        Step(lambda: withdraw_decision(find_dataset("films"), ACCEPTED), lambda: not _is_decided(ACCEPTED)),
        Step(lambda: actions.dismiss_evaluation(_evaluation_id()), lambda: _evaluation() == ""),
        Step(lambda: _decide(EXCLUDED), lambda: _is_decided(EXCLUDED)),
    ]  # fmt: skip


def _shown(site: Site) -> Path:
    """The file that grows by a byte with each request that is shown as done."""
    return site.workspace.with_name("shown")


def _begin(site: Site) -> None:
    _shown(site).write_bytes(b"")


def _work(site: Site) -> int:
    scheduler.ensure_scheduler = lambda: None
    steps = _list_steps(site)
    with _shown(site).open("ab", buffering=0) as shown:
        for step in steps[_shown(site).stat().st_size :]:
            try:
                if not step.is_done():  # else it was killed between the request and the page
                    step.carry_out()
            except SilhouetteError as error:
                print(f"page: {error}")
                return 3
            shown.write(b".")
    return 0


def _inspect(site: Site) -> None:
    count = _shown(site).stat().st_size
    for number, step in enumerate(_list_steps(site)[:count]):
        # The next request may have taken effect although it is not shown yet.
        if step.undone_by > count:
            require(step.is_done(), f"request {number} was shown as done and is lost")
    read_dataset(find_dataset("films"))
    status.list_runs()
    status.list_evaluations()


def _outcome(site: Site) -> Any:
    _inspect(site)
    jobs = [(job.token, job.state) for job in map(_describe_run, files.list_run_folders())]
    return sorted(jobs), read_dataset(find_dataset("films"))


@dataclass(frozen=True)
class _Run:
    token: str
    state: str


def _describe_run(folder: Path) -> _Run:
    token = files.read_record(folder, "request.json").get("token", "")
    return _Run(str(token), status.load_job(folder.name).state)


def _run(token: str) -> str:
    for folder in files.list_run_folders():
        if _describe_run(folder).token == token:
            return folder.name
    return ""


def _state(token: str) -> str:
    return status.load_job(_run(token)).state if _run(token) else ""


def _place(token: str) -> int | None:
    return status.load_job(_run(token)).place


def _evaluation_id() -> str:
    (job,) = status.list_evaluations()
    return job.id


def _evaluation() -> str:
    jobs = status.list_evaluations()
    return jobs[0].state if jobs else ""


def _decide(code: str) -> None:
    record_decision(
        find_dataset("films"), code, "accept" if code == ACCEPTED else "exclude", REASON
    )


def _is_decided(code: str) -> bool:
    return code in [decision.code for decision in find_dataset("films").decisions]


PAGE = Program(name="page", begin=_begin, work=_work, inspect=_inspect, outcome=_outcome)
