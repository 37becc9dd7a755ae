"""Names films that score unlike the site's other films of their class: their labels are to be looked at first."""

from dataclasses import dataclass
from typing import Literal

from cxr_core.models.card import ModelCard
from cxr_core.site.local_films import LocalFilms
from cxr_core.site.validation_scores import FindingScores
from cxr_core.workspace.json_record import JsonRecord

MIN_FILMS = 5  # of a class, to say what its other films are like


@dataclass(frozen=True, kw_only=True)
class StandingOutFilm(JsonRecord):
    """One such film. label: as it was given.  log_odds: of the card's probability."""

    name: str
    sha256: str
    label: Literal["absent", "present"]
    log_odds: float
    sentence: str


def find_standing_out(
    local: LocalFilms, scores: FindingScores, card: ModelCard
) -> tuple[StandingOutFilm, ...]:
    """The films of either class that stand out, the clearest first."""
    return ()
