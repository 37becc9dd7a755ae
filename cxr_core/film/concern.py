"""What to distrust about a film: a stable code for programs, a sentence for people."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Concern:
    """One thing seen on a film or in its tags.

    refuses: no model may read the film.  unsettles: it may be read, but no call is made (indeterminate).
    """

    code: str
    message: str
    refuses: bool = False
    unsettles: bool = False
