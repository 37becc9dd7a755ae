"""From a finished run to an installed model, whole or not at all.

This is a first form of the gate: it asks that the model loads, gives finite logits and has been measured on a test
part. It does not yet ask that the model is better than the one it replaces; that is for whoever writes the note.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from cxr_core.errors import ModelError, RunError
from cxr_core.evaluation.folder import METRICS, read_metrics
from cxr_core.film.phantom import SAMPLES, draw
from cxr_core.models.card import ModelCard
from cxr_core.models.registry import SHIPPED, workspace
from cxr_core.models.store import CARD
from cxr_core.reading.classifier import Classifier
from cxr_core.training.run_folder import RunFolder

TEST = "test"


def publish(folder: Path, note: str = "") -> Path:
    """Install the model of a finished run in the workspace. Returns the installed folder.

    note: why; needed when a model of this name is installed already, and kept in the card. Raises RunError when the run
    is not finished or not measured, ModelError when its model does not load or a note is missing, ReadingError when it
    gives a logit that is no number.
    """
    run = _finished(folder)
    if run.recipe().structures:
        raise RunError(
            f"{folder} outlines heart and lungs; the gate knows figures of findings alone. To install it, copy "
            f"{run.model} to {workspace() / 'models'}/NAME/VERSION"
        )
    card = _sound(run)
    figures = _figures(run, card)
    models = workspace() / "models"
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / ".lock"):
            there = versions(card.model)
            if there and not note.strip():
                raise ModelError(
                    f"{card.model} is installed already ({', '.join(there)}); to replace it, say why with --note"
                )
            return _install(run, _published(card, figures, there, run, note), models)
    except OSError as error:
        raise ModelError(f"the model cannot be installed under {models}: {error.strerror}") from error


def figures_on_test(run: RunFolder, card: ModelCard) -> dict[str, Any] | None:
    """The figures, by finding, of the model on a test part: of the run's evaluation folder, else of its card."""
    found = read_metrics(run.path / "evaluation")
    if found and found.get("part") == TEST and found.get("weights_sha256") == card.weights_sha256:
        return dict(found.get("findings", {}))
    return card.metrics.get(TEST)


def versions(model: str) -> list[str]:
    """The versions of a model that are installed, shipped or in the workspace, the highest last."""
    roots = (SHIPPED, workspace() / "models")
    found = {card.parent.name for root in roots for card in root.glob(f"{model}/*/{CARD}")}
    return sorted((name for name in found if not name.startswith(".")), key=_as_numbers)


def next_version(wanted: str, there: list[str]) -> str:
    """The version wanted when it is above all there are, else the highest one with its last number raised."""
    if not there or _as_numbers(wanted) > _as_numbers(there[-1]):
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


def _sound(run: RunFolder) -> ModelCard:
    """The card of a run's model that loads and reads drawn chests. Raises ModelError or ReadingError otherwise."""
    classifier = Classifier.load(run.model)
    for spec in SAMPLES.values():
        classifier.read(draw(spec))
    for name in (classifier.card.model, classifier.card.version):
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise ModelError(
                f"{name!r} cannot be a folder's name; models and versions are named by letters, digits, . + -"
            )
    return classifier.card


def _figures(run: RunFolder, card: ModelCard) -> dict[str, Any]:
    found = figures_on_test(run, card)
    if not found:
        raise RunError(
            f"{run.path} has not been measured on a test part: there is no {METRICS} of this model in its evaluation "
            f"folder; run: python -m train.evaluate {run.path} --data DIR"
        )
    return found


def _published(card: ModelCard, figures: Mapping[str, Any], there: list[str], run: RunFolder, note: str) -> ModelCard:
    """The card as it will be installed: with its version, the test figures and the story of its publication."""
    story = {
        "run": run.path.resolve().name,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": note.strip(),
        "replaces": there[-1] if there else "",
    }
    return replace(
        card,
        version=next_version(card.version, there),
        metrics={**card.metrics, TEST: dict(figures)},
        training={**card.training, "published": story},
    )


def _install(run: RunFolder, card: ModelCard, models: Path) -> Path:
    """Copy the model under a hidden name, check the copy, then rename it into place."""
    final = models / card.model / card.version
    final.parent.mkdir(exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{card.version}-", dir=final.parent))
    try:
        shutil.copytree(run.model, draft, dirs_exist_ok=True)
        (draft / CARD).write_text(card.to_json(), encoding="utf-8")
        Classifier.load(draft)
        for file in draft.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        draft.chmod(0o755)
        draft.rename(final)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return final


def _as_numbers(version: str) -> tuple[tuple[int, str], ...]:
    """Versions compare as people read them: 1.10 is above 1.9."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.split("."))
