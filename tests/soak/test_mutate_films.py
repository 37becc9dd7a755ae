"""A bounded run of the soak; `python -m tests.soak.mutate_films` runs it longer."""

import subprocess
import sys
from pathlib import Path

import pytest

from cxr_core.film.decoding.decode import decode_film
from tests.film.corpus import list_situations
from tests.soak.film_mutations import join, name_format, split

ROOT = Path(__file__).parents[2]


@pytest.mark.process
def test_mutated_films_are_read_or_refused_and_leave_nothing_behind() -> None:
    """In a process of its own: the program counts its child processes, and other tests have some as well."""
    options = ["--count=700", "--minutes=0.2", "--seed=17"]
    command = [sys.executable, "-m", "tests.soak.mutate_films", *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    assert "0 violations" in ended.stdout
    outcomes = {line.split()[0] for line in ended.stdout.splitlines() if line}
    assert {"read", "undecodable"} <= outcomes


def describe(data: bytes) -> tuple[object, ...]:
    film = decode_film(data)
    return film.facts_to_json(), film.pixels.tobytes()


@pytest.mark.corpus
def test_a_film_in_pieces_is_put_together_as_it_was() -> None:
    for situation in list_situations()[::4]:
        if situation.refused:
            continue
        data = situation.build()
        pieces = split(data)
        assert pieces or name_format(data) == "other", situation.name
        if name_format(data) == "dicom":
            # A sequence's length becomes an undefined one.
            assert describe(join(data, pieces)) == describe(data), situation.name
        elif pieces:
            assert join(data, pieces) == data, situation.name
