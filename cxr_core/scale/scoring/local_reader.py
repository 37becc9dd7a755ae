"""Reads the films of an archive in this machine's processes: decoders of their own, networks in this one."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from cxr_core.errors import ArchiveUnreachable
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader
from cxr_core.reading.results import Examination
from cxr_core.reading.site_profile import SiteProfile
from cxr_core.scale.scoring.columns import Row, build_scoring_row
from cxr_core.scale.scoring.film_files import FilmFile, open_film
from cxr_core.scale.scoring.scoring_folder import ScoringRecord
from cxr_core.scale.scoring.unopened import refuse_unopened


@dataclass(frozen=True, kw_only=True)
class RepeatedFilm:
    """A film with the same bytes as one that is scored already, or about to be. sha256: of the bytes."""

    film: FilmFile
    sha256: str


@dataclass(frozen=True, eq=False)
class RowMaker:
    """Turns examinations into rows, for one scoring."""

    record: ScoringRecord

    def make_row(
        self, film: FilmFile, data: bytes, examination: Examination, failure: str = ""
    ) -> Row:
        """The row of one film. failure: why it could not be opened; its data is then empty."""
        profile = self.record.site_profile
        reading = interpret(
            examination,
            Patient(age_years=film.age_years, view=film.view),
            self.record.decision,
            self.record.prevalence,
            SiteProfile(models=profile) if profile else None,
        )
        if failure:
            film = replace(film, stamp="")  # so that --resume tries it again
            return build_scoring_row(film, None, examination, refuse_unopened(reading, failure))
        return build_scoring_row(film, len(data), examination, reading)


class LocalReader:
    """Reads films with one `Reader`, each content once."""

    def __init__(self, reader: Reader, record: ScoringRecord):
        self._reader, self._maker = reader, RowMaker(record)

    def read_films(
        self, films: Iterable[FilmFile], is_known: Callable[[str], bool]
    ) -> Iterator[Row | RepeatedFilm]:
        """A row for each film, in about their order, or what it repeats.

        is_known: whether the bytes of a hash are scored already; asked once for each film, just before it is read.
        Raises ArchiveUnreachable, after what came before it, for an archive that does not answer.
        """
        loaded: deque[tuple[FilmFile, bytes, str]] = deque()
        repeated: deque[RepeatedFilm] = deque()
        silence: list[ArchiveUnreachable] = []

        def load() -> Iterator[bytes]:
            for film in films:
                try:
                    data, failure = open_film(film)
                except ArchiveUnreachable as error:
                    silence.append(error)  # the films before this one are finished first
                    return
                sha256 = hashlib.sha256(data).hexdigest()
                if not failure and is_known(sha256):
                    repeated.append(RepeatedFilm(film=film, sha256=sha256))
                    continue
                loaded.append((film, data, failure))
                yield data

        for examination in self._reader.examine_many(load()):
            film, data, failure = loaded.popleft()
            yield self._maker.make_row(film, data, examination, failure)
            while repeated:
                yield repeated.popleft()
        yield from repeated
        if silence:
            raise silence[0]


class SeenFilms:
    """Which contents a scoring holds, or is about to read."""

    def __init__(self, hashes: Collection[str]):
        self._hashes = {bytes.fromhex(sha256) for sha256 in hashes}

    def add(self, sha256: str) -> bool:
        """Whether this content was known before; from now on it is."""
        content = bytes.fromhex(sha256)
        if content in self._hashes:
            return True
        self._hashes.add(content)
        return False
