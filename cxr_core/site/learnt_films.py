"""Recognises the films that a model was trained or tuned on, by the hash of their pixels.

`learnt_films.txt` in a model's folder has a line for each: the first eight digits of the hash. One film in a million
is taken for another by them, and no film can be found by a hash that is cut. The films of the models that a model was
made from are listed as well.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from cxr_core.errors import ModelError, RecordError
from cxr_core.models.card import LEARNT_FILMS
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.json_files import read_bounded

DIGITS = 8  # of a SHA-256
MAX_SHARE_BY_CHANCE = 0.001  # of films that are taken for others
UNKNOWN = "The model does not say which films it learnt from, so none of these is known not to be one of them."


@dataclass(frozen=True)
class LearntFilms:
    """The films that a model learnt from. is_known: False where its folder does not list them."""

    prefixes: frozenset[str] = frozenset()
    is_known: bool = True

    def __contains__(self, sha256: object) -> bool:
        return isinstance(sha256, str) and sha256[:DIGITS] in self.prefixes

    def include_some_of(self, hashes: Collection[str]) -> bool:
        """Whether more of these films are among them than are taken for others by chance."""
        count = sum(sha256 in self for sha256 in hashes)
        return count > MAX_SHARE_BY_CHANCE * len(hashes)


def write_learnt_films(folder: Path, hashes: Iterable[str]) -> Path:
    """Put the hashes into a model's folder, sorted, each once. Raises OSError where it cannot be written."""
    prefixes = sorted({sha256[:DIGITS] for sha256 in hashes})
    return atomic_write(folder / LEARNT_FILMS, "".join(f"{prefix}\n" for prefix in prefixes))


def add_learnt_films(folder: Path, others: Iterable[LearntFilms]) -> None:
    """Add to the list of a model what the models that it was made from learnt from.

    A model without a list gets none, which would lack its own films. Raises ModelError for a damaged list.
    """
    own = read_learnt_films(folder)
    if own.is_known:
        write_learnt_films(folder, own.prefixes.union(*(other.prefixes for other in others)))


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
