"""Runs as processes of their own: start, queue, stop, go on, try again with a change, delete.

A run's folder is all there is to know of it; there is no other list that could be lost or disagree. It needs Linux
(processes are told by /proc), and says so elsewhere. Nothing here imports torch before a recipe is asked for.
"""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from cxr_core.data.prepare import folders_of
from cxr_core.errors import RunError
from cxr_core.jobs import files as files
from cxr_core.jobs import queue
from cxr_core.jobs.activity import asked
from cxr_core.jobs.job import Job, Request
from cxr_core.jobs.process_id import Name, is_held, marked, require_linux, signal_to
from cxr_core.jobs.status import patience_left, standing
from cxr_core.models.card import CARD
from cxr_core.models.registry.registry import version_folders
from cxr_core.training.engine.device import devices as devices
from cxr_core.training.engine.device import require_device
from cxr_core.workspace.atomic import temporary_path_beside
from cxr_core.workspace.paths import SHIPPED_MODELS, workspace


def submit(request: Request) -> Job:
    """Put a run into the queue of its device, from which it starts when that is free. Returns in well under 1 s.

    The same token again gives the run that it gave before. Raises RunError or DataError when the device, the number of
    processes or the data is not there, or the workspace cannot be written.
    """
    require_linux()
    device = require_device(request.device, request.processes, request.recipe.batch_size)
    folders = [os.path.abspath(folder) for folder in folders_of(request.data)]
    if not folders:
        raise RunError("no data to train on was given; choose a registered dataset or a folder")
    with files.alone():
        run = _made_before(request.token) or _make(replace(request, device=device), folders)
    queue.see_to_it()
    return job(run.name)


def jobs() -> tuple[Job, ...]:
    """Every run of the workspace: those that live, those that wait in their order, then the others, the newest first.

    Looks at the processes themselves, so that a dead or frozen run is shown as what it is within 30 s; starts what
    waits if nobody else does.
    """
    require_linux()
    found = [standing(run) for run in files.run_folders()]
    if any(map(_ended_without_a_word, found)):
        left = marked()
        found = [
            standing(each.folder, left) if str(each.folder) in left else each for each in found
        ]
    places = {run: place for runs in queue.waiting().values() for place, run in enumerate(runs, 1)}
    if places:
        queue.see_to_it()
    return tuple(sorted((_placed(each, places) for each in found), key=_rank))


def job(run: str) -> Job:
    """One run by its id. Raises RunError when there is none."""
    require_linux()
    folder = files.folder_of(run)
    found = standing(folder)
    if _ended_without_a_word(found):
        found = standing(folder, marked())
    places = {
        each: place for runs in queue.waiting().values() for place, each in enumerate(runs, 1)
    }
    return _placed(found, places)


def move(run: str, places: int) -> Job:
    """Move a waiting run in its queue: -1 one place towards the front. Raises RunError when it does not wait."""
    with files.alone():
        if job(run).state != "queued":
            raise RunError(f"{run} does not wait any more, so it has no place to change")
        queue.shift(files.folder_of(run), places)
    return job(run)


def stop(run: str) -> Job:
    """Ask a run to keep a checkpoint and end, or take it out of the queue. Returns at once, mostly still `stopping`.

    Raises RunError when it is neither alive nor waiting.
    """
    with files.alone():
        now = job(run)
        if now.state == "queued":
            sentence = "Taken out of the queue before it began."
            files.write(
                now.folder,
                files.END,
                {"state": "stopped", "sentence": sentence, "time": time.time()},
            )
            files.drop(now.folder, files.QUEUE)
            return job(run)
        if not now.live:
            raise RunError(f"{run} is {now.state}; there is nothing to stop")
    _ask_to_stop(now)
    return job(run)


