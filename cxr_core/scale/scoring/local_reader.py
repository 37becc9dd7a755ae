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
from cxr_core.scale.scoring.film_files import FilmFile, name_reading, open_film
from cxr_core.scale.scoring.scoring_folder import ScoringRecord
from cxr_core.scale.scoring.unopened import refuse_unopened


@dataclass(frozen=True, kw_only=True)
class RepeatedFilm:
    """A film with the reading of one that is scored already, or about to be. reading: as `name_reading` names it."""

    film: FilmFile
    reading: str


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

        is_known: whether there is a reading of this name already; asked once for each film, just before it is read.
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
                reading = name_reading(hashlib.sha256(data).hexdigest(), film.stamp)
                if not failure and is_known(reading):
                    repeated.append(RepeatedFilm(film=film, reading=reading))
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


class SeenReadings:
    """Which readings a scoring holds, or is about to make, by their names."""

    def __init__(self, names: Collection[str]):
        self._names = set(names)

    def add(self, name: str) -> bool:
        """Whether this reading was known before; from now on it is."""
        if name in self._names:
            return True
        self._names.add(name)
        return False
