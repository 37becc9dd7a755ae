"""Chooses the form of an answer by the Accept header of a request."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException

JSON, DICOM = "application/json", "application/dicom"
OFFERED = (JSON, DICOM)  # the first one where the client has no preference


def choose_media_type(headers: Sequence[str]) -> str:
    """One of OFFERED: what the client prefers by the q values (RFC 9110, 12.5.1). Raises HTTPException 406 for neither.

    headers: the values of all Accept headers of the request.
    """
    ranges = [part.strip().lower() for header in headers for part in header.split(",")]
    accepted = dict(map(_parse_range, filter(None, ranges)))
    if not accepted:
        return JSON
    best = max(OFFERED, key=lambda kind: _find_quality(kind, accepted))
    if _find_quality(best, accepted) <= 0:
        raise HTTPException(
            406, f"An answer is given as {' or '.join(OFFERED)}; ask for one of them in Accept."
        )
    return best


def _parse_range(text: str) -> tuple[str, float]:
    """A media range and its q value; one that cannot be read counts as 1."""
    kind, *parameters = (part.strip() for part in text.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return kind, float(value)
            except ValueError:
                break
    return kind, 1.0


def _find_quality(kind: str, accepted: dict[str, float]) -> float:
    """The q value of the most specific range that a kind lies in."""
    family = kind.partition("/")[0]
    for named in (kind, f"{family}/*", "*/*"):
        if named in accepted:
            return accepted[named]
    return 0.0
