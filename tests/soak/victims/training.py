"""The trainer as a victim: `python -m train.fit`, then `--resume` until its model is there."""

import json
import shutil
from pathlib import Path
from typing import Any

from cxr_core.models.card import CARD
from cxr_core.models.store import load_card, load_network, load_ood_statistics
from cxr_core.training.runs import run_files
from cxr_core.training.runs.progress import read_progress
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.hashing import sha256_of_file
from tests.soak.victims.program import Program, Site, require
from tests.soak.victims.site import fit_arguments
from train.fit import main as fit

FITTED = ("calibration", "operating_points", "metrics")  # keys of the card
EPOCH_FIGURES = ("epoch", "step", "loss", "validation_auroc", "validation_loss", "best_epoch")


def _run(site: Site) -> Path:
    return site.workspace / "runs" / "victim"


def _begin(site: Site) -> None:
    shutil.rmtree(site.run)
    shutil.rmtree(site.other_run)


def _work(site: Site) -> int:
    run = _run(site)
    if RunFolder(run).model.exists():  # killed between the last of its work and its end
        return 0
    if run_files.has_run(run):
        return fit(["--resume", str(run), "--device", "cpu"])
    return fit(fit_arguments(site.base, run))


def _inspect(site: Site) -> None:
    run = RunFolder(_run(site))
    read_progress(run.path)
    if run_files.has_run(run.path):
        run.load_recipe()
        run.load_manifest()
    latest, damaged = run.checkpoints.load_latest()
    require(not damaged, f"a checkpoint that is visible is damaged: {damaged}")
    step = latest.step if latest else 0
    require(step >= site.seen.get("step", 0), f"the last checkpoint fell back to step {step}")
    site.seen["step"] = step
    if run.model.exists():
        _load(run)


def _load(run: RunFolder) -> None:
    load_network(run.model, load_card(run.model))
    load_ood_statistics(run.model)


def _outcome(site: Site) -> Any:
    """Weights, what was fitted, and the epochs' figures, without times and speeds."""
    run = RunFolder(_run(site))
    _load(run)
    card = json.loads((run.model / CARD).read_text())
    epochs = [event for event in run.read_events() if event["event"] == "epoch"]
    return (
        sha256_of_file(run.model / "weights.safetensors"),
        sha256_of_file(run.model / "familiarity.safetensors"),
        [card[key] for key in FITTED],
        (run.path / "learnt.csv").read_text(),
        [[event[key] for key in EPOCH_FIGURES] for event in epochs],
    )


TRAINER = Program(name="trainer", begin=_begin, work=_work, inspect=_inspect, outcome=_outcome)
