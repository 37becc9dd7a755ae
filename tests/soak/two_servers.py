"""Servers on one workspace: `python -m tests.soak.two_servers [--count N] [--seed S] [--minutes M] [--servers K]`.

Each server is a process that submits runs, decides about a dataset, imports models, activates versions and publishes
finished runs through the gate, at the same moments as the others and partly the same ones. A violation is an error that
is no refusal, an action that was shown as done and is not there, and one that was done twice: a token with two runs, a
run that began twice, a model that two servers imported, a version that two published, a change of version that is not
in the log or does not follow from the one before.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from cxr_core.data.prepare import prepare_dataset, record_decision
from cxr_core.data.registry import list_datasets
from cxr_core.errors import ModelError, SilhouetteError
from cxr_core.evaluation.store.folder import METRICS
from cxr_core.jobs import files
from cxr_core.jobs.activity import GATE_ACTIVITY, track_activity
from cxr_core.jobs.queue import waiting_jobs
from cxr_core.models.registry.active_version import activate_version
from cxr_core.models.registry.archive import export_model
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import find_active_version, list_versions
from cxr_core.models.store import load_card
from cxr_core.promotion import imports
from cxr_core.promotion.gate.verdict import read_verdict
from cxr_core.promotion.publish import publish
from cxr_core.training.runs import run_files
from cxr_core.training.runs.manifest import Exclusions, RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.paths import workspace
from tests.jobs.conftest import STAND_IN
from tests.jobs.job_control import TINY, end_all, submit
from tests.pages.fake_datasets import write_films
from tests.tiny import tiny_card, tiny_model

ROOT = Path(__file__).parents[2]
SHARED = "shared"  # the model whose versions all servers activate, and of which they publish others
SHARED_VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
CANDIDATES = 2  # finished runs that all servers publish
KINDS = ("submit", "decide", "import", "activate", "publish")
ENDED_WITHIN_S = 1800.0
BEGUN = ("begun", "resumed")

Action = Mapping[str, str]


class Violation(Exception):
    """A promise that was not kept."""


def main() -> int:
    """Run the servers until the count is reached or the time is over; 1 when a promise was not kept."""
    given = _parse()
    if given.serve is not None:
        return serve_actions(given.serve, given.seed, given.count)
    folder = Path(tempfile.mkdtemp(prefix="soak-two-servers-"))
    deadline, rounds, status = time.monotonic() + 60 * given.minutes, 0, 0
    counts: Counter[str] = Counter()
    while rounds * given.servers * given.actions < given.count and time.monotonic() < deadline:
        place = folder / str(rounds)
        try:
            counts += run_round(place, given.servers, given.seed + rounds, given.actions)
            shutil.rmtree(place)
        except Violation as violation:
            (place / "violation.txt").write_text(str(violation), encoding="utf-8")
            print(f"{violation} ({place})")
            counts["violation"] += 1
            status = 1
        rounds += 1
        print(f"{rounds} rounds: " + ", ".join(f"{what} {n}" for what, n in sorted(counts.items())))
        sys.stdout.flush()
    return status


def run_round(folder: Path, servers: int, seed: int, actions: int) -> Counter[str]:
    """One workspace and its servers, from empty until every run has ended. Raises Violation. Returns counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(folder / "workspace"))
        patch.setenv("PYTHONPATH", os.pathsep.join((str(STAND_IN), str(ROOT))))
        patch.setenv("CXR_RUN_NICENESS", "0")
        _make_workspace(folder)
        try:
            done = _run_servers(folder, servers, seed, actions)
            _check_runs(done)
            _check_decisions(done)
            _check_models(done)
        finally:
            end_all(workspace())
    return Counter(f"{action['what']} {action['outcome']}" for action in done)


