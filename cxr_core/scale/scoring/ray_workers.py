"""What runs on the nodes of a cluster: processes that open and decode films, and processes that run the networks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cxr_core.errors import FilmRefused, SilhouetteError
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.reader import Reader
from cxr_core.reading.site_profile import SiteProfile
from cxr_core.scale.scoring.columns import Row
from cxr_core.scale.scoring.film_files import FilmFile
from cxr_core.scale.scoring.local_reader import RowMaker, open_film
from cxr_core.scale.scoring.scoring_folder import ScoringRecord, describe_scoring


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedFile:
    """A film that was opened and decoded on a node.

    data: its bytes, empty where it could not be opened; failure then says why.  content: the film, or its refusal.
    """

    film: FilmFile
    data: bytes
    failure: str
    content: Radiograph | FilmRefused


class FilmDecoder:
    """One process of a node that opens and decodes films, with a decoder of its own behind it."""

    def __init__(self) -> None:
        self._pool = DecodePool(1)

    def start(self) -> str:
        """Get ready. Returns a problem, or nothing."""
        self._pool.warm()
        return ""

    def decode(self, films: Sequence[FilmFile]) -> tuple[list[str], list[DecodedFile]]:
        """The hashes of the films' bytes, empty where a file could not be opened, and the films."""
        files = [self._decode(film) for film in films]
        hashes = ["" if f.failure else hashlib.sha256(f.data).hexdigest() for f in files]
        return hashes, files

    def _decode(self, film: FilmFile) -> DecodedFile:
        data, failure = open_film(film)
        content: Radiograph | FilmRefused
        try:
            content = self._pool.decode(data)
        except FilmRefused as refusal:
            content = refusal
        return DecodedFile(film=film, data=data, failure=failure, content=content)


class DecodedFilms(DecodePool):
    """Stands for the decoders of a reader whose films were decoded elsewhere."""

    def __init__(self) -> None:
        super().__init__(workers=1)
        self.contents: Mapping[bytes, Radiograph | FilmRefused] = {}

    def decode(self, data: bytes) -> Radiograph:
        """The film of a file that was decoded before. Raises FilmRefused as decoding did."""
        content = self.contents[data]
        if isinstance(content, FilmRefused):
            raise content
        return content


class FilmScorer:
    """One process of a node that runs the installed models."""

    def __init__(self, record: ScoringRecord):
        self._record = record
        self._films = DecodedFilms()
        self._reader: Reader | None = None

    def start(self) -> str:
        """Load the models. Returns a problem, or nothing: every node must read as the first one does."""
        record = self._record
        try:
            self._reader = Reader.installed(decoders=self._films)
            profile = SiteProfile(models=record.site_profile)
            own = describe_scoring(self._reader, record.decision, record.prevalence, profile)
        except SilhouetteError as error:
            return str(error)
        difference = own.describe_difference(record)
        return f"its {difference} differ from those of this machine" if difference else ""

    def read(self, files: Sequence[DecodedFile], kept: Sequence[int]) -> list[Row]:
        """The rows of some of the files. kept: their places."""
        assert self._reader is not None  # `start` comes first
        chosen = [files[place] for place in kept]
        self._films.contents = {file.data: file.content for file in chosen}
        maker = RowMaker(self._record)
        examinations = self._reader.examine_many(file.data for file in chosen)
        return [
            maker.make_row(file.film, file.data, examination, file.failure)
            for file, examination in zip(chosen, examinations, strict=True)
        ]
