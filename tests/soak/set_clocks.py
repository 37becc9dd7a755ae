"""Sets the clock a day forward and back under running jobs: `python -m tests.soak.set_clocks [--count N] [--seed S]`.

Each round has a run and an evaluation that run and a run that waits, all started as the pages start them, with
stand-ins that only count. The clock of all their processes and of this one, which watches as a page does, is set
several times: the time, the times of files, and the time of the boot as the system tells it. A job that runs is
never shown as anything else, one that was killed is shown as such, queues keep their order, and no duration is
negative. Needs Linux and a C compiler.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from cxr_core.jobs import actions, files, status
from cxr_core.jobs.records import EvaluationRequest
from cxr_core.training.runs.progress import read_progress
from pages.components.training.job_state import time_taken
from tests.jobs.job_control import end_all, submit
from tests.soak.victims.faults import Fault, FaultState, preload_faults
from tests.soak.victims.fork import Violation
from tests.soak.victims.program import require
from tests.soak.victims.trial import create_parser, report_violations

MODULE = "tests.soak.set_clocks"
DAY_S = 86400
WATCHED_S = 2.6  # longer than from one heartbeat to the next
WITHIN_S = 60.0
STAND_INS = Path(__file__).parents[1] / "jobs" / "stand_in"


class Round:
    """One workspace and its jobs, under a clock that is set several times."""

    def __init__(self, folder: Path, chance: Random, outcomes: Counter[str]):
        """folder: of its own, since processes of an earlier round may still look at that one's clock."""
        self.chance, self.outcomes = chance, outcomes
        self.workspace, self.offset_s = folder / "workspace", 0
        (self.workspace / "data").mkdir(parents=True)
        os.environ["CXR_WORKSPACE"] = str(self.workspace)
        self.clock = FaultState(folder / "state", self.workspace, Fault())
        self.clock.enter()

    def carry_out(self) -> None:
        """Raises Violation for a promise that is not kept."""
        data = self.workspace / "data"
        run, waiting = submit(data, "first").id, submit(data, "second").id
        request = EvaluationRequest(model="tiny", data=(str(data),), split="test")
        evaluation = actions.submit_evaluation(request).id
        _wait(lambda: (_state(run), _state(evaluation)) == ("running", "running"), "both run")
        for _ in range(3):
            self._set_clock()
            self._watch({run: "running", waiting: "queued", evaluation: "running"})
        (files.find_job_folder(evaluation) / "ends").write_text("finish")
        (files.find_job_folder(evaluation) / "go").touch()
        _wait(lambda: not status.load_job(evaluation).live, "the evaluation ends")
        self._watch({evaluation: "finished", run: "running"}, 0.5)
        process = files.read_process(files.find_job_folder(run))
        assert process is not None
        os.kill(process.pid, 9)
        _wait(lambda: _state(waiting) == "running", "the next run starts")
        self._set_clock()
        self._watch({run: "interrupted", waiting: "running"})
        require("restarted" not in status.load_job(run).sentence, status.load_job(run).sentence)
        (files.find_job_folder(waiting) / "job" / "finish").touch()
        _wait(lambda: not status.load_job(waiting).live, "the second run ends")
        self._watch({waiting: "finished", run: "interrupted", evaluation: "finished"}, 0.5)

    def _set_clock(self) -> None:
        offsets = [-DAY_S, 0, DAY_S]
        offsets.remove(self.offset_s)
        before, self.offset_s = self.offset_s, self.chance.choice(offsets)
        self.clock.set_clock(self.offset_s)
        direction = "forward" if self.offset_s > before else "back"
        self.outcomes[f"clock set {direction}"] += 1

    def _watch(self, states: dict[str, str], seconds: float = WATCHED_S) -> None:
        """Look at the jobs again and again. states: by job, the only one that may be shown."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for job_id, state in states.items():
                job = status.load_job(job_id)
                sentence = f"{job_id} is {state} and is shown as {job.state}: {job.sentence}"
                require(job.state == state, f"{sentence}, clock {self.offset_s:+} s")
                require("-" not in time_taken(job), f"{job_id} took {time_taken(job)}")
                require(job.state != "queued" or job.place == 1, f"{job_id} is at {job.place}")
                progress = read_progress(job.folder)
                for duration in (progress.quiet_s, progress.eta_s):
                    require(duration is None or duration >= 0, f"{job_id}: {duration} s")
            self.outcomes["looks at the jobs"] += 1
            time.sleep(0.1)


def _state(job: str) -> str:
    return status.load_job(job).state


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        require(time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}")
        time.sleep(0.05)


def main() -> int:
    """Carry out rounds; 1 when a promise was not kept."""
    given = create_parser(MODULE, __doc__, 20, "rounds").parse_args()
    folder = preload_faults(MODULE)
    os.environ |= {"PYTHONPATH": str(STAND_INS), "CXR_RUN_NICENESS": "0"}
    outcomes: Counter[str] = Counter()
    violations, deadline = [], time.monotonic() + 60 * given.minutes
    for number in range(given.count):
        if time.monotonic() > deadline:
            break
        round_ = Round(folder / str(number), Random(f"{given.seed} {number}"), outcomes)
        try:
            round_.carry_out()
            outcomes["rounds without a fault"] += 1
        except Violation as violation:
            violations.append(f"seed {given.seed}, round {number}: {violation}")
            print(violations[-1], flush=True)
        finally:
            end_all(round_.workspace)
    print(", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())))
    return report_violations(violations, folder, MODULE)


if __name__ == "__main__":
    sys.exit(main())
