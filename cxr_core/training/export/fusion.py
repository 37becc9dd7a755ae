"""The measured ratio takes part in a classifier's probability, unless validation films speak against it.

The finding is defined by the ratio and a reader can check it with a ruler, while labels are text-mined and few; so it
takes part where it tells the finding by itself and does not make the probability worse, and need not prove a gain.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, quiet
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.evaluate import read_films
from cxr_core.evaluation.segmentation.evaluate_outlines import anatomies
from cxr_core.evaluation.segmentation.metrics import means_of
from cxr_core.evaluation.segmentation.ratio import RATIO, figures_of_scores
from cxr_core.models.card import Combination, ModelCard
from cxr_core.models.store import change_card, load_card
from cxr_core.reading.cardiothoracic.fusion_fit import fit_combination, held_out_losses
from cxr_core.reading.cardiothoracic.ratio import WIDENING
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.log_odds import log_odds
from cxr_core.reading.segmenter import Outliner

FINDING = "cardiomegaly"


@dataclass(frozen=True, kw_only=True)
class Combined:
    """What came of it. alone, both: log loss on held-out validation patients.  against: why it takes no part, or ""."""

    combination: Combination | None
    against: str
    alone: float
    both: float
    films: int
    positives: int


def combine_with_ratio(
    folder: Path, outliner: Outliner, films: Manifest, progress: Progress = quiet
) -> Combined:
    """Fit the combination on validation films and write it into the card of a classifier's folder.

    None is written, and one that is there is taken out, where the ratio alone is not known to tell the finding (the
    95 % interval of its AUROC reaches 0.5), or the log loss on held-out patients is known to be higher with it (that of
    the paired difference above 0).

    films: usable and decoded, the validation part of what the classifier learnt. Those without a label, and those that
    cannot be measured or are doubted for more than view, are left out, as in reading. Raises DataError for films of one
    class.
    """
    classifier = Classifier.load(folder)
    if FINDING not in films.findings:
        raise DataError(f"the films have no labels for {FINDING}; the ratio speaks of nothing else")
    films = films.with_table(films.table[films.table[FINDING].notna()])
    measured = _ratios(outliner, films, progress)
    seen = ~np.isnan(measured)
    chances = np.array([log_odds(chance) for chance in _probabilities(classifier, films)])[seen]
    labels = films.table[FINDING].to_numpy(np.float64)[seen]
    views, patients = (
        films.table[name].fillna("").to_numpy(str)[seen] for name in ("view", "patient")
    )
    alone, both = held_out_losses(chances, measured[seen], views, labels, patients)
    against = _against(measured[seen], both - alone, labels, patients)
    fitted = None
    if not against:
        source = (
            f"{len(labels)} validation films with a ratio, carved from train by patient; held-out log loss "
            f"{both.mean():.4f}"
        )
        fitted = fit_combination(
            chances,
            measured[seen],
            views,
            labels,
            model=f"{outliner.card.model} {outliner.card.version}",
            source=f"{source} against {alone.mean():.4f} without it",
        )
    own = {FINDING: fitted} if fitted else {}

    def with_own(card: ModelCard) -> ModelCard:
        others = {key: each for key, each in card.combination.items() if key != FINDING}
        return replace(card, combination={**others, **own})

    change_card(folder, with_own, load_card)
    return Combined(
        combination=fitted,
        against=against,
        alone=float(alone.mean()),
        both=float(both.mean()),
        films=len(labels),
        positives=int((labels == 1).sum()),
    )


def _against(
    ratios: np.ndarray, added: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> str:
    """Why the ratio takes no part; "" where nothing speaks against it. added: (N,) log loss on each film."""
    alone = figures_of_scores({RATIO: ratios}, labels, patients)["on_measured"]["auroc"][RATIO]
    if alone["low"] is None or alone["low"] <= 0.5:
        return "the ratio alone is not known to tell the finding"
    if means_of({"added": added}, patients)["added"]["low"] > 0:
        return "it makes the probability worse"
    return ""


def _ratios(outliner: Outliner, films: Manifest, progress: Progress) -> np.ndarray:
    """(N,) the ratio of each film, NaN where reading would not combine it."""
    found = anatomies(outliner, films, progress)
    return np.array(
        [
            a.ratio if a.ratio is not None and set(a.doubts) <= set(WIDENING) else np.nan
            for a in found
        ],
        np.float64,
    )


def _probabilities(classifier: Classifier, films: Manifest) -> np.ndarray:
    """(N,) calibrated, of the finding."""
    index = classifier.card.findings.index(FINDING)
    return np.array([output.probabilities[index] for output in read_films(classifier, films)])
