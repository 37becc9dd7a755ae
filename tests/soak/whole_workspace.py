"""A small workspace with one of everything that the program writes, and the kinds of its files."""

import json
import shutil
from pathlib import Path
from typing import Any

import train.compare
from cxr_core.data import prepare
from cxr_core.data.splits.plan import plan_folds
from cxr_core.data.splits.saved_split import save_split
from cxr_core.data.subsets import save_subset
from cxr_core.jobs.activity import GATE_ACTIVITY
from cxr_core.known_findings import define_finding
from cxr_core.models.registry.registry import IMPORT_RECORD
from cxr_core.training.runs.annotation import RunAnnotation, pin_baseline, write_annotation
from tests.old_site import copy_old_site
from tests.pages.fake_evaluations import TRAINING, write_evaluation
from tests.pages.fake_runs import fake_runs
from tests.soak.site_files import add_site_files

# Every file of a workspace is of one of these kinds, the first whose pattern it matches.
KINDS = {
    "lock": "**/.*lock",
    "dataset record": "datasets/*/dataset.json",
    "dataset manifest": "datasets/*/manifest.parquet",
    "dataset issues": "datasets/*/issues.json",
    "dataset report": "datasets/*/report.*",
    "dataset quarantine": "datasets/*/quarantine.csv",
    "dataset near-duplicates": "datasets/*/near_duplicates.json",
    "saved split": "datasets/*/splits/*/split.json",
    "films of a saved split": "datasets/*/splits/*/films.csv",
    "subset": "subsets/*.json",
    "local findings": "findings.json",
    "log": "logs/*.jsonl",
    "cache geometry": "cache/*/geometry.json",
    "cache grids": "cache/*/grids.u8",
    "cache index": "cache/*/index.sqlite",
    "metrics": "**/metrics.json",
    "predictions": "**/predictions.csv",
    "predictions parquet": "**/predictions.parquet",
    "curves": "**/curves.json",
    "recalibration": "**/recalibration.json",
    "evaluation report": "**/report.html",
    "test uses": "official_test_uses.jsonl",
    "run recipe": "runs/*/recipe.toml",
    "run manifest": "runs/*/manifest.json",
    "run progress": "runs/*/progress.jsonl",
    "run log": "runs/*/run.log",
    "run annotation": "runs/*/annotation.json",
    "baseline": "runs/baseline.json",
    "run gate": "runs/*/gate.json",
    "training hashes": "runs/*/learnt.csv",
    "checkpoint weights": "runs/*/checkpoints/*/weights.safetensors",
    "checkpoint state": "runs/*/checkpoints/*/state.safetensors",
    "checkpoint record": "runs/*/checkpoints/*/state.json",
    "checkpoint mark": "runs/*/checkpoints/*/done",
    "run card": "runs/*/model/card.json",
    "run weights": "runs/*/model/weights.safetensors",
    "run familiarity": "runs/*/model/familiarity.safetensors",
    "job request": "**/job/request.json",
    "job queue": "**/job/queue.json",
    "job process": "**/job/process.json",
    "job heartbeat": "**/job/heartbeat.json",
    "job stop": "**/job/stop.json",
    "job end": "**/job/end.json",
    "job activity": "**/job/asked.json",
    "job recipe": "**/job/recipe.toml",
    "job output": "**/job/output.log",
    "evaluation progress": "**/job/progress.jsonl",
    "model history": "models/log.jsonl",
    "model current": "models/*/current.json",
    "model card": "models/*/*/card.json",
    "model weights": "models/*/*/weights.safetensors",
    "model familiarity": "models/*/*/familiarity.safetensors",
    "model gate": "models/*/*/gate.json",
    "model import": "models/*/*/imported.json",
    "comparison": "comparisons/*/comparison.json",
    "validation scores": "models/*/*/validation_scores.json",
    "films learnt": "models/*/*/learnt_films.txt",
    "API keys": "access/keys.json",
    "audit log": "audit/audit-*.jsonl",
    "audit log's end": "audit/head.json",
    "key of film hashes": "audit/film.key",
    "own code": "code/*.py",
    "allowed code": "code/allowed.json",
    "tracking settings": "tracking.toml",
    "verdicts": "feedback/feedback.sqlite",
    "kept film": "feedback/films/*/*.png",
    "label layer": "label_layers/*.json",
    "exported boxes": "exports/*/boxes.json",
    "exported labels": "exports/*/labels.csv",
    "exported film": "exports/*/films/*.png",
    "exported network": "exports/*/*/network.*",
    "record of an exported network": "exports/*/*/export.json",
    "scoring record": "scorings/*/scoring.json",
    "requests of a scoring": "scorings/*/requests.jsonl",
    "scored films": "scorings/*/shards/*/*.parquet",
    "manifest of a scoring": "scorings/*/manifest.parquet",
    "counts of a scoring": "scorings/*/manifest.json",
    "acceptance record": "site/acceptance/*/*.json",
    "site profile": "site/profile.json",
    "history of the site's profile": "site/profile_history.jsonl",
    "counted week": "site/watching/*.json",
    "archive settings": "pacs.toml",
    "node's queue": "node/queue.sqlite",
    "node's film": "node/films/*/film.dcm",
    "node's result": "node/results/*/*.dcm",
    "search": "searches/*/search.json",
    "search recipe": "searches/*/recipe.toml",
    "search journal": "searches/*/journal.log",
    "search results": "searches/*/results.json",
    "trial recipe": "searches/*/trials/*/*/recipe.toml",
    "trial manifest": "searches/*/trials/*/*/manifest.json",
    "trial progress": "searches/*/trials/*/*/progress.jsonl",
    "validation uses": "validation_uses.jsonl",
}


