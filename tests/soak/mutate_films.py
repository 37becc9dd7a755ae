"""Decodes mutated films as the program does: `python -m tests.soak.mutate_films [--count N] [--seed S] [--minutes M]`.

A violation is an error other than a refusal, a decoder that ends with a traceback, a film that computes for more than
5 s, pixels out of range, a process or an open file that is left behind, and memory that grows by more than 64 MB. Each
violating film is written to a file, and `--case I` writes mutation I of a seed.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import psutil

from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.sandbox import MEMORY_LIMIT_BYTES, DecodePool
from cxr_core.film.radiograph import Radiograph
from cxr_core.workspace.child_process import limit_memory
from tests.film.corpus import list_situations
from tests.soak.film_mutations import mutate, name_format, split
from tests.soak.tally import Tally

ROOT = Path(__file__).parents[2]
WORKERS = 2
TIME_LIMIT_S = 5.0
MEMORY_GROWTH_BYTES = 64 << 20
# Folders of real and odd files, and how many are taken of each. A file above the size would spend the time on pixels.
REAL_SEEDS = {"dicom": 999, "odd_images": 999, "kermany_pneumonia": 9, "nih_boxes_256": 9}
LARGEST_SEED_BYTES = 1_100_000
REPORT_EVERY_S = 30.0
# Of a hundred films, how many are written in each format.
SHARES = {"dicom": 45, "png": 16, "jpeg": 12, "tiff": 12, "bmp": 6, "webp": 6, "other": 3}
# Everything is loaded, and every worker has read a few films, before memory and files are counted.
WARM_UP = 500


class FilmSoak:
    """Mutations of the seeds, decoded by the pool that the program uses, and what is violated."""

    def __init__(self, seed: int, folder: Path):
        """folder: where violating films are written."""
        self._seed, self._folder = seed, folder
        self._seeds = collect_seeds()
        self._groups = group_by_format(self._seeds)
        self.tally = Tally()
        self._lock = threading.Lock()

    def mutation(self, index: int) -> tuple[str, bytes]:
        """Format and bytes of mutation `index`: the same for the same seed, index and seed films."""
        chance = Random(f"{self._seed}:{index}")
        name = chance.choices(list(SHARES), list(SHARES.values()))[0]
        films = self._groups[name]
        return name, mutate(chance.choice(films), chance.choice(films), chance)

    def run(self, count: int, minutes: float) -> None:
        """Decode `count` mutations, or as many as the minutes allow."""
        for film in self._seeds:
            split(film)
        me, start = psutil.Process(), time.monotonic()
        files = me.num_fds() if hasattr(me, "num_fds") else 0
        with DecodePool(WORKERS, time_limit=TIME_LIMIT_S) as pool:
            indices = iter(range(count))
            self._decode_all(pool, itertools.islice(indices, WARM_UP), start + 60 * minutes)
            memory = me.memory_info().rss
            self._decode_all(pool, indices, start + 60 * minutes)
            growth = me.memory_info().rss - memory
            children = len(me.children(recursive=True))
        left = len(me.children(recursive=True))
        opened = (me.num_fds() if hasattr(me, "num_fds") else 0) - files
        self.tally.print(time.monotonic() - start)
        print(f"  memory {growth / 2**20:+.1f} MB, {opened:+d} open files, {left} processes left")
        self._require(growth <= MEMORY_GROWTH_BYTES, f"memory grew by {growth / 2**20:.0f} MB")
        self._require(children <= WORKERS, f"{children} processes for {WORKERS} workers")
        self._require(left == 0 and opened <= 0, f"{left} processes and {opened} files left open")

    def _require(self, holds: bool, violation: str) -> None:
        if not holds:
            self.tally.violations.append(violation)

    def _decode_all(self, pool: DecodePool, indices: Iterator[int], deadline: float) -> None:
        threads = [
            threading.Thread(target=self._decode_some, args=(pool, indices, deadline))
            for _ in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        start = time.monotonic()
        for thread in threads:
            while thread.is_alive():
                thread.join(REPORT_EVERY_S)
                if thread.is_alive():
                    self.tally.print(time.monotonic() - start)

    def _decode_some(self, pool: DecodePool, indices: Iterator[int], deadline: float) -> None:
        while time.monotonic() < deadline:
            with self._lock:
                index = next(indices, None)
            if index is None:
                return
            name, film = self.mutation(index)
            outcome, violation = decode(pool, film)
            if outcome in ("decoder_died", "decoder_ended"):
                outcome, violation = decode_alone(film)
                self._keep(index, film)
            with self._lock:
                self.tally.outcomes[outcome, name] += 1
                if violation:
                    self._report(index, film, violation)

    def _keep(self, index: int, film: bytes) -> Path:
        path = self._folder / f"{self._seed}-{index}.film"
        path.write_bytes(film)
        return path

    def _report(self, index: int, film: bytes, violation: str) -> None:
        path = self._keep(index, film)
        path.with_suffix(".txt").write_text(violation, encoding="utf-8")
        self.tally.violations.append(f"{path}: {violation.strip().splitlines()[-1]}")
        print(self.tally.violations[-1], flush=True)


def decode(pool: DecodePool, film: bytes) -> tuple[str, str]:
    """The outcome of one film, and what it violates."""
    try:
        result = pool.decode(film)
    except FilmRefused as refusal:
        slow = refusal.code == "too_slow"
        return refusal.code, f"more than {TIME_LIMIT_S:g} s of computing" if slow else ""
    except Exception:  # noqa: BLE001 - whatever it is, it is what this program looks for
        return "error", traceback.format_exc()
    return "read", "" if is_sound(result) else "pixels that are no film's"


def is_sound(film: Radiograph) -> bool:
    """Whether the pixels are what every other stage relies on."""
    pixels = film.pixels
    return bool(pixels.ndim == 2 and pixels.size and pixels.min() >= 0 and pixels.max() <= 1) and (
        pixels.dtype == np.float32
    )


def decode_alone(film: bytes) -> tuple[str, str]:
    """Why a decoder died: a codec that crashes is what the sandbox is for; a traceback is a fault of this program."""
    with tempfile.NamedTemporaryFile(suffix=".film") as file:
        file.write(film)
        file.flush()
        command = [sys.executable, "-m", __spec__.name, "--decode", file.name]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        return f"decoder died of signal {-done.returncode}", ""
    if done.returncode == 0:
        return "decoder died once, not again", ""
    return "error", done.stderr


def collect_seeds() -> list[bytes]:
    """Films of every syntax: the catalogue's, and the real and odd files where there are any."""
    seeds = {situation.build() for situation in list_situations()}
    data = Path(os.environ.get("CXR_REAL_DATA", ROOT.parent / "shared" / "data"))
    for folder, most in REAL_SEEDS.items():
        files = (path for path in sorted((data / folder).rglob("*.*")) if path.suffix != ".csv")
        small = (path for path in files if path.stat().st_size <= LARGEST_SEED_BYTES)
        seeds |= {path.read_bytes() for path in itertools.islice(small, most)}
    return sorted(seeds)