def force_stop(run: str) -> Job:
    """End a run and all its processes at once; its last checkpoint stays.

    Raises RunError unless it is frozen or orphaned, or was asked to stop FORCE_AFTER_S ago or more.
    """
    now = job(run)
    if now.state not in ("stopping", "frozen", "orphaned"):
        raise RunError(f"{run} is {now.state}; ask it to stop first, which keeps a checkpoint")
    if now.state == "stopping" and (left := patience_left(now.folder)) > 0:
        raise RunError(
            f"{run} was asked to stop and still may; it can be ended by force in {left:.0f} s"
        )
    name = files.process_of(now.folder)
    if name is not None:
        files.write(now.folder, files.STOP, {**name.to_record(), "monotonic": time.monotonic()})
    for each in [name, _trainer(now.folder), *marked().get(str(now.folder), [])]:
        if each is not None:
            signal_to(each, signal.SIGKILL)
    return job(run)


def resume(run: str) -> Job:
    """Queue a stopped, failed or interrupted run again: it goes on from its last whole checkpoint.

    Raises RunError when it is alive, waits or is finished.
    """
    with files.alone():
        now = job(run)
        if "resume" not in now.actions:
            raise RunError(
                f"{run} is {now.state}; only a run that ended before it was finished can go on"
            )
        _as_requested(now)
        queue.join(now.folder, now.device or "cpu")
    queue.see_to_it()
    return job(run)


def retry(run: str, changes: Mapping[str, str], token: str) -> Job:
    """A new run of a run's recipe on its data, with fields changed (text, as `--set`). The manifest says `retry_of`.

    Raises RecipeError for a change that does not fit.
    """
    from cxr_core.training.recipe.recipe import load_recipe  # brings torch

    before = job(run)
    files_of_it = before.folder / files.RUN_RECIPE, before.folder / files.FOLDER / files.RECIPE
    recipe = load_recipe(next(path for path in files_of_it if path.is_file()), dict(changes))
    asked = files.read(before.folder, files.REQUEST)
    return submit(
        Request(
            recipe=recipe,
            data=before.data or tuple(_manifest(before.folder).get("folders", ())),
            token=token,
            device=before.device or "auto",
            processes=before.processes,
            version=asked.get("version", "1.0.0"),
            retry_of=run,
        )
    )


def delete(run: str) -> None:
    """Remove a run's folder for good.

    Raises RunError while it is alive, and when an installed model came from it, which the sentence names.
    """
    with files.alone():
        now = job(run)
        if now.live:
            raise RunError(f"{run} is {now.state}; stop it before it is deleted")
        if busy := _at_work_on(now.folder):
            raise RunError(f"{run} {busy}; wait for that before it is deleted")
        if models := models_from(run):
            raise RunError(
                f"{run} is kept: the installed model {' and '.join(models)} came from it"
            )
        hidden = now.folder.with_name(f".deleted-{run}")
        try:
            with FileLock(now.folder / files.RUN_LOCK, timeout=0.5):
                now.folder.rename(hidden)
        except Timeout:
            raise RunError(
                f"{run} has just been started again; stop it before it is deleted"
            ) from None
        except OSError as error:
            raise RunError(f"{now.folder} cannot be deleted: {error.strerror}") from error
    for left in files.runs_folder().glob(".deleted-*"):  # also what a kill left of an earlier one
        shutil.rmtree(left, ignore_errors=True)


def models_from(run: str) -> list[str]:
    """The installed models, as `name version`, whose card says that they came from a run."""
    folders = [
        folder
        for root in (SHIPPED_MODELS, workspace() / "models")
        for folder in version_folders(root)
    ]
    return sorted(
        f"{folder.parent.name} {folder.name}" for folder in folders if _published_run(folder) == run
    )


def _at_work_on(run: Path) -> str:
    """What somebody does with a run that has ended, in words that follow its name; empty when nobody does."""
    being = asked(run)
    if being and being.running:
        return f"is being {being.what}"
    locks = run.glob(f"evaluation/**/{files.FOLDER}/{files.LOCK}")
    return "is being evaluated" if any(map(is_held, locks)) else ""


