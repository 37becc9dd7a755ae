"""Defines a quality flag: why a film or its reading needs caution, as a stable code and a sentence for people."""

from dataclasses import dataclass


@dataclass(frozen=True)
class QualityFlag:
    """One quality problem that a film's pixels or tags show.

    withholds_reading: no model may read the film.  withholds_call: it may be read, but the calls are indeterminate.
    severity: how far the film lies beyond the flag's limit, from 0 at the limit to 1; 1 for a flag without a limit.
    """

    code: str
    message: str
    withholds_reading: bool = False
    withholds_call: bool = False
    severity: float = 1.0
