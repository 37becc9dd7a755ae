"""Kills searches for settings: `python -m tests.soak.kill_searches [--trials N] [--count KILLS] [--ray]`.

Processes of one search train a tiny recipe; one of them is killed at random moments and started again. With --ray one
process has a cluster of two nodes on this machine work on the search, and it or a worker of the cluster is killed. At
last every trial must have ended once, with settings of its own, and every epoch of its run must be there once.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

from cxr_core.scale.search.results import read_results
from cxr_core.scale.search.search_folder import SearchFolder
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.run_folder import RunFolder
from tests.lit_films import lit_films
from tests.scale.local_cluster import list_workers, start_cluster
from tests.training.sweeps.test_seeds import TINY

ROOT = Path(__file__).parents[2]
SPACE = """
[learning_rate]
low = 1e-5
high = 1e-1
log = true

[dropout]
low = 0.0
high = 0.8
"""


def main() -> int:
    """Kill until the count is reached, let the search end, and look at it. 1 when a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kill_searches", description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--count", type=int, default=5, help="kills (default 5)")
    parser.add_argument("--workers", type=int, default=2, help="processes of the search")
    parser.add_argument("--pause", type=float, default=20.0, help="most seconds between two kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster of this machine")
    given = parser.parse_args()
    cluster = start_cluster(2) if given.ray else None
    try:
        return disturb(given, cluster.address if cluster else "local")
    finally:
        if cluster is not None:
            cluster.shutdown()


def disturb(given: argparse.Namespace, address: str) -> int:
    """The same on a cluster, or on this machine."""
    chance = Random(given.seed)
    count = 1 if given.ray else given.workers
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        lit_films(home / "data", side=40, train=40, test=4)
        (home / "tiny.toml").write_text(format_recipe(replace(TINY, epochs=4)))
        (home / "space.toml").write_text(SPACE)
        start(home, 1).wait()  # the search exists, so that all others join it
        workers = [start(home, given.trials, address) for _ in range(count)]
        kills: Counter[str] = Counter()
        for _ in range(given.count):
            time.sleep(chance.uniform(1, given.pause))
            on_cluster = list_workers("work_on_node") if given.ray else []
            if on_cluster and chance.random() < 0.5:
                chance.choice(on_cluster).kill()
                kills["of workers"] += 1
                continue
            place = chance.randrange(count)
            kills["of the command"] += workers[place].poll() is None
            workers[place].kill()
            workers[place].wait()
            workers[place] = start(home, given.trials, address)
        statuses = [worker.wait() for worker in workers]
        statuses.append(start(home, given.trials).wait())
        violations = find_violations(home / "workspace" / "searches" / "tiny-search", given.trials)
    print(f"kills {dict(kills)}, statuses {statuses}, {len(violations)} violations")
    print("\n".join(violations))
    return 1 if violations or any(statuses) else 0


def start(home: Path, trials: int, address: str = "local") -> subprocess.Popen[bytes]:
    """One process of the search."""
    command = [sys.executable, "-m", "train.search", str(home / "tiny.toml")]
    command += [f"--data={home / 'data'}", f"--space={home / 'space.toml'}", f"--trials={trials}"]
    environment = {"CXR_WORKSPACE": str(home / "workspace"), "OMP_NUM_THREADS": "1"}
    with (home / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*command, "--device=cpu", f"--on={address}"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
        )


def find_violations(path: Path, trials: int) -> list[str]:
    """What is wrong with a search that has ended, a line each."""
    search = SearchFolder.load(path)
    results = read_results(search)
    if results is None:
        return ["there are no results"]
    violations = [
        f"trial {trial.number} still runs" for trial in results.trials if trial.state == "running"
    ]
    if len(results.trials) != trials:
        violations.append(f"{len(results.trials)} trials instead of {trials}")
    settings = Counter(tuple(trial.settings.items()) for trial in results.trials)
    violations += [
        f"{count} trials have the same settings" for count in settings.values() if count > 1
    ]
    for trial in results.trials:
        events = RunFolder(search.trial_folder(trial.number) / "seed-0").read_events()
        epochs = Counter(event["epoch"] for event in events if event["event"] == "epoch")
        if any(count > 1 for count in epochs.values()):
            violations.append(f"trial {trial.number} has an epoch twice: {dict(epochs)}")
        if trial.state == "complete" and len(epochs) != trial.epochs:
            violations.append(
                f"trial {trial.number} has {len(epochs)} epochs, {trial.epochs} reported"
            )
    return violations


if __name__ == "__main__":
    sys.exit(main())
