"""Compares the model of a finished run with the models in use: what they answer on the same films, and the verdict.

It is compared with the active version of its name, and with every active model of another name that answers one of its
findings for some of the same patients.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress
from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import StageProgress, ignore_stage_progress
from cxr_core.errors import DataError, ModelError
from cxr_core.evaluation.evaluate import describe_data
from cxr_core.evaluation.robustness.resolution import (
    choose_sample,
    compute_resolution,
    describe_sample,
    read_copies,
)
from cxr_core.evaluation.segmentation.mask_comparison import compare_with_masks
from cxr_core.evaluation.segmentation.metrics import ComparedFilm
from cxr_core.evaluation.store.folder import read_metrics
from cxr_core.evaluation.store.provenance import (
    count_test_uses,
    count_validation_uses,
    record_test_use,
)
from cxr_core.inference import predict_films
from cxr_core.models.card import ModelCard
from cxr_core.models.card_file import AnyCard, is_segmenter
from cxr_core.models.figures import Figure
from cxr_core.models.registry.overlap import find_competitors
from cxr_core.models.registry.registry import find_active_version, find_segmenter
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_card
from cxr_core.presentation.wording import format_count
from cxr_core.promotion.change_plan import name_plan
from cxr_core.promotion.comparison_set import (
    TEST,
    ComparisonSet,
    FilmChoice,
    choose_comparison_set,
)
from cxr_core.promotion.gate.checks import Check
from cxr_core.promotion.gate.gate import LIMITS, PredictionPair, Predictions, check_classifier
from cxr_core.promotion.gate.resolution import compare_movement
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
from cxr_core.reading.reader import Reader
from cxr_core.reading.segmenter import Segmenter
from cxr_core.site.learnt_films import read_learnt_films
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.json_files import Json
from cxr_core.workspace.jsonl import utc_now

THE_GATE = "the gate"  # who uses test films, in the record of their uses
Loaded = TypeVar("Loaded")
NOT_THE_MODEL = (
    "metrics",
    "training",
    "resolution",
)  # parts of a card that do not change what a model answers
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


def find_incumbents(card: AnyCard) -> list[Path]:
    """The folders of the active models that a model would replace, the one of its own name first.

    For a classifier they are the active version of its name, and those of other names that answer one of its findings
    for some of the same patients. One segmenter is used for all films, whatever its name.
    """
    if isinstance(card, SegmenterCard):
        segmenter = find_segmenter()
        return [segmenter] if segmenter else []
    active = find_active_version(card.model)
    own = [active.folder] if active and not is_segmenter(active.folder) else []
    return own + [competitor.folder for competitor in find_competitors(card.model, card)]


def load_incumbent(folder: Path, load: Callable[[Path], Loaded]) -> Loaded:
    """The incumbent as `load` gives it. Raises ModelError that says what to do about a damaged one."""
    try:
        return load(folder)
    except ModelError as error:
        raise ModelError(
            f"{folder.parent.name} {folder.name} is active and cannot be compared with: {str(error).rstrip('.')}. "
            f"Activate another version of {folder.parent.name}, or retire it, then try again"
        ) from error


def verdict_holds(verdict: Verdict, candidate: AnyCard, incumbents: Sequence[AnyCard]) -> bool:
    """Whether a verdict is about these very models, by today's rules and limits."""
    limits = LIMITS.to_json()
    if isinstance(candidate, SegmenterCard):
        limits = SEGMENTER_LIMITS.to_json()
    same_models = verdict.fingerprints == compute_fingerprints(candidate, incumbents)
    same_rules = verdict.change_plan == name_plan() and dict(verdict.limits) == limits
    return same_models and same_rules


def compute_fingerprints(candidate: AnyCard, incumbents: Sequence[AnyCard]) -> Fingerprints:
    """Hashes of the models that a verdict is about; those of several incumbents are joined by "+"."""
    return Fingerprints(
        candidate=_fingerprint(candidate),
        incumbent="+".join(map(_fingerprint, incumbents)),
    )


