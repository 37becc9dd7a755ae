"""How a run stands: told by its locks, its processes and its files, never by what was said of it before."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cxr_core.jobs import files as files
from cxr_core.jobs.files import Record
from cxr_core.jobs.job import FORCE_AFTER_S, FROZEN_S, LIVE, Action, Job, State
from cxr_core.jobs.process_id import Name, boot_id, is_alive, is_halted

BEGIN_LIMIT_S = 120.0  # a process that has not given its first sign by then is frozen; before it come the imports
PREPARING = ("", "data")  # what a process that does not train yet has told last

Marked = Mapping[str, Sequence[Name]]


class Verdict(NamedTuple):
    """A state with its sentence."""

    state: State
    sentence: str


def standing(run: Path, marked: "Marked | None" = None) -> Job:
    """A run as it stands now; its place in the queue is left open. marked: the processes there are, by run."""
    request, facts = files.read(run, files.REQUEST), {}
    if not request:
        facts = files.recipe_facts(run)
    verdict = _verdict(run, marked or {})
    process = files.read(run, files.PROCESS)
    return Job(
        id=run.name,
        folder=run,
        state=verdict.state,
        sentence=verdict.sentence,
        recipe=request.get("recipe") or str(facts.get("name", "")),
        model=request.get("model") or str(facts.get("model", "")),
        data=tuple(request.get("data", ())),
        device=request.get("device") or _device_by_hand(run),
        processes=request.get("processes", 1),
        submitted=request.get("submitted"),
        started=process.get("time") or files.first_event(run).get("time"),
        ended=None if verdict.state in LIVE or verdict.state == "queued" else _ended(run),
        retry_of=request.get("retry_of", ""),
        by_hand=not request,
        actions=_actions(verdict.state, run),
    )


def _verdict(run: Path, marked: "Marked") -> Verdict:
    if files.is_run_live(run):
        return _of_living(run)
    if (run / "model").is_dir():
        return Verdict("finished", "Finished; its model is there.")
    if marked.get(str(run)):
        left = len(marked[str(run)])
        return Verdict(
            "orphaned",
            f"It ended, but {left} of the processes that it started live on; end them by force.",
        )
    if waits := files.read(run, files.QUEUE):
        device = str(waits.get("device", "device"))
        return Verdict(
            "queued",
            f"Waits until the {device.replace('cpu', 'CPU').replace('cuda', 'GPU')} is free.",
        )
    return _of_dead(run)


def _of_living(run: Path) -> Verdict:
    if files.read(run, files.QUEUE):  # it has its lock, and is about to write down who it is
        return Verdict("starting", "Starts.")
    name, beat = files.process_of(run), files.read(run, files.HEARTBEAT)
    if name is None or Name.read(beat.get("leader", {})) != name:
        beat = {}  # the sign of an earlier process
    if name is not None and name.boot == boot_id():
        if not is_alive(name):
            return Verdict(
                "orphaned", "Its process has ended, but one that it started still holds its folder."
            )
        for each in (name, Name.read(beat)):
            if each is not None and is_halted(each):
                return Verdict(
                    "frozen",
                    f"Its process {each.pid} was halted from outside; continue it or end it.",
                )
        if sentence := _silence(run, beat):
            return Verdict("frozen", sentence)
    if name is not None and Name.read(files.read(run, files.STOP)) == name:
        return Verdict(
            "stopping", "Asked to stop; it ends after its current step, with a checkpoint."
        )
    if beat.get("event", {}).get("event", "") in PREPARING and name is not None:
        return Verdict("starting", "Reads its data.")
    return Verdict("running", "Trains.")


def _silence(run: Path, beat: Record) -> str:
    """Why a living process counts as frozen; empty when it has given a sign lately."""
    since = beat.get("monotonic", files.read(run, files.PROCESS).get("monotonic"))
    if since is None:
        return ""
    silent = time.monotonic() - since
    if silent <= (FROZEN_S if beat else BEGIN_LIMIT_S):
        return ""
    return f"Its process lives but has given no sign for {silent:.0f} s; stop it by force and let it go on."


def _of_dead(run: Path) -> Verdict:
    name, end = files.process_of(run), files.read(run, files.END)
    if end:
        return Verdict(
            "failed" if end.get("state") == "failed" else "stopped", str(end.get("sentence", ""))
        )
    if name is not None and Name.read(files.read(run, files.STOP)) == name:
        return Verdict("stopped", f"Stopped. {_goes_on(run)}")
    last = files.last_event(run)
    if last.get("event") == "failed":
        return Verdict("failed", str(last.get("error", "")))
    if last.get("event") == "stopped":
        return Verdict("stopped", f"Stopped at step {last.get('step')}. {_goes_on(run)}")
    if name is not None and name.boot != boot_id():
        return Verdict("interrupted", f"The machine was restarted while it ran. {_goes_on(run)}")
    return Verdict(
        "interrupted", f"It ended without a word: killed, or out of memory. {_goes_on(run)}"
    )


def _goes_on(run: Path) -> str:
    if files.is_mean(run):
        return "It is a mean of runs; delete it, and make it again with train.average."
    step = last_checkpoint(run)
    return (
        f"It can go on from step {step}."
        if step
        else "It has no checkpoint yet and would begin anew."
    )


def last_checkpoint(run: Path) -> int | None:
    """The step of the last checkpoint, unread; None when there is none."""
    steps = [path.name.removeprefix("step_") for path in (run / "checkpoints").glob("step_*")]
    return max((int(step) for step in steps if step.isdigit()), default=None)


def _ended(run: Path) -> float | None:
    told = files.read(run, files.END).get("time") or files.last_event(run).get("time")
    return told if told is not None else files.read(run, files.HEARTBEAT).get("time")


def _device_by_hand(run: Path) -> str:
    return str(files.first_event(run).get("device", "")).partition(":")[0]


def _actions(state: State, run: Path) -> frozenset[Action]:
    if state == "queued":
        return frozenset({"move", "stop", "retry"})
    if state in ("starting", "running"):
        return frozenset({"stop", "retry"})
    if state in ("frozen", "orphaned"):
        return frozenset({"force_stop", "retry"})
    if state == "stopping":
        return frozenset({"force_stop", "retry"} if patience_left(run) <= 0 else {"retry"})
    over = state == "finished" or files.is_mean(run)
    return frozenset({"retry", "delete"} if over else {"resume", "retry", "delete"})


def patience_left(run: Path) -> float:
    """Seconds until a run that was asked to stop may be ended by force."""
    asked = files.read(run, files.STOP).get("monotonic", time.monotonic())
    return float(FORCE_AFTER_S - (time.monotonic() - asked))
