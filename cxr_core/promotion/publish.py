"""From a finished run, through the gate, to the installed model in use: whole or not at all.

What the gate found is kept in the card (`training.published`) and beside it as gate.json. A run that it does not let
through is installed with a written reason only, which is kept with it.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cxr_core.data.prepare import StageProgress, ignore_stage_progress
from cxr_core.errors import ModelError, RunError
from cxr_core.evaluation.store.folder import METRICS, read_metrics
from cxr_core.film.phantom.phantom import SAMPLES, draw
from cxr_core.jobs.activity import JUDGED, track_activity
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.registry.active_version import pin_active_version, registry_lock, write_pointer
from cxr_core.models.registry.registry import (
    find_active_version,
    is_segmenter,
    list_versions,
    version_sort_key,
)
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_card, load_segmenter_card
from cxr_core.promotion.candidate import rival_of, stands, verdict_on, write_verdict
from cxr_core.promotion.gate.verdict import GATE_FILE, Verdict
from cxr_core.promotion.segmenter_candidate import outlines_verdict_on
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.paths import workspace

TEST = "test"
Card = ModelCard | SegmenterCard


def publish(
    folder: Path, note: str = "", *, override: str = "", progress: StageProgress = ignore_stage_progress
) -> Path:
    """Install the model of a finished run in the workspace, and put it to use. Returns the installed folder.

    note: why; needed when a model of this name is installed already, and kept in the card.  override: why it is
    installed although the gate stays shut, kept as well. Raises RunError when the run is not finished or not measured,
    or the gate stays shut, ModelError when its model does not load, a note is missing or another one was put to use
    meanwhile, ReadingError when it gives a logit that is no number.
    """
    run = _finished(folder)
    card = _sound(run)
    figures = _figures(run, card)
    _require_note(card.model, note)
    verdict = _asked(run, progress)
    if not verdict.opens and not override.strip():
        raise RunError(f"{verdict.in_words} To install it nevertheless, say why with --override")
    with registry_lock():
        rival = rival_of(card)
        if not stands(verdict, card, card_of(rival) if rival else None):
            raise ModelError(
                f"another version of {card.model} was put to use meanwhile; publish again"
            )
        _require_note(card.model, note)
        there = [each.name for each in list_versions(card.model)]
        story = _story(run, verdict, note, override)
        return _install(run, _published(card, figures, there, story), story, verdict)


def judge(folder: Path, *, progress: StageProgress = ignore_stage_progress) -> Verdict:
    """The gate's verdict on a finished run, which is kept in its folder as gate.json; nothing is installed.

    Raises as `publish` does, but for a gate that stays shut.
    """
    run = _finished(folder)
    _sound(run)
    return _asked(run, progress)


def figures_on_test(run: RunFolder, card: Card) -> dict[str, Any] | None:
    """The figures of the model on a test part: of the run's evaluation folder, else of its card.

    By finding; of a model that outlines by name.
    """
    found = read_metrics(run.path / "evaluation")
    if found and found.get("part") == TEST and found.get("weights_sha256") == card.weights_sha256:
        return dict(found.get("findings") or found.get("figures") or {})
    return card.metrics.get(TEST)


def card_of(folder: Path) -> Card:
    """The card of a model folder, whatever it answers. Raises ModelError when it cannot be read."""
    return load_segmenter_card(folder) if is_segmenter(folder) else load_card(folder)


def next_version(wanted: str, there: list[str]) -> str:
    """The version wanted when it is above all there are, else the highest one with its last number raised."""
    if not there or version_sort_key(wanted) > version_sort_key(there[-1]):
        return wanted
    before, _, last = there[-1].rpartition(".")
    raised = str(int(last) + 1) if last.isdigit() else f"{last}.1"
    return f"{before}.{raised}" if before else raised


def _finished(folder: Path) -> RunFolder:
    run = RunFolder.open(folder)
    if run.state != "finished":
        raise RunError(
            f"{folder} is not finished but {run.state}; only a finished run is published. To go on with it: "
            f"python -m train.fit --resume {folder}"
        )
    return run


def _asked(run: RunFolder, progress: StageProgress) -> Verdict:
    ask = outlines_verdict_on if run.recipe().structures else verdict_on
    with track_activity(run.path, JUDGED):
        return ask(run, progress=progress)


def _load(folder: Path) -> Classifier | Segmenter:
    return Segmenter.load(folder) if is_segmenter(folder) else Classifier.load(folder)


def _sound(run: RunFolder) -> Card:
    """The card of a run's model that loads and reads drawn chests. Raises ModelError or ReadingError otherwise."""
    model = _load(run.model)
    for spec in SAMPLES.values():
        model.segment(draw(spec)) if isinstance(model, Segmenter) else model.read(draw(spec))
    for name in (model.card.model, model.card.version):
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise ModelError(
                f"{name!r} cannot be a folder's name; models and versions are named by letters, digits, . + -"
            )
    return model.card


