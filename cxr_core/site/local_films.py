"""The films of one site for one finding of one model, and those that were left out, each with its reason.

Films of a dataset (`dataset_films.py`) and films dropped on the page come through the same function, `select_films`.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cxr_core.data.cache.worker import hash_pixels
from cxr_core.errors import DataError
from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import format_count
from cxr_core.reading.results import Examination
from cxr_core.workspace.json_record import JsonRecord

LEARNT = "the model was trained or tuned on this film"


@dataclass(frozen=True, kw_only=True)
class ScoredFilm:
    """One film of a site before anything is left out.

    name: as the user knows it.  patient: whom it shows; "" counts the film as a patient of its own.  label: 1 with the
    finding, 0 known to be free of it, None for unknown.  log_odds: of the card's calibrated probability; None where the
    film was refused.  sha256: of the decoded pixels.  reason: why it was refused.
    """

    name: str
    patient: str
    label: int | None
    log_odds: float | None
    sha256: str = ""
    age_years: float | None = None
    view: str | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class LeftOutFilm(JsonRecord):
    """A film that does not count, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalFilms:
    """N films of a site that count.

    names, patients, sha256: (N,) text.  log_odds: (N,) of the card's calibrated probability, before any fusion with a
    measurement.  labels: (N,) 0 or 1.  mined_labels: whether the labels are those of reports, as noisy as those that
    the model was calibrated on, and not a reader's.
    """

    model: str
    version: str
    finding: str
    names: np.ndarray
    patients: np.ndarray
    sha256: np.ndarray
    log_odds: np.ndarray
    labels: np.ndarray
    left_out: tuple[LeftOutFilm, ...] = ()
    mined_labels: bool = False

    def of_class(self, label: int) -> "LocalFilms":
        """The films with the finding (1), or those free of it (0)."""
        return self.select(self.labels == label)

    def select(self, rows: np.ndarray) -> "LocalFilms":
        """Some of the films. rows: (N,) bool, or positions."""
        columns = ("names", "patients", "sha256", "log_odds", "labels")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    @property
    def patient_weights(self) -> np.ndarray:
        """(N,) so that each patient counts once, however many films of the class were taken."""
        weights = np.zeros(len(self.labels))
        for label in (0, 1):
            rows = self.labels == label
            _, patient_of, films = np.unique(
                self.patients[rows], return_inverse=True, return_counts=True
            )
            weights[rows] = 1 / films[patient_of]
        return weights

    def count_patients(self) -> int:
        """How many patients the films show."""
        return len(np.unique(self.patients))


def score_examination(
    name: str,
    examination: Examination,
    card: ModelCard,
    finding: str,
    label: int | None,
    patient: str = "",
) -> ScoredFilm:
    """One film that was dropped on the page and examined. label: 1, 0 or None.  patient: "" where it is not known.

    A film that was adjusted by hand has other pixels than its file, and is not recognised as one the model learnt from.
    """
    output = next(
        (
            output
            for output in examination.outputs
            if (output.card.model, output.card.version) == (card.model, card.version)
        ),
        None,
    )
    film = examination.film
    if output is None or film is None:
        refusals = [flag.message for flag in examination.concerns]
        reason = refusals[0] if refusals else f"{card.model} {card.version} gave no number for it"
        return ScoredFilm(name=name, patient=patient, label=label, log_odds=None, reason=reason)
    calibration = card.calibration[finding]
    logit = float(output.logits[card.findings.index(finding)])
    return ScoredFilm(
        name=name,
        patient=patient,
        label=label,
        log_odds=calibration.slope * logit + calibration.intercept,
        sha256=hash_pixels(film),
        age_years=film.age_years,
        view=film.view,
    )


def select_films(
    films: Iterable[ScoredFilm],
    card: ModelCard,
    finding: str,
    *,
    learnt: Container[str] = (),
    mined_labels: bool = False,
) -> LocalFilms:
    """The films that count: read, labelled, of the model's patients, each once, none that the model learnt from.

    learnt: the pixel hashes of the films that the model was trained or tuned on, see `LearntFilms`. Raises DataError
    for a finding that the model does not have.
    """
    if finding not in card.findings:
        raise DataError(
            f"{card.model} has no finding {finding!r}; choose from {', '.join(card.findings)}"
        )
    films = list(films)
    kept: list[ScoredFilm] = []
    left_out: list[LeftOutFilm] = []
    conflicting = _find_conflicting(films)
    first_of: dict[str, str] = {}
    for film in films:
        reason = _find_reason(film, card, learnt)
        if not reason and film.sha256 in conflicting:
            reason = (
                "the same film is given both with the finding and free of it; correct its label"
            )
        if not reason and film.sha256 in first_of:
            reason = f"the same film as {first_of[film.sha256]}"
        if reason:
            left_out.append(LeftOutFilm(name=film.name, reason=reason))
            continue
        if film.sha256:
            first_of[film.sha256] = film.name
        kept.append(film)
    return LocalFilms(
        model=card.model,
        version=card.version,
        finding=finding,
        names=np.array([film.name for film in kept], dtype=object),
        patients=np.array([film.patient or film.name for film in kept], dtype=object),
        sha256=np.array([film.sha256 for film in kept], dtype=object),
        log_odds=np.array([film.log_odds for film in kept], np.float64),
        labels=np.array([film.label for film in kept], np.int64),
        left_out=tuple(left_out),
        mined_labels=mined_labels,
    )


def describe_left_out(films: LocalFilms) -> str:
    """How many films were left out, by reason; "" when none was. Films that repeat another are one reason."""
    counts: dict[str, int] = {}
    for film in films.left_out:
        reason = (
            "it repeats another film" if film.reason.startswith("the same film as") else film.reason
        )
        counts[reason] = counts.get(reason, 0) + 1
    if not counts:
        return ""
    parts = [f"{format_count(count, 'films')}: {reason}" for reason, count in counts.items()]
    return f"Left out: {'; '.join(parts)}."


def _find_conflicting(films: Sequence[ScoredFilm]) -> set[str]:
    """The hashes of films that are given with both labels."""
    labels: dict[str, set[int]] = {}
    for film in films:
        if film.sha256 and film.label is not None:
            labels.setdefault(film.sha256, set()).add(film.label)
    return {sha256 for sha256, given in labels.items() if len(given) > 1}


def _find_reason(film: ScoredFilm, card: ModelCard, learnt: Container[str]) -> str:
    """Why a film does not count; "" when it does."""
    if film.log_odds is None:
        return film.reason or "it could not be read"
    if film.label is None:
        return "its label is unknown"
    if outside := card.population.excludes(film.age_years, film.view):
        return outside
    return LEARNT if film.sha256 in learnt else ""
