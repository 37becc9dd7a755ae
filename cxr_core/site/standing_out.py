"""Names films that score like the other class: their labels are to be looked at first.

A film given as free of a finding stands out where it scores as 95 % of the validation films with the finding do, and as
at most one in 200 of those without; and the other way round. Where many films do, the site is shifted and no single
label is in doubt, so at most a tenth of a class is named, and five films, the clearest first.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import finding_in_sentence, format_percent
from cxr_core.reading.calibration import expit
from cxr_core.site.local_films import LocalFilms
from cxr_core.site.validation_scores import FindingScores
from cxr_core.workspace.json_record import JsonRecord

LIKE_OTHER_CLASS, UNLIKE_OWN_CLASS = 0.05, 0.005
LARGEST_SHARE, MOST_NAMED = 0.10, 5  # of the films of a class


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
    calibration = card.calibration[local.finding]
    absent, present = scores.absent.log_odds(calibration), scores.present.log_odds(calibration)
    # Mirrored for films with the finding, so that standing out is always to score high.
    return (
        *_find_in_class(local, 0, own=absent, other=present, sign=1),
        *_find_in_class(local, 1, own=-present, other=-absent, sign=-1),
    )


def _find_in_class(
    local: LocalFilms, label: int, *, own: np.ndarray, other: np.ndarray, sign: int
) -> tuple[StandingOutFilm, ...]:
    films = local.of_class(label)
    limit = max(np.quantile(other, LIKE_OTHER_CLASS), np.quantile(own, 1 - UNLIKE_OWN_CLASS))
    ranked = np.argsort(-sign * films.log_odds, kind="stable")
    count = max(1, min(MOST_NAMED, int(LARGEST_SHARE * len(ranked))))
    return tuple(
        _describe(films, row, label) for row in ranked[:count] if sign * films.log_odds[row] > limit
    )


def _describe(films: LocalFilms, row: int, label: int) -> StandingOutFilm:
    finding = finding_in_sentence(films.finding)
    given, scored = (f"free of {finding}", f"with {finding}")[:: -1 if label else 1]
    log_odds, name = float(films.log_odds[row]), str(films.names[row])
    return StandingOutFilm(
        name=name,
        sha256=str(films.sha256[row]),
        label="present" if label else "absent",
        log_odds=log_odds,
        sentence=(
            f"{name} stands out: given as {given}, it scores like films {scored} ({format_percent(expit(log_odds))}). "
            "Look at its label first."
        ),
    )
