"""Compares the model of a finished run with the active version: what both answer on the same films, and the verdict."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import StageProgress, ignore_stage_progress
from cxr_core.errors import DataError, ModelError
from cxr_core.evaluation.evaluate import describe_data
from cxr_core.evaluation.segmentation.mask_comparison import compare_with_masks
from cxr_core.evaluation.segmentation.metrics import ComparedFilm
from cxr_core.evaluation.store.folder import read_metrics
from cxr_core.evaluation.store.provenance import count_test_uses, record_test_use
from cxr_core.inference import predict_films
from cxr_core.models.card import ModelCard
from cxr_core.models.card_file import AnyCard, is_segmenter
from cxr_core.models.figures import Figure
from cxr_core.models.registry.registry import find_active_version, find_segmenter
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_card
from cxr_core.promotion.comparison_set import TEST, ComparisonSet, choose_comparison_set
from cxr_core.promotion.gate.checks import Check
from cxr_core.promotion.gate.gate import LIMITS, Predictions, check_classifier
from cxr_core.promotion.gate.segmenter import SEGMENTER_LIMITS, check_segmenter
from cxr_core.promotion.gate.verdict import (
    GATE_FILE,
    Fingerprints,
    OfficialTest,
    Verdict,
    read_verdict,
    write_verdict,
)
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.json_files import Json
from cxr_core.workspace.jsonl import utc_now

THE_GATE = "the gate"  # who uses test films, in the record of their uses
Loaded = TypeVar("Loaded")
NOT_THE_MODEL = ("metrics", "training")  # parts of a card that do not change what a model answers
OFFICIAL_FIGURES = ("auroc", "auroc_delong", "average_precision", "ece")


def compare_candidate(
    run: RunFolder, *, progress: StageProgress = ignore_stage_progress
) -> Verdict:
    """The gate's verdict on the model of a finished run, which is also kept in the run's folder.

    Both models read the films, which takes seconds to minutes. A verdict that still holds is returned as it is: on the
    same two models, with the same limits. progress: receives (stage, films read, films). Raises ModelError for a
    damaged model.
    """
    compare = _compare_classifier
    if run.load_recipe().structures:
        compare = _compare_segmenter
    return compare(run, progress)


def find_incumbent(card: AnyCard) -> Path | None:
    """The folder of the active version that a model would replace; None when there is none.

    For a classifier it is the active version of its name. One segmenter is used for all films, whatever its name.
    """
    if isinstance(card, SegmenterCard):
        return find_segmenter()
    active = find_active_version(card.model)
    return active.folder if active and not is_segmenter(active.folder) else None


def load_incumbent(folder: Path, load: Callable[[Path], Loaded]) -> Loaded:
    """The incumbent as `load` gives it. Raises ModelError that says what to do about a damaged one."""
    try:
        return load(folder)
    except ModelError as error:
        raise ModelError(
            f"the active version cannot be compared with: {str(error).rstrip('.')}. Activate another version of it, "
            "or stop using it, then try again"
        ) from error


def verdict_holds(verdict: Verdict, candidate: AnyCard, incumbent: AnyCard | None) -> bool:
    """Whether a verdict is about these two models, with today's limits."""
    limits = LIMITS.to_json()
    if isinstance(candidate, SegmenterCard):
        limits = SEGMENTER_LIMITS.to_json()
    same_models = verdict.fingerprints == compute_fingerprints(candidate, incumbent)
    return same_models and dict(verdict.limits) == limits


def compute_fingerprints(candidate: AnyCard, incumbent: AnyCard | None) -> Fingerprints:
    """Hashes of the two models that a verdict is about."""
    return Fingerprints(
        candidate=_fingerprint(candidate),
        incumbent=_fingerprint(incumbent),
    )


def _compare_classifier(run: RunFolder, progress: StageProgress) -> Verdict:
    candidate = Classifier.load(run.model)
    folder = find_incumbent(candidate.card)
    incumbent, incumbent_card = None, None
    if folder is not None:
        incumbent = load_incumbent(folder, Classifier.load)
        incumbent_card = incumbent.card

    def check(films: ComparisonSet) -> tuple[tuple[Check, ...], str]:
        predictions = _predict_both(candidate, incumbent, films, progress)
        return check_classifier(candidate.card, incumbent_card, predictions), films.description

    return _make_verdict(run, candidate.card, incumbent_card, check, progress)


def _compare_segmenter(run: RunFolder, progress: StageProgress) -> Verdict:
    candidate = Segmenter.load(run.model)
    folder = find_incumbent(candidate.card)
    incumbent, incumbent_card = None, None
    if folder is not None:
        incumbent = load_incumbent(folder, Segmenter.load)
        incumbent_card = incumbent.card

    def check(films: ComparisonSet) -> tuple[tuple[Check, ...], str]:
        own, other, problem = _segment_both(candidate, incumbent, films, progress)
        checks = check_segmenter(candidate.card, incumbent_card, own, other)
        return checks, problem or films.description

    return _make_verdict(run, candidate.card, incumbent_card, check, progress)


