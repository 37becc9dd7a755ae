"""Keeps the study of a browser tab that has gone, in the server's memory, so that a reload of the tab finds it again.

The tab holds a random token (see study_token.py), and only who has it gets the study. Nothing is written to the disk.
A study that nobody asks for is dropped after KEEP_S; the oldest ones earlier, when there are many.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pages.components.read.page_state import ReadPageState

KEEP_S = 30 * 60.0
MOST_STUDIES = 8
MOST_BYTES = 64 << 20  # of all kept studies together


@dataclass
class _Study:
    state: ReadPageState
    session_id: str  # of the tab that has it
    owner: str  # who had signed in
    left_at: float | None = None  # on the monotonic clock, when its tab had gone


class KeptStudies:
    """The studies of all tabs, by their tokens; for many threads."""

    def __init__(self, is_connected: Callable[[str], bool]):
        """is_connected: whether a session's tab is open."""
        self._is_connected = is_connected
        self._studies: dict[str, _Study] = {}
        self._lock = threading.Lock()

    def add(self, session_id: str, state: ReadPageState, owner: str = "") -> str:
        """Register a tab's study, and give the token for it. owner: who has signed in; nobody else gets the study."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._studies[token] = _Study(state, session_id, owner)
        return token

    def claim(self, token: str, session_id: str, owner: str = "") -> ReadPageState | None:
        """Hand a study to a session that has its token; None when it is gone, another's, or open in another tab."""
        with self._lock:
            study = self._studies.get(token)
            if study is None or study.owner != owner or self._is_connected(study.session_id):
                return None
            study.session_id, study.left_at = session_id, None
            return study.state

    def leave(self, session_id: str) -> None:
        """Keep the studies of a session that has ended for KEEP_S; drop empty ones and those beyond the bounds."""
        with self._lock:
            for study in self._studies.values():
                if study.session_id == session_id and study.left_at is None:
                    study.state.drop_undo()
                    study.state.drop_pictures()
                    study.left_at = time.monotonic()
        self.drop_old_studies()
        timer = threading.Timer(KEEP_S, self.drop_old_studies)
        timer.daemon = True
        timer.start()

    def drop_old_studies(self) -> None:
        """Forget the films of kept studies that are empty, too old, or too many."""
        with self._lock:
            kept = [(t, s) for t, s in self._studies.items() if s.left_at is not None]
            kept.sort(key=lambda item: item[1].left_at or 0.0, reverse=True)
            dropped, total = [], 0
            for position, (token, study) in enumerate(kept):
                size = study.state.count_bytes()
                total += size
                is_old = time.monotonic() - (study.left_at or 0.0) >= KEEP_S
                if is_old or not size or position >= MOST_STUDIES or total > MOST_BYTES:
                    dropped.append(self._studies.pop(token))
        for study in dropped:
            study.state.forget_study()