def _compare_classifier(run: RunFolder, progress: StageProgress) -> Verdict:
    candidate = Classifier.load(run.model)
    folders = find_incumbents(candidate.card)
    incumbents = [load_incumbent(folder, Classifier.load) for folder in folders]
    cards = [incumbent.card for incumbent in incumbents]

    def check(films: ComparisonSet) -> tuple[tuple[Check, ...], str]:
        predictions = _predict_all(candidate, incumbents, films, progress)
        predictions = _add_resolution(predictions, run.model, folders, films, progress)
        return check_classifier(candidate.card, cards, predictions), ""

    return _make_verdict(run, candidate.card, cards, folders, check, progress)


def _compare_segmenter(run: RunFolder, progress: StageProgress) -> Verdict:
    candidate = Segmenter.load(run.model)
    folders = find_incumbents(candidate.card)
    incumbents = [load_incumbent(folder, Segmenter.load) for folder in folders]
    incumbent = incumbents[0] if incumbents else None

    def check(films: ComparisonSet) -> tuple[tuple[Check, ...], str]:
        own, other, problem = _segment_both(candidate, incumbent, films, progress)
        card = incumbent.card if incumbent else None
        return check_segmenter(candidate.card, card, own, other), problem

    cards = [each.card for each in incumbents]
    return _make_verdict(run, candidate.card, cards, folders, check, progress)


def _make_verdict(
    run: RunFolder,
    candidate: AnyCard,
    incumbents: Sequence[AnyCard],
    folders: Sequence[Path],
    check: Callable[[ComparisonSet], tuple[tuple[Check, ...], str]],
    progress: StageProgress,
) -> Verdict:
    """The kept verdict where it still holds, else a new one, which is kept.

    folders: of the incumbents.  check: gives the checks on a comparison set, and why its films could not be used.
    """
    kept = read_verdict(run.path)
    if kept is not None and verdict_holds(kept, candidate, incumbents):
        return kept
    learnt = [read_learnt_films(folder) for folder in folders]
    films = choose_comparison_set(run, candidate, incumbents, learnt, progress)
    checks, problem = check(films)
    trials = count_validation_uses(run.load_manifest().data.split_sha256)
    limits, official_test = SEGMENTER_LIMITS.to_json(), None
    if isinstance(candidate, ModelCard):
        limits, official_test = LIMITS.to_json(), _read_official_test(run)
    verdict = Verdict(
        model=candidate.model,
        version=candidate.version,
        incumbent=", ".join(f"{card.model} {card.version}" for card in incumbents),
        split=films.split,
        comparison_set=(problem or films.description) + _describe_trials(trials),
        checks=checks,
        official_test=official_test,
        limits=limits,
        fingerprints=compute_fingerprints(candidate, incumbents),
        made=utc_now(),
        change_plan=name_plan(),
        validation_trials=trials,
    )
    write_verdict(run.path / GATE_FILE, verdict.to_json())
    return verdict


def _describe_trials(trials: int) -> str:
    """How often settings were chosen by the run's validation films, as a further sentence; empty for never."""
    if not trials:
        return ""
    return (
        f" {format_count(trials, 'trials')} of searches were compared on this run's validation films, so its figures "
        "on those look better than they are; the films compared here are others."
    )


def _predict_all(
    candidate: Classifier,
    incumbents: Sequence[Classifier],
    films: ComparisonSet,
    progress: StageProgress,
) -> Predictions:
    """What all models answer; every use of test films is counted. The candidate reads each film once."""
    answers: dict[str, pd.DataFrame] = {}
    for split in dict.fromkeys([films.own.split, *(shared.split for shared in films.shared)]):
        manifest = films.candidate_films.get(split)
        if manifest is not None:
            stage = partial(progress, "reading films, new model")
            answers[split] = predict_films(candidate, manifest, stage)
            _count_test_use(films, split, candidate.card)
    pairs: list[PredictionPair | None] = []
    for incumbent, shared in zip(incumbents, films.shared, strict=True):
        if shared.manifest is None:
            pairs.append(None)
            continue
        stage = partial(progress, f"reading films, {incumbent.card.model}")
        other = predict_films(incumbent, shared.manifest, stage)
        _count_test_use(films, shared.split, incumbent.card)
        own = _select_films(answers[shared.split], shared)
        pairs.append(PredictionPair(candidate=own, incumbent=other))
    return Predictions(own=answers.get(films.own.split), pairs=tuple(pairs))