def _make_workspace(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    films = write_films(folder / "films")
    twin = folder / "films" / "twin.png"  # of another patient: an issue to decide about
    twin.write_bytes(films[-1].read_bytes())
    rows = [
        f"{film.name},{number},{number % 2},{'test' if number < 4 else 'train'}"
        for number, film in enumerate([*films, twin])
    ]
    header = "image,patient,cardiomegaly,split"
    (folder / "films" / "labels.csv").write_text("\n".join([header, *rows]))
    prepare_dataset([folder / "films"])
    for number, version in enumerate(SHARED_VERSIONS):
        tiny_model(workspace() / "models", tiny_card(SHARED, version=version), seed=number)
    for name in ("alpha", "beta", "gamma", "delta"):
        model = tiny_model(folder / "outside", tiny_card(name))
        (folder / f"{name}.zip").write_bytes(export_model(model))
    for number in range(CANDIDATES):
        _make_candidate(folder, number)


def _make_candidate(folder: Path, number: int) -> None:
    """A finished and evaluated run that left the films' test split alone, as the shared model did not."""
    manifest = RunManifest(
        exclusions=Exclusions(official_test=True), folders=(str(folder / "films"),)
    )
    recipe = replace(TINY, model=SHARED, findings=("cardiomegaly",))
    run = RunFolder.create(recipe, manifest, folder / "candidates" / str(number))
    card = tiny_card(SHARED, recipe.findings, training={"data": manifest.training_data()})
    tiny_model(run.path / "drawn", card, seed=10 + number).rename(run.model)
    auroc = {"value": 0.9, "low": 0.8, "high": 1.0, "n": 4, "positives": 2}
    measured = {"schema": 1, "part": "test", "weights_sha256": load_card(run.model).weights_sha256}
    run.evaluation.mkdir()
    (run.evaluation / METRICS).write_text(
        json.dumps({**measured, "findings": {"cardiomegaly": {"auroc": auroc}}})
    )


def _run_servers(folder: Path, servers: int, seed: int, actions: int) -> list[Action]:
    """What each server did, in the order of each."""
    command = [sys.executable, "-m", "tests.soak.two_servers", "--serve", str(folder)]
    command += ["--count", str(actions), "--seed"]
    outputs = [folder / f"server-{number}.jsonl" for number in range(servers)]
    running = []
    for number, output in enumerate(outputs):
        # Into files: the jobs that a server starts live on and would keep a pipe open.
        with output.open("w") as file:
            arguments = [*command, str(seed * 100 + number)]
            running.append(subprocess.Popen(arguments, cwd=ROOT, stdout=file))
    for process in running:
        process.wait(timeout=ENDED_WITHIN_S)
    if any(process.returncode for process in running):
        raise Violation("a server ended with an error")
    return [json.loads(line) for output in outputs for line in output.read_text().splitlines()]


def serve_actions(folder: Path, seed: int, count: int) -> int:
    """Be one server: do `count` actions and print a line of JSON for each."""
    chance = Random(seed)
    # A trial takes seconds in a process of its own, which writes nothing.
    imports.try_model = lambda folder: None
    for number in range(count):
        what = KINDS[number % len(KINDS)]
        note = f"{seed}-{number}"
        action = {"what": what, "note": note, "server": str(seed), "key": ""}
        try:
            action["key"] = _act(folder, what, note, number, chance)
            action["outcome"] = "done"
        except SilhouetteError as refusal:
            action |= {"outcome": "refused", "sentence": str(refusal)}
        print(json.dumps(action), flush=True)
    return 0


def _act(folder: Path, what: str, note: str, number: int, chance: Random) -> str:
    """Do one action; what it was done to."""
    if what == "submit":
        token = f"token-{number}"  # every server's page sends the same ones
        return f"{token} {submit(folder / 'data', token).id}"
    if what == "decide":
        (dataset,) = list_datasets()
        codes = sorted({issue.code for issue in dataset.load_issues()})
        code = chance.choice(codes)
        record_decision(dataset, code, "accept", note)
        return code
    if what == "import":
        archive = chance.choice(sorted(folder.glob("*.zip")))
        return imports.import_model(archive.read_bytes()).parent.name
    if what == "publish":
        return _publish(folder / "candidates" / str(chance.randrange(CANDIDATES)), note).name
    return activate_version(SHARED, chance.choice(list_versions(SHARED)).name, note).name


def _publish(run: Path, note: str) -> Path:
    """Publish a run as the Train page does, against the gate; again where another server was faster, as it is told."""
    while True:
        try:
            with track_activity(run, GATE_ACTIVITY):
                return publish(run, note, override=note)
        except ModelError as refusal:
            if "publish again" not in str(refusal):
                raise


def _check_runs(done: Sequence[Action]) -> None:
    """Every token has one run, and every run begins once."""
    submitted = [action["key"].split() for action in done if action["what"] == "submit"]
    by_token: dict[str, set[str]] = {}
    for token, run in submitted:
        by_token.setdefault(token, set()).add(run)
    folders = {folder.name: folder for folder in files.list_run_folders()}
    for token, runs in by_token.items():
        if len(runs) != 1:
            raise Violation(f"{token} has the runs {sorted(runs)}")
    if set(folders) != set().union(*by_token.values()):
        raise Violation(f"{sorted(folders)} are there, {sorted(by_token)} were submitted")
    for folder in folders.values():
        (folder / "job" / "finish").touch()
    deadline = time.monotonic() + ENDED_WITHIN_S
    while waiting_jobs() or any(files.is_job_live(folder) for folder in folders.values()):
        if time.monotonic() > deadline:
            raise Violation("runs wait and nothing starts them")
        time.sleep(0.1)
    for folder in folders.values():
        lines = (folder / run_files.RUN_PROGRESS).read_text(encoding="utf-8").splitlines()
        starts = sum(json.loads(line).get("event") in BEGUN for line in lines)
        if starts != 1:
            raise Violation(f"{folder.name} began {starts} times")


def _check_decisions(done: Sequence[Action]) -> None:
    """Of every code that was decided, the decision of one who was the last of his server to decide it is there."""
    (dataset,) = list_datasets()
    kept = {decision.code: decision.note for decision in dataset.decisions}
    last: dict[str, dict[str, str]] = {}
    for action in done:
        if action["what"] == "decide" and action["outcome"] == "done":
            last.setdefault(action["key"], {})[action["server"]] = action["note"]
    for code, notes in last.items():
        if kept.get(code) not in notes.values():
            raise Violation(f"{code}: {kept.get(code)} is kept, {notes} were the last")


def _check_models(done: Sequence[Action]) -> None:
    """Each model was imported once, each version published once, and each change of version is in the log once."""
    imports = Counter(_keys(done, "import"))
    for model, times in imports.items():
        if times != 1 or len(list_versions(model)) != 1:
            raise Violation(f"{model} was imported {times} times")
    published = _keys(done, "publish")
    versions = sorted(folder.name for folder in list_versions(SHARED))
    if versions != sorted([*SHARED_VERSIONS, *published]):
        raise Violation(f"{versions} are there, {published} were published")
    _check_history(done)


def _check_history(done: Sequence[Action]) -> None:
    """Each change of version is in the log once and follows from the one before; the last one is active."""
    history = read_history(SHARED)
    logged = Counter(str(record.get("note")) for record in history)
    notes = Counter(
        action["note"]
        for action in done
        if action["what"] in ("activate", "publish") and action["outcome"] == "done"
    )
    if logged != notes:
        raise Violation(f"the log has {logged - notes} too many and {notes - logged} too few")
    for newer, older in itertools.pairwise(history):
        if newer["before"] != older["version"]:
            raise Violation(f"{newer} does not follow from {older}")
    for record in history:
        if record["what"] == "published":
            _check_publication(str(record["version"]), str(record["note"]))
    active = find_active_version(SHARED)
    if active is None or active.version != history[0]["version"]:
        raise Violation(f"{active} is active, the last change is {history[0]}")


def _check_publication(version: str, note: str) -> None:
    """The version is the one whose publication has this note, with the verdict of the gate."""
    folder = workspace() / "models" / SHARED / version
    card, verdict = load_card(folder), read_verdict(folder)
    if card.version != version or dict(card.training)["published"]["note"] != note:
        raise Violation(f"the card of {version} is that of another publication than {note}")
    if verdict is None or not verdict.checks:
        raise Violation(f"{version} has no verdict")


def _keys(done: Sequence[Action], what: str) -> list[str]:
    return [a["key"] for a in done if a["what"] == what and a["outcome"] == "done"]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="actions in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--actions", type=int, default=40, help="of a server on one workspace")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
