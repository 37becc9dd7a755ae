"""A bounded run of the soak; `python -m tests.soak.mutate_films` runs it longer."""

from pathlib import Path

import pytest

from cxr_core.film.decoding.decode import decode_film
from tests.film.corpus import list_situations
from tests.soak.film_mutations import join, name_format, split
from tests.soak.mutate_films import FilmSoak


@pytest.mark.process
def test_mutated_films_are_read_or_refused_and_leave_nothing_behind(tmp_path: Path) -> None:
    soak = FilmSoak(17, tmp_path)
    soak.run(1500, minutes=0.2)
    assert soak.tally.violations == []
    assert {outcome for _, outcome in soak.tally.outcomes} >= {"read", "undecodable"}


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