def _published_run(folder: Path) -> str:
    try:
        return str(
            json.loads((folder / CARD).read_text(encoding="utf-8"))["training"]["published"]["run"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _ended_without_a_word(job: Job) -> bool:
    """Whether a run may have left processes behind: those that end by themselves do not."""
    return job.state in ("interrupted", "stopped") and not files.read(job.folder, files.END)


def _made_before(token: str) -> Path | None:
    return next(
        (
            run
            for run in files.run_folders()
            if files.read(run, files.REQUEST).get("token") == token
        ),
        None,
    )


def _make(request: Request, folders: list[str]) -> Path:
    """The folder of a new run that waits, visible only once it is whole."""
    stem = re.sub(r"[^\w.+-]+", "-", request.recipe.name).strip("-.+") or "run"
    stem = f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (stem, *(f"{stem}-{number}" for number in range(2, 10**6)))
    run = next(path for name in names if not (path := files.runs_folder() / name).exists())
    draft = temporary_path_beside(run)
    try:
        (draft / files.FOLDER).mkdir(parents=True)
        (draft / files.FOLDER / files.RECIPE).write_text(request.recipe.as_toml(), encoding="utf-8")
        files.write(draft, files.REQUEST, _record(request, folders))
        queue.join(draft, request.device)
        draft.rename(run)
    except OSError as error:
        raise RunError(f"the run folder {run} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return run


def _record(request: Request, folders: list[str]) -> files.Record:
    recipe = request.recipe
    return {
        "token": request.token,
        "recipe": recipe.name,
        "model": recipe.model,
        "data": [_lasting(each) for each in request.data],
        "folders": folders,
        "device": request.device,
        "processes": request.processes,
        "version": request.version,
        "retry_of": request.retry_of,
        "submitted": time.time(),
    }


def _lasting(data: str) -> str:
    """A registered name as it is, a folder so that it means the same wherever it is read."""
    return os.path.abspath(data) if os.sep in data or os.path.exists(data) else data


def _as_requested(now: Job) -> None:
    """Give a run that a shell began what one of the page has, so that it can be queued."""
    if not now.by_hand:
        return
    facts, manifest = files.recipe_facts(now.folder), _manifest(now.folder)
    record = {"token": now.id, "recipe": facts.get("name", ""), "model": facts.get("model", "")}
    folders = {"data": manifest.get("folders", []), "folders": manifest.get("folders", [])}
    place = {
        "device": now.device or "cpu",
        "processes": 1,
        "version": manifest.get("version", "1.0.0"),
    }
    files.write(
        now.folder,
        files.REQUEST,
        {**record, **folders, **place, "retry_of": "", "submitted": time.time()},
    )


def _manifest(run: Path) -> files.Record:
    try:
        return dict(json.loads((run / files.RUN_MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _ask_to_stop(now: Job) -> None:
    """SIGTERM to the process that trains; to torchrun while that has started none."""
    for _ in range(100):  # a run that has just got its turn is about to write down who it is
        if not files.read(now.folder, files.QUEUE):
            break
        time.sleep(0.02)
    leader, trainer = files.process_of(now.folder), _trainer(now.folder)
    if leader is None:
        raise RunError(
            f"{now.id} was started by an older program that did not say which process it is; end it by hand"
        )
    files.write(now.folder, files.STOP, {**leader.to_record(), "monotonic": time.monotonic()})
    if not (trainer is not None and signal_to(trainer, signal.SIGTERM)):
        signal_to(leader, signal.SIGTERM)


def _trainer(run: Path) -> Name | None:
    """The process that gives the pulse of the run's present process, which is another one under torchrun."""
    beat = files.read(run, files.HEARTBEAT)
    return Name.read(beat) if Name.read(beat.get("leader")) == files.process_of(run) else None


def _placed(job: Job, places: Mapping[Path, int]) -> Job:
    return replace(job, place=places.get(job.folder)) if job.state == "queued" else job


def _rank(job: Job) -> tuple[int, float]:
    """Those that live, those that wait in their order, then the newest."""
    if job.state == "queued":
        return 1, job.place or 0
    return 0 if job.live else 2, -(job.submitted or job.started or 0)
