"""Opens and decodes films on the nodes of a cluster: a process with a decoder of its own behind it, without torch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.film.radiograph import Radiograph
from cxr_core.scale.scoring.film_files import FilmFile, open_film


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedFile:
    """A film that was opened and decoded on a node.

    data: its bytes, empty where it could not be opened; failure then says why.  content: the film, or its refusal.
    """

    film: FilmFile
    data: bytes
    failure: str
    content: Radiograph | FilmRefused


class RayDecoder:
    """Opens and decodes films; one process of a node."""

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
