"""Pictures of films for the viewer, made ahead in a thread, so that the next film is there when it is asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

KEPT = 6  # pictures of a tab: the one on display, those before it, and the next ones


@dataclass(frozen=True, kw_only=True, repr=False)
class FilmPicture:
    """A film as the viewer takes it. picture: of `viewer.encode_picture`.  shape: (H, W) of the film."""

    picture: str
    shape: tuple[int, int]


Load = Callable[[], FilmPicture]


class PictureStore:
    """The last pictures of one tab, by the hashes of their films' pixels; they leave the memory with the tab."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pictures: OrderedDict[str, Future[FilmPicture]] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="next-film")

    def get(self, sha256: str, load: Load) -> FilmPicture:
        """A picture, made now unless it is there already. Raises what `load` raises, and tries again the next time."""
        future = self._begin(sha256, load)
        try:
            return future.result()
        finally:
            if future.done() and future.exception() is not None:
                with self._lock:
                    self._pictures.pop(sha256, None)

    def fetch_ahead(self, sha256: str, load: Load) -> None:
        """Begin to make a picture that will be asked for."""
        self._begin(sha256, load)

    def _begin(self, sha256: str, load: Load) -> Future[FilmPicture]:
        with self._lock:
            future = self._pictures.get(sha256)
            if future is None:
                future = self._pictures[sha256] = self._thread.submit(load)
            self._pictures.move_to_end(sha256)
            while len(self._pictures) > KEPT:
                self._pictures.popitem(last=False)[1].cancel()
            return future
