"""Installs the model of a finished run as the active version, through the gate; completely or not at all.

The verdict is kept in the card (`training.published`) and beside it as gate.json. Against a closed gate a model is
installed only with a written reason, which is kept with it.
"""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.data.prepare import StageProgress, ignore_stage_progress
from cxr_core.errors import ModelError, RunError
from cxr_core.evaluation.store.folder import METRICS, read_metrics
from cxr_core.film.phantom.phantom import SAMPLES, draw_phantom
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.card_file import AnyCard, is_segmenter, read_card
from cxr_core.models.registry.active_version import retire_others
from cxr_core.models.registry.overlap import Competitor, describe_refusal, find_competitors
from cxr_core.models.registry.pointers import pin_active_version, registry_lock, write_pointers
from cxr_core.models.registry.registry import (
    find_active_version,
    list_versions,
    version_sort_key,
)
from cxr_core.promotion.candidate import (
    compare_candidate,
    find_incumbents,
    load_incumbent,
    verdict_holds,
)
from cxr_core.promotion.gate.verdict import GATE_FILE, Verdict, write_verdict
from cxr_core.promotion.imports import adopt_definitions, require_definitions
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.atomic import atomic_folder
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.log import add_details, log_task
from cxr_core.workspace.paths import workspace

TEST = "test"
NAME = re.compile(r"\w[\w.+-]*")  # of a model or version, as its folder is named


@dataclass(frozen=True, kw_only=True)
class Publication:
    """How a model came to be installed.

    run: the name of its folder.  when: ISO 8601, UTC.  note: why it was published.  replaces: the former active
    version of its name, empty when there was none.  retires: models of other names, with their versions, that it took
    out of use.  override: why it was published against a closed gate, else empty.
    """

    run: str
    when: str
    note: str
    replaces: str
    retires: tuple[str, ...] = ()
    override: str
    verdict: Verdict

    def to_json(self) -> JsonObject:
        """The record in the card, without the verdict."""
        return {
            "run": self.run,
            "when": self.when,
            "note": self.note,
            "replaces": self.replaces,
            "retires": [*self.retires],
            "override": self.override,
        }


@perform_action("publication", Role.ADMIN)
def publish(
    folder: Path,
    note: str = "",
    *,
    override: str = "",
    progress: StageProgress = ignore_stage_progress,
) -> Path:
    """Install the model of a finished run in the workspace and activate it. Returns the installed folder.

    Active models of other names that answer the same findings for the same patients are retired in the same step.
    note: why; needed when a model of this name is installed already, or another one is retired; kept in the card.
    override: why the model is installed although the gate is closed; kept as well.
    Raises RunError when the run is not finished or not evaluated, or the gate is closed, ModelError when its model does
    not load, the note is missing, another version was activated meanwhile, or a model of another name that it replaces
    also answers other findings or patients (as `activate_version` does), ReadingError when it gives a logit that is no
    number.
    """
    run = _open_finished_run(folder)
    card = _check_model(run)
    figures = _require_test_figures(run, card)
    _require_no_loss(card)
    _require_note(card, note)
    add_details(model=card.model, version=card.version)
    verdict = compare_candidate(run, progress=progress)
    add_details(gate="open" if verdict.is_open else "closed")
    if not verdict.is_open and not override.strip():
        raise RunError(f"{verdict.in_words} To install it nevertheless, say why with --override")
    with registry_lock():
        incumbents = [load_incumbent(folder, read_card) for folder in find_incumbents(card)]
        if not verdict_holds(verdict, card, incumbents):
            raise ModelError(
                f"another model was activated or retired meanwhile, so {card.model} was not compared with those in "
                "use; publish again"
            )
        _require_no_loss(card)
        _require_note(card, note)
        publication = _describe_publication(run, card, verdict, note, override)
        return _install(run, _complete_card(card, figures, publication), publication)


@log_task("gate")
def compare_run(folder: Path, *, progress: StageProgress = ignore_stage_progress) -> Verdict:
    """The gate's verdict on a finished run, which is kept in its folder as gate.json. Installs nothing.

    Raises as `publish` does, except for a closed gate.
    """
    run = _open_finished_run(folder)
    _check_model(run)
    return compare_candidate(run, progress=progress)


def find_test_figures(run: RunFolder, card: AnyCard) -> JsonObject | None:
    """The figures of a model on a test split: of the run's evaluation, else of its card; None when there are none.

    By finding; of a segmenter by name.
    """
    metrics = read_metrics(run.evaluation) or {}
    is_own = metrics.get("part") == TEST and metrics.get("weights_sha256") == card.weights_sha256
    figures = card.metrics.get(TEST)
    if is_own:
        figures = metrics.get("findings") or metrics.get("figures") or {}
    return figures if isinstance(figures, dict) else None


def next_version(wanted: str, installed: list[str]) -> str:
    """The version wanted when it is above all installed ones, else the highest with its last number raised."""
    if not installed or version_sort_key(wanted) > version_sort_key(installed[-1]):
        return wanted
    before, _, last = installed[-1].rpartition(".")
    raised = str(int(last) + 1) if last.isdigit() else f"{last}.1"
    return f"{before}.{raised}" if before else raised