PROCESS = {"pid": 2**22 + 1, "started": 1, "boot": "of long ago", "time": 1.0, "monotonic": 1.0}
EVENT = {"time": 1.0, "event": "data", "stage": "reading films", "done": 1, "of": 2}
REQUEST = {"kind": "evaluation", "model": "tiny", "data": ["films"], "split": "test"}


def build_workspace(site: Path) -> Path:
    """Write the workspace beside its films, in a new folder. CXR_WORKSPACE must name `site / "workspace"`.

    A dataset with its cache, a finished, a stopped, a removed and a queued run, evaluations with and without
    recalibration, a failed and a waiting evaluation job, a comparison, a model with its gate, its history and an
    imported version, and the files of `add_site_files`.
    """
    workspace = copy_old_site(site)
    dataset = prepare.prepare_dataset([site / "films"], name="films")
    films = prepare.open_data([site / "films"])
    save_split(dataset, "halves", plan_folds(films, 2, (), seed=0))
    save_subset("some", films, dataset.name)
    define_finding("rib_fracture", "Rib fracture", "A break of one or more ribs.")
    write_annotation(workspace / "runs/finished", RunAnnotation(name="First", tags=("pilot",)))
    pin_baseline("finished")
    recipe = workspace / "runs/stopped/recipe.toml"
    recipe.write_text(recipe.read_text().replace("epochs = 60", "epochs = 3"))
    evaluations = workspace / "evaluations"
    write_evaluation(evaluations / "recalibrated", training=TRAINING, method="line")
    failed = evaluations / "failed" / "job"
    _write_record(failed / "request.json", REQUEST)
    _write_record(failed / "end.json", {"state": "failed", "sentence": "No films.", "time": 1.0})
    _write_record(failed / "process.json", PROCESS)
    _write_record(failed / "heartbeat.json", {**PROCESS, "leader": PROCESS, "event": EVENT})
    _write_record(failed / "progress.jsonl", EVENT)
    (failed / "output.log").write_text("reading films\n")
    waiting = evaluations / "waiting" / "job"
    _write_record(waiting / "request.json", REQUEST)
    _write_record(waiting / "queue.json", {"device": "evaluations", "since": 1.0, "order": 1})
    imported = workspace / "models/tiny/1.1.0"
    shutil.copytree(workspace / "models/tiny/1.0.0", imported)
    card = json.loads((imported / "card.json").read_text())
    _write_record(imported / "card.json", card | {"version": imported.name})
    _write_record(imported / IMPORT_RECORD, {"schema": 1, "when": "2026-01-01", "zip": "0" * 64})
    folders = (workspace / "runs/finished", evaluations / "tiny-1.0.0-test-films")
    train.compare.main(list(map(str, folders)))
    with fake_runs() as runs:
        runs.write_queued("queued", 1)
        runs.write_activity(workspace / "runs" / "finished", GATE_ACTIVITY, alive=False)
    add_site_files(workspace, dataset, site / "films/test")
    return workspace


def sort_by_kind(workspace: Path) -> dict[str, list[Path]]:
    """Every file of a workspace under its kind. Raises LookupError for files that no kind describes."""
    kinds: dict[Path, str] = {}
    for kind, pattern in KINDS.items():
        for path in sorted(workspace.glob(pattern)):
            kinds.setdefault(path, kind)
    unknown = [path for path in workspace.rglob("*") if path.is_file() and path not in kinds]
    if unknown:
        raise LookupError(f"of no kind: {', '.join(map(str, unknown))}; describe them in KINDS")
    return {kind: [path for path in kinds if kinds[path] == kind] for kind in KINDS}


def _write_record(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n")
