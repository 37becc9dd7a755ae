"""The refusal of a file that could not be opened, in place of that of an empty one."""

from dataclasses import replace

from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.results import Reading

UNOPENED = "unopened"  # the code of the quality flag


def refuse_unopened(reading: Reading, reason: str) -> Reading:
    """The reading of a file without bytes, which says why there are none. reason: what was found."""
    message = f"The file cannot be opened ({reason}). Check the file, or copy it again."
    concerns = (QualityFlag(UNOPENED, message, withholds_reading=True),)
    return replace(reading, reason=message, concerns=concerns)
