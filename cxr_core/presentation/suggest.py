"""Finds what somebody may have meant by a mistyped name."""

import difflib
from collections.abc import Iterable, Mapping

SIMILARITY = 0.6  # of difflib, from 0 to 1


def suggest(name: str, known: Iterable[str] | Mapping[str, str]) -> str:
    """`; did you mean epochs?`, to be put after the wrong name; a full stop when no known name is like it.

    known: the names, or a mapping from further spellings of a name, such as its label, to the name.
    """
    spellings = known if isinstance(known, Mapping) else {each: each for each in known}
    folded = {each.casefold(): meant for each, meant in spellings.items()}
    similar = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=SIMILARITY)
    return f"; did you mean {folded[similar[0]]}?" if similar else "."
