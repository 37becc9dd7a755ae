"""Reads all files of one job at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_core.jobs import files
from cxr_core.jobs.records import (
    EndRecord,
    EvaluationRequest,
    HeartbeatRecord,
    ProcessRecord,
    QueueEntry,
    SubmittedTraining,
)
from cxr_core.training.runs import run_files
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.process_id import ProcessId

TaggedProcesses = Mapping[str, Sequence[ProcessId]]


@dataclass(frozen=True, kw_only=True)
class JobRecords:
    """The files of one job, each read once.

    is_live: whether a process carries out the job.  leftovers: the running processes with the job's tag, where these
    were looked for.
    """

    folder: Path
    request: SubmittedTraining | EvaluationRequest | None
    queue: QueueEntry | None
    is_live: bool
    process: ProcessRecord | None
    heartbeat: HeartbeatRecord | None
    stopped_process: ProcessId | None
    end: EndRecord | None
    last_event: JsonObject
    leftovers: Sequence[ProcessId] = ()

    @classmethod
    def read(cls, folder: Path, tagged: TaggedProcesses) -> "JobRecords":
        """The records of a job as they are now.

        The queue comes first: what starts meanwhile is then seen as starting. Whether the job is live comes second:
        what ends meanwhile is then seen as running.
        """
        queue = files.read_queue_entry(folder)
        is_live = files.is_job_live(folder)
        request, stop = files.read_request(folder), files.read_record(folder, run_files.STOP)
        is_evaluation = isinstance(request, EvaluationRequest)
        events_folder = folder / run_files.JOB_FOLDER if is_evaluation else folder
        return cls(
            folder=folder,
            request=request,
            queue=queue,
            is_live=is_live,
            process=files.read_process_record(folder),
            heartbeat=files.read_heartbeat(folder),
            stopped_process=ProcessId.from_json(stop),
            end=files.read_end(folder),
            last_event=run_files.read_last_event(events_folder),
            leftovers=tagged.get(str(folder), ()),
        )

    @property
    def is_evaluation(self) -> bool:
        """Whether the job is an evaluation; else it is a training run."""
        return isinstance(self.request, EvaluationRequest)

    @property
    def is_finished(self) -> bool:
        """Whether the result is there: the model of a run; figures that the last process of an evaluation wrote."""
        if not self.is_evaluation:
            return (self.folder / run_files.MODEL).is_dir()
        figures = files.stamp_figures(self.folder)
        if self.end is not None or self.process is None or not figures:
            return False
        if self.process.former_figures is not None:
            return figures != self.process.former_figures
        try:  # of an earlier version
            begun = (self.folder / run_files.JOB_FOLDER / run_files.PROCESS).stat().st_mtime_ns
        except OSError:  # the job was dismissed meanwhile
            return False
        return int(figures.partition(":")[0]) >= begun

    @property
    def is_stop_asked(self) -> bool:
        """Whether the present or last process was asked to stop."""
        return self.process is not None and self.stopped_process == self.process.process

    @property
    def own_heartbeat(self) -> HeartbeatRecord | None:
        """The last heartbeat of the present or last process; None when that is of an earlier one."""
        if self.heartbeat is None or self.process is None:
            return None
        return self.heartbeat if self.heartbeat.leader == self.process.process else None