def _add_resolution(
    predictions: Predictions,
    candidate: Path,
    incumbents: Sequence[Path],
    films: ComparisonSet,
    progress: StageProgress,
) -> Predictions:
    """With how far answers move with a film's size and format; incumbents read only where the candidate's move too far.

    candidate, incumbents: the folders of the models.
    """
    if films.own.manifest is None:
        return replace(predictions, resolution={})
    stage = partial(progress, "reading films in other sizes")
    sample = choose_sample(films.own.manifest)
    own, name = _read_copies(candidate, sample, stage), describe_sample(sample)
    figures = {finding: compute_resolution(logits, name) for finding, logits in own.items()}
    moving = {finding for finding, found in figures.items() if not found.is_stable}
    pairs = []
    for incumbent, shared, pair in zip(incumbents, films.shared, predictions.pairs, strict=True):
        findings = moving.intersection(load_card(incumbent).findings)
        if pair is not None and shared.manifest is not None and findings:
            shared_sample = choose_sample(shared.manifest)
            answers = own
            if shared_sample.data_sha256() != sample.data_sha256():
                answers = _read_copies(candidate, shared_sample, stage)
            others = _read_copies(incumbent, shared_sample, stage)
            movement = compare_movement(answers, others, findings, describe_sample(shared_sample))
            pair = replace(pair, movement=movement)
        pairs.append(pair)
    return replace(predictions, resolution=figures, pairs=tuple(pairs))


def _read_copies(model: Path, films: Manifest, progress: Progress) -> dict[str, pd.DataFrame]:
    """The log-odds that a model gives every copy of the films, by finding. A fused ratio counts."""
    segmenter = find_segmenter() if load_card(model).fusion else None
    with Reader.installed([model], segmenter) as reader:
        answers = read_copies(reader, films, progress)
    return {finding: logits for (_, finding), logits in answers.items()}


def _select_films(answers: pd.DataFrame, choice: FilmChoice) -> pd.DataFrame:
    """The rows of a choice in a table that has all films of the split once for each finding."""
    if choice.rows is None:
        return answers
    findings = len(answers) // len(choice.rows)
    return answers[np.tile(choice.rows, findings)]


def _count_test_use(films: ComparisonSet, split: str, card: AnyCard) -> None:
    if split == TEST and films.test is not None:
        record_test_use(describe_data(films.test), card, THE_GATE)


def _segment_both(
    candidate: Segmenter,
    incumbent: Segmenter | None,
    films: ComparisonSet,
    progress: StageProgress,
) -> tuple[Sequence[ComparedFilm], Sequence[ComparedFilm], str]:
    """What both models segmented beside the masks, and why there is none of it; every use of test films is counted."""
    models, choice = [candidate], films.own
    if incumbent is not None:
        models, choice = [candidate, incumbent], films.shared[0]
    if choice.manifest is None:
        return (), (), ""
    stages = ("segmenting films, new model", "segmenting films, active version")
    compared: list[Sequence[ComparedFilm]] = []
    try:
        for model, stage in zip(models, stages, strict=False):
            compared.append(compare_with_masks(model, choice.manifest, partial(progress, stage)))
    except DataError as error:
        problem = f"The films that no model was trained on cannot be compared with masks: {error}"
        return (), (), problem
    for model in models:
        _count_test_use(films, choice.split, model.card)
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
    population = data.get("population")
    split = population if isinstance(population, dict) else data
    uses = count_test_uses(str(split.get("data_sha256")))
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


def _fingerprint(card: AnyCard) -> str:
    """A hash of everything that decides what a model answers; the card holds the hash of its weights."""
    content = json.loads(card.to_json())
    kept = {key: value for key, value in content.items() if key not in NOT_THE_MODEL}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
