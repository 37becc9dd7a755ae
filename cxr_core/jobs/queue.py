"""Keeps the queues of waiting jobs: one for each device that runs are trained on, and one for evaluations.

Of each queue one job runs at a time. An evaluation takes minutes and a training run hours, so evaluations have a queue
of their own and never wait for a run. Reading a queue starts nothing; see scheduler.py for what does.
"""

import time
from collections import defaultdict
from pathlib import Path

from cxr_core.jobs import files
from cxr_core.jobs.records import QueueEntry
from cxr_core.training.runs import run_files


def waiting_jobs() -> dict[str, list[Path]]:
    """The folders of the jobs that wait, by queue, the next one first."""
    waiting: dict[str, list[tuple[int, float, Path]]] = defaultdict(list)
    for folder in files.list_job_folders():
        entry = files.read_queue_entry(folder)
        if entry is not None and not files.is_job_live(folder):
            waiting[entry.queue].append((entry.order, entry.since, folder))
    return {queue: [folder for _, _, folder in sorted(waiting[queue])] for queue in sorted(waiting)}


def queue_places() -> dict[Path, int]:
    """The place of each job that waits in its queue, from 1."""
    places: dict[Path, int] = {}
    for folders in waiting_jobs().values():
        places |= {folder: place for place, folder in enumerate(folders, 1)}
    return places


def enqueue(folder: Path, queue: str) -> None:
    """Put a job at the end of a queue. The caller holds `queue_lock`."""
    entries = map(files.read_queue_entry, waiting_jobs().get(queue, []))
    last = max((entry.order for entry in entries if entry is not None), default=0)
    entry = QueueEntry(queue=queue, since=time.time(), order=last + 1)
    files.write_record(folder, run_files.QUEUE, entry.to_json())


def move_in_queue(folder: Path, places: int) -> None:
    """Move a waiting job by so many places, at most to an end of its queue. The caller holds `queue_lock`."""
    entry = files.read_queue_entry(folder)
    if entry is None:
        return
    waiting = waiting_jobs().get(entry.queue, [])
    if folder not in waiting:
        return
    before = waiting.index(folder)
    waiting.remove(folder)
    waiting.insert(max(0, min(len(waiting), before + places)), folder)
    for order, other in enumerate(waiting, 1):
        other_entry = files.read_queue_entry(other)
        if other_entry is not None and other_entry.order != order:
            moved_entry = QueueEntry(queue=entry.queue, since=other_entry.since, order=order)
            files.write_record(other, run_files.QUEUE, moved_entry.to_json())