def _figures(run: RunFolder, card: Card) -> dict[str, Any]:
    """Figures on a test part; a model that outlines may have none, as data with masks mostly has no such part."""
    found = figures_on_test(run, card)
    if not found and isinstance(card, ModelCard):
        raise RunError(
            f"{run.path} has not been measured on a test part: there is no {METRICS} of this model in its evaluation "
            f"folder; run: python -m train.evaluate {run.path} --data DIR"
        )
    return found or {}


def _require_note(model: str, note: str) -> None:
    there = list_versions(model)
    if there and not note.strip():
        names = ", ".join(each.name for each in there)
        raise ModelError(
            f"{model} is installed already ({names}); to replace it, say why with --note"
        )


def _story(run: RunFolder, verdict: Verdict, note: str, override: str) -> dict[str, Any]:
    """How a model came to be installed: who asked for what, what the gate said, what it replaces."""
    used = find_active_version(verdict.model)
    return {
        "run": run.path.resolve().name,
        "when": utc_now(),
        "note": note.strip(),
        "replaces": used.version if used else "",
        "override": "" if verdict.opens else override.strip(),
        "gate": verdict.to_json(),
    }


def _published(
    card: Card, figures: Mapping[str, Any], there: list[str], story: Mapping[str, Any]
) -> Card:
    """The card as it will be installed: with its version, the test figures and the story of its publication."""
    return replace(
        card,
        version=next_version(card.version, there),
        metrics={**card.metrics, **({TEST: dict(figures)} if figures else {})},
        training={**card.training, "published": dict(story)},
    )


def _install(run: RunFolder, card: Card, story: Mapping[str, Any], verdict: Verdict) -> Path:
    """Install a model beside the one in use, then put it to use; a kill in between leaves the former one in use."""
    models = workspace() / "models"
    try:
        pin_active_version(card.model)
        folder = _copy(run, card, story, models)
        change = {"what": "published", "version": card.version, "before": story["replaces"]}
        told = {name: story[name] for name in ("run", "note", "override")}
        write_pointer(card.model, {**change, **told, "gate": verdict.in_words})
    except OSError as error:
        raise ModelError(
            f"the model cannot be installed under {models}: {error.strerror}"
        ) from error
    return folder


def _copy(run: RunFolder, card: Card, story: Mapping[str, Any], models: Path) -> Path:
    """Copy the model under a hidden name, check the copy, then rename it into place."""
    final = models / card.model / card.version
    final.parent.mkdir(exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{card.version}-", dir=final.parent))
    try:
        shutil.copytree(run.model, draft, dirs_exist_ok=True)
        (draft / CARD).write_text(card.to_json(), encoding="utf-8")
        write_verdict(
            draft / GATE_FILE,
            {**story["gate"], "published": {k: v for k, v in story.items() if k != "gate"}},
        )
        _load(draft)
        for file in draft.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        draft.chmod(0o755)
        draft.rename(final)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return final
