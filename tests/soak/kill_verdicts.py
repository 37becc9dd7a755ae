"""Kills whoever writes verdicts at random moments: `python -m tests.soak.kill_verdicts [--count N] [--seed S]`.

Two processes judge films and take verdicts back; each says on a pipe what was saved, once the program has returned.
After each kill, everything that was said has to be in the store as it was said, and the store has to be sound.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from cxr_core.feedback.projects import create_project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.store import read_store
from cxr_core.feedback.verdicts import ANSWERS, NewVerdict, record_verdict, undo_verdict
from tests.feedback.bench import add_film

FILMS, WRITERS = 20, 2
LONGEST_S = 0.4  # from the start of the writers to the kill


def main() -> int:
    """Kill until the count is reached. 1 when a verdict that was shown as saved is lost or changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CXR_WORKSPACE"] = str(Path(folder) / "workspace")
        project = create_project("study", ["pneumonia"], read_first=True, reads=2)
        films = [add_film(project, number).id for number in range(FILMS)]
        readers = [register_reader(f"reader {number}").id for number in range(WRITERS)]
        said: list[tuple[int, str]] = []
        for kill in range(given.count):
            said += kill_writers(films, readers, chance)
            problems = find_losses(said)
            if problems:
                print("\n".join(problems))
                return 1
            print(
                f"kill {kill + 1}: {len(said):,} verdicts said to be saved, all there", flush=True
            )
    print(f"{given.count} kills, {len(said):,} verdicts, 0 violations")
    return 0


def kill_writers(films: list[int], readers: list[str], chance: Random) -> list[tuple[int, str]]:
    """Let writers work for a random time, then kill them. Gives what they said was saved: number and answer."""
    pipes, writers = [], []
    for reader in readers:
        reading, writing = os.pipe()
        seed = chance.random()
        writer = os.fork()
        if writer == 0:
            try:
                os.close(reading)
                write_for_ever(films, reader, Random(seed), writing)
            finally:
                os._exit(1)  # nothing of the parent's goes on in here
        os.close(writing)
        pipes.append(reading)
        writers.append(writer)
    time.sleep(chance.uniform(0, LONGEST_S))
    for writer in writers:
        os.kill(writer, signal.SIGKILL)
    for writer in writers:
        os.waitpid(writer, 0)
    said = []
    for pipe in pipes:
        with os.fdopen(pipe, encoding="utf-8") as lines:
            complete = [line.split() for line in lines if line.endswith("\n")]
        said += [(int(number), answer) for number, answer in complete]
    return said


def write_for_ever(films: list[int], reader: str, chance: Random, pipe: int) -> None:
    """Judge films and take verdicts back, and say each time what was saved."""
    while True:
        new = NewVerdict(
            film=chance.choice(films),
            reader=reader,
            finding="pneumonia",
            answer=chance.choice(ANSWERS),
            comment="x" * chance.randrange(900),
        )
        saved = record_verdict(new).verdict
        os.write(pipe, f"{saved.id} {saved.answer}\n".encode())
        if chance.random() < 0.3:
            restored = undo_verdict(saved.id, reader)
            os.write(pipe, f"{restored.id} {restored.answer}\n".encode())


def find_losses(said: list[tuple[int, str]]) -> list[str]:
    """What was said to be saved and is not there as it was said, and what is wrong with the store."""
    with read_store() as store:
        rows = store.execute("SELECT id, answer FROM verdicts").fetchall()
        problems = [
            row[0] for row in store.execute("PRAGMA integrity_check").fetchall() if row[0] != "ok"
        ]
        problems += [
            f"case {row['film']}: {row['missing']} readers missing, {row['judged']} have judged"
            for row in store.execute(
                "SELECT c.film, c.wanted, c.missing, COUNT(v.reader) AS judged FROM cases c LEFT JOIN ("
                "  SELECT film, reader, answer, MAX(id) FROM verdicts GROUP BY film, reader) v "
                "ON v.film = c.film AND v.answer <> 'withdrawn' GROUP BY c.film"
            )
            if row["missing"] != max(0, row["wanted"] - row["judged"])
        ]
    kept = {row["id"]: row["answer"] for row in rows}
    return problems + [
        f"verdict {number}: {answer} was saved, the store has {kept.get(number)}"
        for number, answer in said
        if kept.get(number) != answer
    ]


if __name__ == "__main__":
    sys.exit(main())