def _open_finished_run(folder: Path) -> RunFolder:
    run = RunFolder.open(folder)
    if run.model.is_dir() and not run.is_finished:
        raise RunError(f"{folder} is not finished: its process is still running; wait for it")
    if not run.is_finished:
        raise RunError(
            f"{folder} is not finished; only a finished run is published. To resume it: "
            f"python -m train.fit --resume {folder}"
        )
    return run


def _load_model(folder: Path) -> Classifier | Segmenter:
    return Segmenter.load(folder) if is_segmenter(folder) else Classifier.load(folder)


def _check_model(run: RunFolder) -> AnyCard:
    """The card of a run's model, which loads and reads phantoms. Raises ModelError or ReadingError otherwise."""
    model = _load_model(run.model)
    for spec in SAMPLES.values():
        film = draw_phantom(spec)
        if isinstance(model, Segmenter):
            model.segment(film)
        else:
            model.read(film)
    require_definitions(model.card)
    for name in (model.card.model, model.card.version):
        if not NAME.fullmatch(name):
            raise ModelError(
                f"{name!r} cannot be a folder's name; models and versions are named by letters, digits, . + -"
            )
    return model.card


def _require_test_figures(run: RunFolder, card: AnyCard) -> JsonObject:
    """Figures on a test split. A segmenter may have none, as data with masks mostly has no such split."""
    figures = find_test_figures(run, card)
    if not figures and isinstance(card, ModelCard):
        raise RunError(
            f"{run.path} has not been evaluated on a test split: there is no {METRICS} of this model in its evaluation "
            f"folder; run: python -m train.evaluate {run.path} --data DIR"
        )
    return figures or {}


def _require_no_loss(card: AnyCard) -> None:
    """Raises ModelError where a finding or patients would have no model any more; no override changes that."""
    refusal = describe_refusal(card.model, card)
    if refusal:
        raise ModelError(refusal)


def _require_note(card: AnyCard, note: str) -> None:
    if note.strip():
        return
    installed = list_versions(card.model)
    if installed:
        names = ", ".join(folder.name for folder in installed)
        raise ModelError(
            f"{card.model} is installed already ({names}); to replace it, say why with --note"
        )
    competitors = find_competitors(card.model, card)
    if competitors:
        names = "; ".join(map(Competitor.describe, competitors))
        raise ModelError(f"{card.model} replaces {names}; say why with --note")


def _describe_publication(
    run: RunFolder, card: AnyCard, verdict: Verdict, note: str, override: str
) -> Publication:
    active = find_active_version(verdict.model)
    return Publication(
        run=run.path.resolve().name,
        when=utc_now(),
        note=note.strip(),
        replaces=active.version if active else "",
        retires=tuple(competitor.name for competitor in find_competitors(card.model, card)),
        override="" if verdict.is_open else override.strip(),
        verdict=verdict,
    )


def _complete_card(card: AnyCard, figures: JsonObject, publication: Publication) -> AnyCard:
    """The card as it will be installed: with its version, its test figures and the record of its publication."""
    installed = [folder.name for folder in list_versions(card.model)]
    published: JsonObject = {**publication.to_json(), "gate": publication.verdict.to_json()}
    metrics = card.metrics
    if figures:
        metrics = {**metrics, TEST: figures}
    return replace(
        card,
        version=next_version(card.version, installed),
        metrics=metrics,
        training={**card.training, "published": published},
    )


def _install(run: RunFolder, card: AnyCard, publication: Publication) -> Path:
    """Install a version beside the active one, then activate it; a kill in between leaves the former one active."""
    models = workspace() / "models"
    try:
        others = retire_others(card.model, card.version, card)
        # Those that it retires must not read beside it, not even after a kill.
        pin_active_version(card.model, also_none=bool(others))
        adopt_definitions(card)
        folder = models / card.model / card.version
        _copy_model(run, card, publication, folder)
        record: JsonObject = {
            "what": "published",
            "version": card.version,
            "before": publication.replaces,
            "run": publication.run,
            "note": publication.note,
            "override": publication.override,
            "gate": publication.verdict.in_words,
        }
        write_pointers({card.model: record, **others})
    except OSError as error:
        raise ModelError(
            f"the model cannot be installed under {models}: {error.strerror or error}"
        ) from error
    return folder


def _copy_model(run: RunFolder, card: AnyCard, publication: Publication, folder: Path) -> None:
    """Copy the model with its new card and verdict, and check that the copy loads before it appears."""
    with atomic_folder(folder) as draft:
        shutil.copytree(run.model, draft, dirs_exist_ok=True)
        (draft / CARD).write_text(card.to_json(), encoding="utf-8")
        verdict: JsonObject = {
            **publication.verdict.to_json(),
            "published": publication.to_json(),
        }
        write_verdict(draft / GATE_FILE, verdict)
        _load_model(draft)
