"""How far readers agree: kappa with intervals, and each reader beside the model, against what the others say.

The first verdicts count, given before the program's answer was shown; where nothing was hidden, the present ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.feedback.consensus import find_consensus
from cxr_core.feedback.projects import Project
from cxr_core.feedback.readers import list_readers
from cxr_core.feedback.store import read_store
from cxr_core.models.figures import Figure, MeanFigure
from cxr_core.presentation.wording import format_count

CATEGORIES = ("suspected", "not_suspected", "unsure")
MIN_FILMS = 2


@dataclass(frozen=True, kw_only=True)
class PairAgreement:
    """Cohen's kappa of two readers, by id, on the films that both judged. observed: the share judged alike."""

    readers: tuple[str, str]
    kappa: MeanFigure
    observed: MeanFigure


@dataclass(frozen=True, kw_only=True)
class ReaderPerformance:
    """One reader and the model on the same films, against the consensus of the other readers.

    Films on which the others come to no consensus, or are not sure, are left out, and so are those of which this reader
    was not sure: without_verdict of them have a consensus. The model's rates are None unless it answers all films that
    are left.
    """

    reader: str
    sensitivity: Figure
    specificity: Figure
    model_sensitivity: Figure | None = None
    model_specificity: Figure | None = None
    without_verdict: int = 0


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The readers of one finding. films: judged by two or more.  fleiss: None unless several films have as many reads.

    fleiss_films: those films, all with the same number of reads.  sparse_pairs: pairs of readers who share too few
    films for a kappa.
    """

    finding: str
    films: int
    pairs: tuple[PairAgreement, ...]
    fleiss: MeanFigure | None
    fleiss_films: int
    readers: tuple[ReaderPerformance, ...]
    sparse_pairs: int = 0

    def explain_missing(self) -> list[str]:
        """Which figures there are none of, and why, in sentences."""
        if not self.films:
            return ["No film was judged by two readers, so there is nothing to compare."]
        reasons = []
        if self.sparse_pairs:
            pairs = format_count(self.sparse_pairs, "pairs")
            reasons.append(
                f"No Cohen's kappa for {pairs} of readers who share a single film; it needs {MIN_FILMS} films or more."
            )
        if self.fleiss is None:
            reasons.append(
                f"No Fleiss' kappa: it needs {MIN_FILMS} films or more with the same number of readers."
            )
        kappas = [pair.kappa for pair in self.pairs] + ([self.fleiss] if self.fleiss else [])
        if any(kappa.value is None for kappa in kappas):
            reasons.append(
                "A kappa is undefined where every reader gave every film the same answer."
            )
        if not self.readers:
            reasons.append(
                "No sensitivity or specificity: for no reader is there a film on which the others are sure and agree."
            )
        return reasons


def compare_readers(project: Project, finding: str, *, after: bool = False) -> Agreement:
    """The agreement of a project's readers about one finding.

    after: take the present verdicts, also those that were changed once the program's answer was shown.
    """
    verdicts, calls = _read_verdicts(project, finding, after)
    shared = {film: answers for film, answers in verdicts.items() if len(answers) > 1}
    judged = {reader for answers in verdicts.values() for reader in answers}
    readers = [reader.id for reader in list_readers() if reader.id in judged]  # by name
    pairs, sparse_pairs = [], 0
    for first, second in combinations(readers, 2):
        both = [(one[first], one[second]) for one in shared.values() if {first, second} <= set(one)]
        if len(both) >= MIN_FILMS:
            pairs.append(_compare_pair(first, second, both))
        elif both:
            sparse_pairs += 1
    counts = count_answers([list(answers.values()) for answers in shared.values()])
    fleiss = fleiss_kappa(counts) if len(counts) >= MIN_FILMS else None
    performances = [_measure_reader(reader, shared, calls) for reader in readers]
    return Agreement(
        finding=finding,
        films=len(shared),
        pairs=tuple(pairs),
        fleiss=fleiss,
        fleiss_films=len(counts),
        readers=tuple(one for one in performances if one is not None),
        sparse_pairs=sparse_pairs,
    )


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> tuple[MeanFigure, MeanFigure]:
    """Cohen's kappa of two readers, and the share of films that they judge alike, with intervals over the films.

    first, second: (N,) answers. Kappa is None where both give one and the same answer to all.
    Source: Cohen 1960, Educational and Psychological Measurement 20:37-46.
    """
    categories = sorted({*first, *second})
    size = len(categories)
    cells = [
        categories.index(a) * size + categories.index(b) for a, b in zip(first, second, strict=True)
    ]
    one_hot = np.eye(size * size)[cells]  # (N, K * K)

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        table = (resamples @ one_hot).reshape(-1, size, size)
        shares = table / table.sum(axis=(1, 2), keepdims=True)
        observed = np.trace(shares, axis1=1, axis2=2)
        expected = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
        return {"kappa": _correct_for_chance(observed, expected), "observed": observed}

    kappa, observed_share = _to_mean_figures(measure, len(first), ("kappa", "observed"))
    return kappa, observed_share


def fleiss_kappa(counts: np.ndarray) -> MeanFigure:
    """Fleiss' kappa of several readers, with its interval over the films.

    counts: (N, K) how many of a film's readers gave each answer; every film has the same number of readers, two or
    more. None where all give one and the same answer. Source: Fleiss 1971, Psychological Bulletin 76:378-382.
    """
    reads = counts.sum(axis=1)
    if len(np.unique(reads)) != 1 or reads[0] < 2:
        raise ValueError("every film needs the same number of readers, two or more")
    n = float(reads[0])
    agreeing = ((counts**2).sum(axis=1) - n) / (
        n * (n - 1)
    )  # (N,) share of pairs of readers who agree
    columns = np.column_stack([agreeing, counts / n])

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        means = (resamples @ columns) / resamples.sum()[:, None]
        return {"kappa": _correct_for_chance(means[:, 0], (means[:, 1:] ** 2).sum(axis=1))}

    (figure,) = _to_mean_figures(measure, len(counts), ("kappa",))
    return figure


def count_answers(answers: Sequence[Sequence[str]]) -> np.ndarray:
    """(N, K) how often each answer was given, of the films that have the most frequent number of reads.

    answers: of the readers of each film, two or more.
    """
    reads = [len(of_film) for of_film in answers]
    if not reads:
        return np.zeros((0, len(CATEGORIES)))
    usual = max(sorted(set(reads)), key=reads.count)
    rows = [
        [of_film.count(category) for category in CATEGORIES]
        for of_film in map(list, answers)
        if len(of_film) == usual
    ]
    return np.array(rows, np.float64)


def _compare_pair(first: str, second: str, both: list[tuple[str, str]]) -> PairAgreement:
    kappa, observed = cohen_kappa([a for a, _ in both], [b for _, b in both])
    return PairAgreement(readers=(first, second), kappa=kappa, observed=observed)


def _measure_reader(
    reader: str, shared: Mapping[int, Mapping[str, str]], calls: Mapping[int, str]
) -> ReaderPerformance | None:
    """A reader and the model against the other readers; None where these agree on no film."""
    truth, own, model, unsure = [], [], [], 0
    for film, answers in shared.items():
        others = [answer for other, answer in answers.items() if other != reader]
        consensus = find_consensus(others)
        if reader not in answers or consensus in (None, "unsure"):
            continue
        if answers[reader] == "unsure":
            unsure += 1
            continue
        truth.append(consensus == "suspected")
        own.append(answers[reader] == "suspected")
        model.append({"present": 1.0, "absent": 0.0}.get(calls.get(film, ""), np.nan))
    if not truth:
        return None
    labels = np.array(truth, float)
    sensitivity, specificity = _measure_rates(labels, np.array(own, float))
    called = ~np.isnan(model)
    rates: tuple[Figure | None, Figure | None] = (None, None)
    if called.all():  # else the two would be measured on different films
        rates = _measure_rates(labels, np.array(model))
    return ReaderPerformance(
        reader=reader,
        sensitivity=sensitivity,
        specificity=specificity,
        model_sensitivity=rates[0],
        model_specificity=rates[1],
        without_verdict=unsure,
    )


def _measure_rates(labels: np.ndarray, calls: np.ndarray) -> tuple[Figure, Figure]:
    """Sensitivity and specificity with their intervals over the films; None without films of the class."""
    right = np.column_stack([labels * calls, labels, (1 - labels) * (1 - calls), 1 - labels])

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        found, present, cleared, absent = (resamples @ right).T
        with np.errstate(invalid="ignore"):
            return {"sensitivity": found / present, "specificity": cleared / absent}

    values = bootstrap_patients(measure, np.arange(len(labels)))
    figures = to_figures(values, labels)
    return figures["sensitivity"], figures["specificity"]


def _to_mean_figures(
    measure: Callable[[Resamples], Mapping[str, np.ndarray]], films: int, names: Sequence[str]
) -> tuple[MeanFigure, ...]:
    """The figures of some films with their intervals, in the order of their names."""
    figures = to_figures(bootstrap_patients(measure, np.arange(films)), np.zeros(films))
    chosen = [figures[name] for name in names]
    return tuple(MeanFigure(one.value, one.low, one.high, one.n) for one in chosen)


def _correct_for_chance(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(R,) agreement beyond chance; NaN where chance alone gives all of it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        corrected: np.ndarray = (observed - expected) / (1 - expected)
    return np.where(np.isclose(expected, 1.0), np.nan, corrected)


def _read_verdicts(
    project: Project, finding: str, after: bool
) -> tuple[dict[int, dict[str, str]], dict[int, str]]:
    """Of each film the readers' answers, and the program's call where it was kept with one of them."""
    phases = ("before", "open", "after") if after else ("before", "open")
    marks = ", ".join("?" * len(phases))
    with read_store() as store:
        rows = store.execute(
            "SELECT v.film, v.reader, v.answer, v.call FROM verdicts v JOIN films f ON f.id = v.film "
            f"WHERE f.project = ? AND v.finding = ? AND v.phase IN ({marks}) ORDER BY v.id",
            (project.id, finding, *phases),
        ).fetchall()
        kept = store.execute(
            "SELECT a.film, a.call FROM answers a JOIN films f ON f.id = a.film WHERE f.project = ? AND a.finding = ?",
            (project.id, finding),
        ).fetchall()
    answers: dict[int, dict[str, str]] = {}
    calls = {row["film"]: row["call"] for row in kept}
    for row in rows:
        of_film = answers.setdefault(row["film"], {})
        of_film[row["reader"]] = row["answer"]
        if row["answer"] == "withdrawn":
            del of_film[row["reader"]]
        if row["call"]:
            calls[row["film"]] = row["call"]
    return answers, calls
