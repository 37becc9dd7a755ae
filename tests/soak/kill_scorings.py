"""Kills scorings: `python -m tests.soak.kill_scorings [--films N] [--count KILLS] [--seed S] [--ray] [--drawn]`.

A folder of films is scored; the command, one of its decoders or, with --ray, a worker or a node of a cluster of three
nodes on this machine is killed at random moments. Each time the scoring goes on with --resume; at last every film must
have one row, with the numbers that `read --json` gives for it. The films are those of $CXR_REAL_DATA, or beside the
repository, read by the models that ship; with --drawn they are drawn and read by one tiny model, which is quicker.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import psutil

from cxr_core.models.registry.active_version import list_active_versions, retire_model
from tests.scale.local_cluster import NODE, list_workers, start_cluster
from tests.scale.scoring.bench import draw_films, read_rows, without_times
from tests.tiny import tiny_model

ROOT = Path(__file__).parents[2]
COLLECTIONS = ("nih_pneumonia_256/images", "nih_cxr8")  # 600 films, and 12,462
DRAWN = 40  # films that are drawn; the others are these, shifted
TOLERANCE = 1e-4  # the last digits depend on which films share a forward pass


class Scoring:
    """The command that scores, killed and started again."""

    def __init__(self, films: Path, home: Path, address: str):
        self.films, self.out, self.address = films, home / "scores", address
        self.environment = os.environ | {"CXR_WORKSPACE": str(home / "workspace")}
        self.log = (home / "output.txt").open("ab")

    def start(self) -> subprocess.Popen[bytes]:
        """Begin, or go on."""
        command = ["score", "--data", str(self.films), "--out", str(self.out), "--resume"]
        command += ["--films-per-shard", "16", "--on", self.address or "local"]
        return subprocess.Popen(
            [sys.executable, "-m", "cxr_core", *command],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
        )

    def read_one_by_one(self) -> dict[str, Any]:
        """What `read --json` says of each film."""
        command = [sys.executable, "-m", "cxr_core", "read", "--json", str(self.films)]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, check=False
        )
        lines = done.stdout.decode().splitlines()
        return {json.loads(line)["file"]: without_times(line) for line in lines}


class Killer:
    """Ends something at random. cluster: None for a scoring on this machine."""

    def __init__(self, chance: Random, cluster: Any):
        self.chance, self.cluster = chance, cluster
        self.outcomes: Counter[str] = Counter()

    def kill(self, command: subprocess.Popen[bytes]) -> None:
        """Kill the command, or what works for it."""
        targets = ["command", "decoder"] if self.cluster is None else ["command", "worker", "node"]
        target = self.chance.choice(targets)
        killed = {
            "command": self._kill_command,
            "decoder": self._kill_child,
            "worker": self._kill_worker,
            "node": self._kill_node,
        }[target](command)
        self.outcomes[target if killed else f"{target} not there"] += 1

    def _kill_command(self, command: subprocess.Popen[bytes]) -> bool:
        if command.poll() is not None:
            return False
        command.send_signal(signal.SIGKILL)
        command.wait()
        return True

    def _kill_child(self, command: subprocess.Popen[bytes]) -> bool:
        return self._kill_one(psutil.Process(command.pid).children(recursive=True))

    def _kill_worker(self, command: subprocess.Popen[bytes]) -> bool:
        return self._kill_one(list_workers("Film"))

    def _kill_node(self, command: subprocess.Popen[bytes]) -> bool:
        node = self.chance.choice(sorted(self.cluster.worker_nodes, key=str))
        self.cluster.remove_node(node, allow_graceful=False)
        self.cluster.add_node(**NODE)
        return True

    def _kill_one(self, processes: list[psutil.Process]) -> bool:
        if not processes:
            return False
        self.chance.choice(processes).kill()
        return True


def main() -> int:
    """Kill until the count is reached, let the scoring end, and compare. 1 when a film differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kill_scorings", description=__doc__)
    parser.add_argument("--films", type=int, default=2000)
    parser.add_argument("--count", type=int, default=20, help="kills (default 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=20.0, help="most seconds between two kills")
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster of this machine")
    parser.add_argument("--drawn", action="store_true", help="drawn films and a tiny model")
    given = parser.parse_args()
    data = Path(os.environ.get("CXR_REAL_DATA", ROOT.parent / "shared" / "data"))
    cluster = start_cluster(3) if given.ray else None
    try:
        with tempfile.TemporaryDirectory() as home:
            films = Path(home) / "films"
            if given.drawn:
                draw_shifted_films(films, given.films)
                install_tiny_model(Path(home) / "workspace")
            else:
                link_films(data, films, given.films)
            scoring = Scoring(films, Path(home), cluster.address if cluster else "")
            killer = Killer(Random(given.seed), cluster)
            disturb(scoring, killer, given.count, given.pause)
            violations = compare(read_rows(scoring.out), scoring.read_one_by_one())
    finally:
        if cluster is not None:
            cluster.shutdown()
    for outcome, count in sorted(killer.outcomes.items()):
        print(f"{count:6} {outcome}")
    print(f"{given.films} films, {len(violations)} violations")
    print("\n".join(violations[:20]))
    return 1 if violations else 0


def link_films(data: Path, folder: Path, count: int) -> None:
    """Make a folder with links to the first films of COLLECTIONS."""
    films = [film for name in COLLECTIONS for film in sorted((data / name).rglob("*.png"))]
    if len(films) < count:
        sys.exit(f"{data} has {len(films)} films of {count}; ask for fewer, or draw them: --drawn")
    folder.mkdir()
    for number, film in enumerate(films[:count]):
        (folder / f"{number}-{film.name}").symlink_to(film)


def draw_shifted_films(folder: Path, count: int) -> None:
    """Draw a few films, and make the others by shifting these, which is much quicker."""
    draw_films(folder, min(DRAWN, count))
    drawn = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(folder.iterdir())]
    for number in range(DRAWN, count):
        shift, place = divmod(number, DRAWN)
        cv2.imwrite(str(folder / f"shifted-{number}.png"), np.roll(drawn[place], shift, axis=1))


