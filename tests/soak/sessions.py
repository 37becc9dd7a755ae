"""Many sessions that read films at once: `python -m tests.soak.sessions [--count N] [--seed S] [--minutes M]`.

Each session is a browser tab without a browser (`tests.soak.tab`), with films of its own, to the app as it is served.
A violation is an exception on a page, a film or a name of another session, a picture that is not the film's, a 95th
percentile of a reading above 50 times that of one session alone divided by the cores, and memory that is not back
within 10 % once all tabs have closed.
"""

import argparse
import os
import re
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from pages.components.viewer import encode_picture
from tests.browser.served_app import STREAMLIT, find_server, serve
from tests.soak.tab import Tab, open_tab

FILMS_EACH = 3
ALONE = 12  # films that one session reads before the others come
SLOWER_AT_MOST = 50
MEMORY_WITHIN = 1.10
FORGOTTEN_WITHIN_S = 90.0
REPORT_EVERY_S = 30.0
OWNER = re.compile(rb"soak-(\d+)-\d+\.png")


@dataclass(frozen=True)
class Film:
    """A file, its name, and its picture as the viewer shows it."""

    name: str
    data: bytes
    picture: str


@dataclass
class Tally:
    """What has come of the readings so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def print(self, since: float, memory: float) -> None:
        """One line of counts."""
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(self.outcomes.items()))
        slow = np.percentile(self.seconds, 95) if self.seconds else 0
        print(f"{time.monotonic() - since:6.0f} s: {counts}; p95 {slow:.1f} s; {memory:.0f} MB")
        sys.stdout.flush()


class SessionSoak:
    """Sessions against one server, and what they find wrong."""

    def __init__(self, address: str, seed: int, folder: Path):
        """folder: where violations are written."""
        self._address, self._seed = address, seed
        self._log = folder / "violations.txt"
        self._server = find_server(address)
        self._lock = threading.Lock()
        self.tally = Tally()

    def run(self, count: int, minutes: float) -> None:
        """Let one session read alone, then `count` at once for some minutes, then close all."""
        films = [self._draw_films(session) for session in range(count)]
        with open_tab(self._address) as tab:
            self._read(tab, 0, films[0][0])  # the models are loaded
            self.tally.seconds.clear()
            for index in range(ALONE):
                self._read(tab, 0, films[0][index % FILMS_EACH])
        alone = float(np.percentile(self.tally.seconds, 95))
        before = self._wait_for_memory(0)
        self.tally.seconds.clear()
        start, computed = time.monotonic(), self._computing_s()
        most = self._read_at_once(films, start, 60 * minutes)
        server, children = (self._computing_s() - computed) / len(self.tally.seconds)
        after = self._wait_for_memory(before * MEMORY_WITHIN)
        self.tally.print(start, after)
        slow, cores = float(np.percentile(self.tally.seconds, 95)), os.cpu_count() or 1
        limit = SLOWER_AT_MOST * alone / cores
        print(f"p95 alone {alone:.2f} s, of {count} sessions {slow:.2f} s, limit {limit:.1f} s")
        print(f"computing per reading: server {server:.2f} s, its processes {children:.2f} s")
        print(f"memory {before:.0f} MB before, {most:.0f} MB at most, {after:.0f} MB afterwards")
        if slow > limit:
            self._report(f"p95 of a reading is {slow:.1f} s, more than {limit:.1f} s")
        if after > before * MEMORY_WITHIN:
            self._report(f"memory went from {before:.0f} to {after:.0f} MB")

    def _read_at_once(self, films: Sequence[Sequence[Film]], start: float, seconds: float) -> float:
        """Sessions in threads until the time is over; the most memory that they took."""
        threads = [
            threading.Thread(target=self._run_session, args=(session, own, start + seconds))
            for session, own in enumerate(films)
        ]
        for thread in threads:
            thread.start()
        most, reported = 0.0, start
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            most = max(most, self._memory())
            if time.monotonic() > reported + REPORT_EVERY_S:
                reported = time.monotonic()
                self.tally.print(start, most)
        return most

    def _draw_films(self, session: int) -> list[Film]:
        films = []
        for index in range(FILMS_EACH):
            spec = PhantomSpec(seed=self._seed * 1_000_000 + session * FILMS_EACH + index)
            data = encode_png(draw_phantom(spec))
            picture = encode_picture(decode_film(data))
            films.append(Film(f"soak-{session}-{index}.png", data, picture))
        return films

    def _run_session(self, session: int, films: Sequence[Film], deadline: float) -> None:
        """Tabs one after the other; each reads a few films, clears its study or is closed with it."""
        chance = Random(f"{self._seed}:{session}")
        while time.monotonic() < deadline:
            try:
                with open_tab(self._address) as tab:
                    for _ in range(chance.randint(1, 8)):
                        if time.monotonic() < deadline:
                            self._read(tab, session, chance.choice(films))
            except Exception:  # noqa: BLE001 - whatever it is, it is what this program looks for
                self._report(f"session {session}: {traceback.format_exc()}")

    def _read(self, tab: Tab, session: int, film: Film) -> None:
        """Read one film, check that all that is shown is of it, and clear the study."""
        start = time.monotonic()
        tab.upload(film.name, film.data)
        seconds = time.monotonic() - start
        owners = {int(owner) for content in tab.contents() for owner in OWNER.findall(content)}
        wrong = list(tab.exceptions)
        if owners != {session}:
            wrong.append(f"films of sessions {sorted(owners)} are shown")
        if not tab.shows(film.picture) or not tab.shows(film.name):
            wrong.append(f"{film.name} is not shown, but {tab.alerts()}")
        tab.click("Clear this study")
        if tab.shows(film.name):
            wrong.append(f"{film.name} is shown after it was cleared")
        with self._lock:
            self.tally.outcomes["wrong" if wrong else "read"] += 1
            self.tally.seconds.append(seconds)
        for problem in wrong:
            self._report(f"session {session}: {problem}")

    def _report(self, violation: str) -> None:
        with self._lock:
            self.tally.violations.append(violation)
            with self._log.open("a", encoding="utf-8") as log:
                log.write(violation + "\n")
        print(f"{violation.strip().splitlines()[-1]} ({self._log})", flush=True)

    def _memory(self) -> float:
        """Resident memory of the server and its children, in MB."""
        processes = [self._server, *self._server.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 2**20

    def _computing_s(self) -> np.ndarray:
        """(2,) seconds of processor time that the server has taken so far, and that its processes have."""
        children = self._server.children(recursive=True)
        times = [sum(each.cpu_times()[:2]) for each in (self._server, *children)]
        return np.array([times[0], sum(times[1:])])

    def _wait_for_memory(self, enough: float) -> float:
        """The memory once closed tabs are forgotten, or earlier when it is down to enough MB."""
        lowest, deadline = self._memory(), time.monotonic() + FORGOTTEN_WITHIN_S
        steady = time.monotonic()
        while lowest > enough and time.monotonic() < deadline:
            time.sleep(1)
            now = self._memory()
            if now < 0.99 * lowest:
                steady = time.monotonic()
            lowest = min(lowest, now)
            if enough == 0 and time.monotonic() > steady + FORGOTTEN_WITHIN_S / 3:
                break
        return lowest


def main() -> int:
    """Serve the app, run the sessions, and return 1 when anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="sessions at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-sessions-"))
    server = serve(STREAMLIT, folder)
    soak = SessionSoak(next(server), options.seed, folder)
    try:
        soak.run(options.count, options.minutes)
    finally:
        server.close()  # type: ignore[attr-defined]
    print(f"{len(soak.tally.violations)} violations ({folder})")
    return 1 if soak.tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
