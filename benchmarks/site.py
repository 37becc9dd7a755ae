"""What a site's own films show and mend: the shipped children's model on Kermany's official test part, as a new site.

Its films are split by patient, again and again from fixed seeds: some to test and to fit with, the others to measure
on. Films of the promotion holdout, from the hospital and the time of the training films, stand for a site without a
shift. The test part was read many times before: the figures explain, nothing was chosen by them. Real films come from
$CXR_REAL_DATA (default ../shared/data). `python -m benchmarks.site FILE.png` draws the plot of docs/site.md.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

from benchmarks.table import Row
from cxr_core.data.prepare import open_data
from cxr_core.data.summary import wilson_interval
from cxr_core.evaluation.metrics.metrics import expected_calibration_error
from cxr_core.inference import predict_films
from cxr_core.models.card import ModelCard
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.fitting.conformal import count_allowed_errors
from cxr_core.site.acceptance import compare_with_validation
from cxr_core.site.dataset_films import take_dataset_films
from cxr_core.site.learnt_films import read_learnt_films
from cxr_core.site.local_decisions import choose_local_decisions
from cxr_core.site.local_films import LocalFilms
from cxr_core.site.recalibration import fit_local_recalibration
from cxr_core.site.standing_out import find_standing_out
from cxr_core.site.validation_scores import FindingScores, read_validation_scores
from cxr_core.workspace.paths import SHIPPED_MODELS

REAL = Path(
    os.environ.get("CXR_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
FINDING = "pneumonia"
SIZES = (20, 50, 100)  # patients to fit with
REPEATS = 50
DRAWS = 300  # of 20 patients
FILMS: int | None = None  # of each class; all of them
TRIAL = {"REPEATS": 2, "DRAWS": 3, "FILMS": 40, "SIZES": (20,)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """shifted: films of the official test part.  alike: of the promotion holdout; None in a trial run."""

    card: ModelCard
    scores: FindingScores
    shifted: LocalFilms
    alike: LocalFilms | None


def rows() -> list[Row]:
    material = _read_films()
    if material is None:
        return [
            Row("site: skipped, Kermany's films are not in CXR_REAL_DATA", float("nan"), "", "")
        ]
    found = [
        *_acceptance(material),
        *_standing_out(material),
        *_recalibration(material),
        *_one_class(material),
        *_coverage(material),
    ]
    return [Row(f"site: {what}", value, unit, bound) for what, value, unit, bound in found]


Figure = tuple[str, float, str, str]


def _acceptance(material: Material) -> Iterator[Figure]:
    if material.alike is not None:
        for absent, present in ((20, 0), (20, 20), (60, 60)):
            accepted = _count_verdicts("accepted", material, material.alike, absent, present)
            named = f"{absent} healthy and {present} ill patients of the holdout are accepted"
            yield _share(named, accepted, DRAWS, ">= 97; ")
    seen = _count_verdicts("shifted", material, material.shifted, 20, 0)
    yield _share("20 healthy patients of the test part show its shift", seen, DRAWS, ">= 90; ")


def _count_verdicts(
    verdict: str, material: Material, films: LocalFilms, absent: int, present: int
) -> int:
    verdicts = []
    for seed in range(DRAWS):
        drawn = _draw(np.random.default_rng(seed), films, absent, present)
        outcome = compare_with_validation(drawn, material.scores, material.card)
        verdicts.append(outcome.verdict)
    return verdicts.count(verdict)


def _standing_out(material: Material) -> Iterator[Figure]:
    for words, films in (("holdout", material.alike), ("test part", material.shifted)):
        if films is None:
            continue
        named = 0
        for seed in range(DRAWS):
            rng = np.random.default_rng(seed)
            ill = _draw(rng, films, 0, 1)
            both = np.concatenate([_rows(_draw(rng, films, 19, 0), films), _rows(ill, films)[:1]])
            drawn = films.select(both)
            mislabelled = replace(drawn, labels=np.zeros(len(drawn.labels), np.int64))
            found = find_standing_out(mislabelled, material.scores, material.card)
            named += ill.names[0] in [film.name for film in found]
        yield _share(f"an ill one among 20 called healthy is named, of the {words}", named, DRAWS)


def _recalibration(material: Material) -> Iterator[Figure]:
    before, by_prevalence = [], []
    own = material.card.calibration_prevalence(FINDING) or np.nan
    for fitting, others in _halves(material.shifted, SIZES[-1]):
        before.append(_error(others, others.log_odds))
        moved = others.log_odds + logit(fitting.labels.mean()) - logit(own)
        by_prevalence.append(_error(others, moved))
    yield _mean("calibration error as the model is", before)
    yield _mean(f"calibration error by the prevalence of {SIZES[-1]} patients alone", by_prevalence)
    for size in SIZES:
        errors, refused = _recalibrated_errors(material, size)
        yield _mean(f"calibration error, recalibrated on {size} patients", errors)
        yield _share(f"refused as not better, on {size} patients", refused, REPEATS)
    if material.alike is not None:
        fits = [
            fit_local_recalibration(fitting, material.scores, material.card)
            for fitting, _ in _halves(material.alike, 50)
        ]
        refused = sum(bool(fit.refused) for fit in fits)
        yield _share("without a shift refused, on 50 patients of the holdout", refused, REPEATS)


def _share(what: str, count: int, of: int, bound: str = "") -> Figure:
    low, high = wilson_interval(count, of)
    return what, 100 * count / of, "%", f"{bound}95 % interval {100 * low:.1f} to {100 * high:.1f}"


def _mean(what: str, values: Sequence[float], bound: str = "") -> Figure:
    low, high = np.quantile(values, [0.025, 0.975])
    return what, float(np.mean(values)), "%", f"{bound}95 % of the draws {low:.1f} to {high:.1f}"


def _recalibrated_errors(material: Material, size: int) -> tuple[list[float], int]:
    """The calibration error on the others of each draw, and how often the recalibration was refused."""
    errors, refused = [], 0
    for fitting, others in _halves(material.shifted, size):
        recalibration = fit_local_recalibration(fitting, material.scores, material.card)
        refused += bool(recalibration.refused)
        moved = recalibration.slope * others.log_odds + recalibration.intercept
        errors.append(_error(others, moved))
    return errors, refused


def _one_class(material: Material) -> Iterator[Figure]:
    for size in SIZES:
        errors = []
        for seed in range(REPEATS):
            fitting = _draw(np.random.default_rng(seed), material.shifted, size, 0)
            others = _others(material.shifted, fitting)
            fitted = fit_local_recalibration(fitting, material.scores, material.card)
            moved = fitted.slope * others.log_odds + fitted.intercept
            errors.append(_error(others, moved))
        yield _mean(f"calibration error, recalibrated on {size} healthy patients alone", errors)


def _coverage(material: Material) -> Iterator[Figure]:
    card = material.card
    validation = material.scores.absent.log_odds(card.calibration[FINDING])
    allowed = count_allowed_errors(len(validation), 0.05)
    kept = material.shifted.of_class(0).log_odds <= validation[-1 - allowed]
    yield _share("healthy kept by validation's threshold for 95 %", int(kept.sum()), len(kept))
    for size in [size for size in SIZES if size >= 50]:
        shares = []
        for seed in range(REPEATS):
            fitting = _draw(np.random.default_rng(seed), material.shifted, size, 0)
            others = _others(material.shifted, fitting).of_class(0)
            strict = choose_local_decisions(fitting, card, None).decisions[-1]
            shares.append(100 * float(np.mean(expit(others.log_odds) < strict.present_from)))
        yield _mean(
            f"healthy kept by the threshold of {size} local patients for 95 %", shares, ">= 94; "
        )


def _error(films: LocalFilms, log_odds: np.ndarray) -> float:
    """The calibration error in per cent."""
    return 100 * float(expected_calibration_error(expit(log_odds), films.labels))


def _halves(films: LocalFilms, size: int) -> Iterator[tuple[LocalFilms, LocalFilms]]:
    """Films of so many patients, taken as they come, and those of the others; REPEATS times."""
    patients = np.unique(films.patients.astype(str))
    for seed in range(REPEATS):
        chosen = np.random.default_rng(seed).choice(patients, size, replace=False)
        fitting = films.select(np.isin(films.patients.astype(str), chosen))
        yield fitting, _others(films, fitting)


def _draw(rng: np.random.Generator, films: LocalFilms, absent: int, present: int) -> LocalFilms:
    """The films of so many patients of each class."""
    taken = np.zeros(len(films.labels), bool)
    for label, count in ((0, absent), (1, present)):
        of_class = films.labels == label
        patients = np.unique(films.patients[of_class].astype(str))
        chosen = rng.choice(patients, count, replace=False)
        taken |= of_class & np.isin(films.patients.astype(str), chosen)
    return films.select(taken)


def _rows(some: LocalFilms, films: LocalFilms) -> np.ndarray:
    return np.flatnonzero(np.isin(films.names.astype(str), some.names.astype(str)))


def _others(films: LocalFilms, fitting: LocalFilms) -> LocalFilms:
    return films.select(~np.isin(films.patients.astype(str), fitting.patients.astype(str)))


def _read_films() -> Material | None:
    """The films of both sites as the model reads them; None without the data."""
    data = REAL / "kermany_pneumonia"
    if not data.is_dir():
        return None
    folder = sorted((SHIPPED_MODELS / "pneumonia-children").glob("[0-9]*"))[-1]
    classifier = Classifier.load(folder)
    scores = read_validation_scores(folder, classifier.card).of_finding(FINDING)
    learnt = read_learnt_films(folder)
    predict = partial(predict_films, classifier)
    with _workspace() as place:
        films = open_data([_few(data, place) if FILMS else data])
        test = films.select_split("test")
        shifted = take_dataset_films(classifier.card, test, FINDING, learnt, predict)
        alike = None
        if not FILMS:  # the holdout is what is left of the train part without the films that the model learnt from
            train = films.select_split("train")
            alike = take_dataset_films(classifier.card, train, FINDING, learnt, predict)
    return Material(card=classifier.card, scores=scores, shifted=shifted, alike=alike)


def _few(data: Path, place: Path) -> Path:
    """A folder with the first films of each class of the test part."""
    for name in ("NORMAL", "PNEUMONIA"):
        (place / "few" / "test" / name).mkdir(parents=True)
        for path in sorted((data / "test" / name).iterdir())[:FILMS]:
            shutil.copy(path, place / "few" / "test" / name)
    return place / "few"


@contextmanager
def _workspace() -> Iterator[Path]:
    """A workspace of its own, unless CXR_WORKSPACE names one, where films stay decoded."""
    with tempfile.TemporaryDirectory() as name:
        before = os.environ.get("CXR_WORKSPACE")
        os.environ.setdefault("CXR_WORKSPACE", str(Path(name, "workspace")))
        try:
            yield Path(name)
        finally:
            if before is None:
                del os.environ["CXR_WORKSPACE"]


def draw_plot(path: Path) -> None:
    """Both classes at both sites against validation, and the calibration error by patients fitted with."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    material = _read_films()
    if material is None or material.alike is None:
        sys.exit("the plot needs Kermany's films in $CXR_REAL_DATA")
    figure, (scores, errors) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    _draw_scores(scores, material, material.alike)
    _draw_errors(errors, material)
    figure.savefig(path, dpi=90)


