"""Says which films of an archive (PACS) are to be scored: `pacs://NAME?from=2026-01-01&to=2026-06-30&modality=DX,CR`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import parse_qsl, urlsplit

from cxr_core.dicom_io.pacs.archive import FILM_MODALITIES
from cxr_core.errors import ScaleError
from cxr_core.workspace.paths import printable

PACS = "pacs://"
EXAMPLE = "pacs://NAME?from=2026-01-01&to=2026-06-30&modality=DX,CR"


@dataclass(frozen=True, kw_only=True)
class PacsQuery:
    """Which films of an archive are asked for: those of studies made from one date to another, both included."""

    archive: str
    date_from: date
    date_to: date
    modalities: tuple[str, ...] = FILM_MODALITIES

    @classmethod
    def parse(cls, uri: str) -> "PacsQuery":
        """The query of a URI. Raises ScaleError for anything that is not understood."""
        try:
            parts = urlsplit(uri)
        except ValueError as error:
            raise _bad_query(uri, str(error)) from error
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        unknown = [parts.path.strip("/"), *sorted(given.keys() - {"from", "to", "modality"})]
        if any(unknown):
            raise _bad_query(uri, f"{printable(max(unknown))!r:.80} is not understood")
        try:
            first, last = (date.fromisoformat(given[key]) for key in ("from", "to"))
        except KeyError as error:
            raise _bad_query(uri, f"{error.args[0]} is missing") from error
        except ValueError as error:
            raise _bad_query(uri, "from or to is not a date such as 2026-01-31") from error
        if first > last:
            raise _bad_query(uri, "the first date is after the last one")
        modalities = tuple(given.get("modality", ",".join(FILM_MODALITIES)).split(","))
        if others := set(modalities) - set(FILM_MODALITIES):
            known = ", ".join(FILM_MODALITIES)
            raise _bad_query(uri, f"films are filed as {known}, not as {printable(min(others))!r}")
        return cls(archive=parts.netloc, date_from=first, date_to=last, modalities=modalities)

    @property
    def days(self) -> Iterator[date]:
        """Every day that is asked for."""
        for number in range((self.date_to - self.date_from).days + 1):
            yield self.date_from + timedelta(days=number)


def _bad_query(uri: str, problem: str) -> ScaleError:
    return ScaleError(
        f"{printable(uri)!r:.200} cannot be asked: {problem}; expected a query such as {EXAMPLE}"
    )