def _make_verdict(
    run: RunFolder,
    candidate: AnyCard,
    incumbent: AnyCard | None,
    check: Callable[[ComparisonSet], tuple[tuple[Check, ...], str]],
    progress: StageProgress,
) -> Verdict:
    """The kept verdict where it still holds, else a new one, which is kept.

    check: gives the checks on a comparison set, and its description.
    """
    kept = read_verdict(run.path)
    if kept is not None and verdict_holds(kept, candidate, incumbent):
        return kept
    films = choose_comparison_set(run, candidate, incumbent, progress)
    checks, description = check(films)
    limits, official_test = SEGMENTER_LIMITS.to_json(), None
    if isinstance(candidate, ModelCard):
        limits, official_test = LIMITS.to_json(), _read_official_test(run)
    verdict = Verdict(
        model=candidate.model,
        version=candidate.version,
        incumbent=_full_name(incumbent),
        split=films.split,
        comparison_set=description,
        checks=checks,
        official_test=official_test,
        limits=limits,
        fingerprints=compute_fingerprints(candidate, incumbent),
        made=utc_now(),
    )
    write_verdict(run.path / GATE_FILE, verdict.to_json())
    return verdict


def _predict_both(
    candidate: Classifier,
    incumbent: Classifier | None,
    films: ComparisonSet,
    progress: StageProgress,
) -> Predictions:
    """What both models answer; every use of test films is counted."""
    predict = partial(_predict, films=films, progress=progress)
    own = predict(candidate, films.own, stage="reading films, new model")
    if incumbent is None or films.shared is None:
        return Predictions(own=own)
    shared = own
    if films.shared is not films.own:
        shared = predict(candidate, films.shared, stage="reading films, new model")
    other = predict(incumbent, films.shared, stage="reading films, active version")
    return Predictions(own=own, candidate=shared, incumbent=other)


def _predict(
    model: Classifier,
    manifest: Manifest | None,
    *,
    films: ComparisonSet,
    stage: str,
    progress: StageProgress,
) -> pd.DataFrame | None:
    if manifest is None:
        return None
    table = predict_films(model, manifest, partial(progress, stage))
    if manifest is films.test:
        record_test_use(describe_data(manifest), model.card, THE_GATE)
    return table


def _segment_both(
    candidate: Segmenter,
    incumbent: Segmenter | None,
    films: ComparisonSet,
    progress: StageProgress,
) -> tuple[Sequence[ComparedFilm], Sequence[ComparedFilm], str]:
    """What both models segmented beside the masks, and why there is none of it; every use of test films is counted."""
    models, manifest = [candidate], films.own
    if incumbent is not None:
        models, manifest = [candidate, incumbent], films.shared
    if manifest is None:
        return (), (), ""
    stages = ("segmenting films, new model", "segmenting films, active version")
    compared: list[Sequence[ComparedFilm]] = []
    try:
        for model, stage in zip(models, stages, strict=False):
            compared.append(compare_with_masks(model, manifest, partial(progress, stage)))
    except DataError as error:
        problem = f"The films that no model was trained on cannot be compared with masks: {error}"
        return (), (), problem
    if manifest is films.test:
        for model in models:
            record_test_use(describe_data(manifest), model.card, THE_GATE)
    own, *others = compared
    return own, next(iter(others), ()), ""


def _read_official_test(run: RunFolder) -> OfficialTest:
    """The run's own figures on its test split, and how often those films have been used."""
    card = load_card(run.model)
    metrics = read_metrics(run.evaluation) or {}
    is_own = metrics.get("part") == TEST and metrics.get("weights_sha256") == card.weights_sha256
    if not is_own:
        return OfficialTest(findings=_select_figures(card.metrics.get(TEST)))
    findings, data = _select_figures(metrics.get("findings")), metrics.get("data")
    if not isinstance(data, dict):
        return OfficialTest(findings=findings)
    films, data_sha256 = data.get("films"), data.get("data_sha256")
    if not isinstance(films, int) or not isinstance(data_sha256, str):
        return OfficialTest(findings=findings)
    uses = count_test_uses(data_sha256)
    return OfficialTest(findings=findings, films=films, data_sha256=data_sha256, uses=uses)


def _select_figures(findings: Json) -> dict[str, dict[str, Figure]]:
    """The figures of each finding that the gate shows."""
    selected: dict[str, dict[str, Figure]] = {}
    if not isinstance(findings, dict):
        return selected
    for key, figures in findings.items():
        if isinstance(figures, dict):
            names = [name for name in OFFICIAL_FIGURES if name in figures]
            selected[key] = {name: Figure.from_json(figures[name]) for name in names}
    return selected


def _full_name(card: AnyCard | None) -> str:
    if card is None:
        return ""
    return f"{card.model} {card.version}"


def _fingerprint(card: AnyCard | None) -> str:
    """A hash of everything that decides what a model answers; the card holds the hash of its weights."""
    if card is None:
        return ""
    content = json.loads(card.to_json())
    kept = {key: value for key, value in content.items() if key not in NOT_THE_MODEL}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