def install_tiny_model(workspace: Path) -> None:
    """Put one tiny model into a workspace, in the place of those that ship."""
    os.environ["CXR_WORKSPACE"] = str(workspace)
    for shipped in list_active_versions():
        retire_model(shipped.folder.parent.name, "the films are read with a tiny model")
    tiny_model(workspace / "models")


def disturb(scoring: Scoring, killer: Killer, kills: int, pause_s: float) -> None:
    """Score with so many kills, then to the end."""
    command = scoring.start()
    for _ in range(kills):
        time.sleep(killer.chance.uniform(1, pause_s))
        killer.kill(command)
        if command.poll() is not None:
            command = scoring.start()
    while command.wait() != 0:
        command = scoring.start()


def compare(rows: list[dict[str, Any]], expected: dict[str, Any]) -> list[str]:
    """What is wrong with the rows, a line each."""
    times = Counter(row["file"] for row in rows)
    violations = [f"{file}: {count} rows" for file, count in times.items() if count != 1]
    violations += [f"{file}: no row" for file in expected if file not in times]
    for row in rows:
        differences = list_differences(without_times(row["json"]), expected.get(row["file"]))
        violations += [f"{row['file']}: {difference}" for difference in differences[:1]]
    return violations


def list_differences(row: Any, expected: Any, place: str = "") -> list[str]:
    """Where two values differ, numbers by more than another batch of films changes them."""
    if isinstance(row, dict) and isinstance(expected, dict):
        keys = {**row, **expected}
        pairs = [(row.get(key), expected.get(key), f"{place}.{key}") for key in keys]
    elif isinstance(row, list) and isinstance(expected, list) and len(row) == len(expected):
        pairs = [(*both, f"{place}.{n}") for n, both in enumerate(zip(row, expected, strict=True))]
    elif isinstance(row, float) and isinstance(expected, float):
        is_same = math.isclose(row, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        return [] if is_same else [f"{place} is {row}, and {expected} by read --json"]
    else:
        return [] if row == expected else [f"{place} is {row!r}, and {expected!r} by read --json"]
    return [difference for pair in pairs for difference in list_differences(*pair)]


if __name__ == "__main__":
    sys.exit(main())
