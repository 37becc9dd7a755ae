"""Recognises the films that a model was trained or tuned on, by the hash of their pixels.

`learnt_films.txt` in a model's folder has a line for each: the first eight digits of the hash. One film in a million
is taken for another by them, and no film can be found by a hash that is cut.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cxr_core.errors import ModelError, RecordError
from cxr_core.models.card import LEARNT_FILMS
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.json_files import read_bounded

DIGITS = 8  # of a SHA-256
UNKNOWN = "The model does not say which films it learnt from, so none of these is known not to be one of them."


@dataclass(frozen=True)
class LearntFilms:
    """The films that a model learnt from. is_known: False where its folder does not list them."""

    prefixes: frozenset[str] = frozenset()
    is_known: bool = True

    def __contains__(self, sha256: object) -> bool:
        return isinstance(sha256, str) and sha256[:DIGITS] in self.prefixes


def write_learnt_films(folder: Path, hashes: Iterable[str]) -> Path:
    """Put the hashes into a model's folder, sorted, each once. Raises OSError where it cannot be written."""
    prefixes = sorted({sha256[:DIGITS] for sha256 in hashes})
    return atomic_write(folder / LEARNT_FILMS, "".join(f"{prefix}\n" for prefix in prefixes))


def read_learnt_films(folder: Path) -> LearntFilms:
    """The films that the model of a folder learnt from. Raises ModelError for a damaged list."""
    path = folder / LEARNT_FILMS
    try:
        lines = read_bounded(path).decode("ascii").split()
    except FileNotFoundError:
        return LearntFilms(is_known=False)
    except (OSError, RecordError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}; install the model again") from error
    return LearntFilms(frozenset(lines))