def group_by_format(seeds: Sequence[bytes]) -> dict[str, list[bytes]]:
    """The seeds by the format that they are written in."""
    groups: dict[str, list[bytes]] = {}
    for film in seeds:
        groups.setdefault(name_format(film), []).append(film)
    return groups


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="how many films")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so long")
    parser.add_argument("--case", type=int, help="only write this mutation to a file")
    parser.add_argument("--decode", type=Path, help="only decode this file, in this process")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; 1 on a violation."""
    options = parse_arguments(arguments)
    if options.decode:
        return decode_here(options.decode)
    soak = FilmSoak(options.seed, Path(tempfile.mkdtemp(prefix="mutated-films-")))
    if options.case is not None:
        print(soak._keep(options.case, soak.mutation(options.case)[1]))
        return 0
    soak.run(options.count, options.minutes)
    for violation in soak.tally.violations:
        print(violation)
    return bool(soak.tally.violations)


def decode_here(path: Path) -> int:
    """Decode one file in this process, under a worker's memory limit; a traceback ends it."""
    from cxr_core.film.decoding.decode import decode_film

    limit_memory(MEMORY_LIMIT_BYTES)
    try:
        decode_film(path.read_bytes())
    except FilmRefused as refusal:
        print(f"{refusal.code}: {refusal}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