def _draw_scores(axes: Any, material: Material, alike: LocalFilms) -> None:
    calibration = material.card.calibration[FINDING]
    for label, style in ((0, "-"), (1, "--")):
        validation = material.scores.of_class(label).log_odds(calibration)
        for words, colour, values in (
            ("validation", "#555555", validation),
            ("holdout: accepted", "#1b7f5c", alike.of_class(label).log_odds),
            ("test part: shifted", "#c2410c", material.shifted.of_class(label).log_odds),
        ):
            name = f"{('healthy', 'pneumonia')[label]}, {words}"
            axes.ecdf(values, label=name, color=colour, linestyle=style)
    axes.set_xlabel("log-odds of the model's probability")
    axes.set_ylabel("share of films below")
    axes.set_title("Healthy children of the test part score higher")
    axes.legend(fontsize=7, loc="center right")


def _draw_errors(axes: Any, material: Material) -> None:
    sizes = [0, *SIZES]
    draws = [[_error(others, others.log_odds) for _, others in _halves(material.shifted, 50)]]
    draws += [_recalibrated_errors(material, size)[0] for size in SIZES]
    means = [float(np.mean(errors)) for errors in draws]
    low, high = np.percentile(draws, [2.5, 97.5], axis=1)
    axes.errorbar(sizes, means, [means - low, high - means], fmt="o-", color="#c2410c", capsize=4)
    axes.set_ylim(0)
    axes.set_xlabel("patients of the site that it was recalibrated on")
    axes.set_ylabel("calibration error on the others, %")
    axes.set_title(f"Mean of {REPEATS} draws, and 95 % of them")


if __name__ == "__main__":
    draw_plot(Path(sys.argv[1]))
