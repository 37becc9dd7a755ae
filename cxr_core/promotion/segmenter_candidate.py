"""A finished run that outlines before the gate: what it and the model in use draw on films neither has learnt from.

Which films those are is decided as for classifiers, see `judge`.
"""

from collections.abc import Sequence
from functools import partial

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import StageProgress, ignore_stage_progress
from cxr_core.errors import DataError
from cxr_core.evaluation.evaluate import describe_data
from cxr_core.evaluation.segmentation.mask_comparison import compare_with_masks
from cxr_core.evaluation.segmentation.metrics import ComparedFilm
from cxr_core.evaluation.store.provenance import record_test_use
from cxr_core.promotion.candidate import (
    Ground,
    fingerprints,
    ground_of,
    rival_of,
    stands,
    write_verdict,
)
from cxr_core.promotion.gate.segmenter import SEGMENTER_LIMITS, judge_outlines
from cxr_core.promotion.gate.verdict import GATE_FILE, Verdict, read_verdict
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.jsonl import utc_now


def outlines_verdict_on(run: RunFolder, *, progress: StageProgress = ignore_stage_progress) -> Verdict:
    """Ask the gate about the model of a finished run that outlines, and keep its answer in the run's folder.

    A verdict that still stands is taken as it is. Raises ModelError for a damaged model.
    """
    candidate = Segmenter.load(run.model)
    folder = rival_of(candidate.card)
    rival = Segmenter.load(folder) if folder else None
    used = rival.card if rival else None
    kept = read_verdict(run.path)
    if kept is not None and stands(kept, candidate.card, used):
        return kept
    ground = ground_of(run, candidate.card, used, progress)
    films = ground.alone if rival is None else ground.together
    mine, theirs, words = _drawn(candidate, rival, films, ground, progress)
    verdict = Verdict(
        model=candidate.card.model,
        version=candidate.card.version,
        rival=f"{used.model} {used.version}" if used else "",
        part=ground.part,
        films=words or ground.words,
        checks=judge_outlines(candidate.card, used, mine, theirs),
        official_test={},
        limits=SEGMENTER_LIMITS.to_json(),
        between=fingerprints(candidate.card, used),
        made=utc_now(),
    )
    write_verdict(run.path / GATE_FILE, verdict.to_json())
    return verdict


def _drawn(
    candidate: Segmenter,
    rival: Segmenter | None,
    films: Manifest | None,
    ground: Ground,
    progress: StageProgress,
) -> tuple[Sequence[ComparedFilm], Sequence[ComparedFilm], str]:
    """What both models drew beside the masks, and why there is none of it; every reading of test films is counted."""
    if films is None:
        return (), (), ""
    try:
        mine = compare_with_masks(candidate, films, partial(progress, "outlining films, new model"))
        theirs = (
            compare_with_masks(rival, films, partial(progress, "outlining films, model in use"))
            if rival
            else []
        )
    except DataError as error:
        return (
            (),
            (),
            f"The films that no model has learnt from cannot be compared with masks: {error}",
        )
    if films is ground.test:
        for model in filter(None, (candidate, rival)):
            record_test_use(describe_data(films), model.card, "the gate")
    return mine, theirs, ""
