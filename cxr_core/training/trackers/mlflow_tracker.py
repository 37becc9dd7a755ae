"""Sends a run's settings and numbers to MLflow, when it is installed; progress.jsonl stays the record.

A thread of its own talks to MLflow, whose server may be slow or away: the run never waits for it. Nothing of a film is
sent, and MLflow is told to send no usage statistics.
"""

import math
import os
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxr_core.training.runs.events import (
    EpochDone,
    Event,
    RunFailed,
    RunFinished,
    RunStopped,
    StepDone,
)
from cxr_core.training.trackers.settings import Setting, TrackingSettings
from cxr_core.workspace.json_files import read_json_object, write_json

RECORD = "mlflow.json"  # in the run's folder: which run of MLflow it is, so that a resumed run goes on with it
MAX_WAITING = 1000  # events; more than that means that the server does not keep up
CLOSE_S = 20.0
NOT_PLOTTED = ("step", "of", "epoch")
# An attempt that fails must end before the run does; whoever wants MLflow's own patience sets these variables.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow 3.16 and later ask for it where runs are kept in a folder
}
ENDS: dict[type[Event], str] = {RunFinished: "FINISHED", RunStopped: "KILLED", RunFailed: "FAILED"}
CONSEQUENCE = "This run goes on and is tracked in its own folder only."


class MlflowTracker:
    """One run at MLflow. problem: why it is tracked no more, as a sentence; empty while all is well."""

    def __init__(self, settings: TrackingSettings, run: Path, recipe: Mapping[str, Setting]):
        """run: the folder, whose name is the run's name at MLflow.  recipe: its settings by name."""
        self.problem = ""
        self._settings, self._run, self._recipe = settings, run, recipe
        self._waiting: queue.Queue[Event | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._send_all, name="mlflow", daemon=True)
        self._thread.start()

    def add_event(self, event: Event) -> None:
        """Pass an event on; returns at once."""
        if self.problem or not isinstance(event, (StepDone, EpochDone, *ENDS)):
            return
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self.problem = (
                f"MLflow at {self._settings.shown_address} does not keep up. {CONSEQUENCE}"
            )

    def close(self) -> None:
        """Wait until all is sent, CLOSE_S at most."""
        try:
            self._waiting.put(None, timeout=CLOSE_S)
        except queue.Full:
            return
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() and not self.problem:
            self.problem = (
                f"MLflow at {self._settings.shown_address} does not answer; the end of this run is not there. "
                "The run's own folder has everything."
            )

    def _send_all(self) -> None:
        try:
            for name, value in ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            from mlflow import MlflowClient

            client = MlflowClient(tracking_uri=self._settings.mlflow_uri)
            run_id = self._open_run(client)
            status = "FAILED"  # of a run that ends without a word
            while (event := self._waiting.get()) is not None and not self.problem:
                if isinstance(event, StepDone | EpochDone):
                    client.log_batch(run_id, metrics=_metrics_of(event))
                else:
                    status = ENDS[type(event)]
            client.set_terminated(run_id, status=status)
        except ImportError:
            self.problem = (
                "MLflow is not installed, which tracking.toml asks for: python -m pip install mlflow-skinny, or remove "
                f"the file. {CONSEQUENCE}"
            )
        except Exception as error:  # noqa: BLE001 - whatever MLflow or its server raises, the run goes on
            message = str(error).replace(self._settings.mlflow, self._settings.shown_address)
            reason = " ".join(message.split())[:200] or type(error).__name__
            self.problem = (
                f"MLflow at {self._settings.shown_address} failed: {reason}. {CONSEQUENCE}"
            )

    def _open_run(self, client: Any) -> str:
        """The run at MLflow: the one that this folder has begun, or a new one with the recipe's settings."""
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException

        record = read_json_object(self._run / RECORD) or {}
        run_id = record.get("run_id")
        if isinstance(run_id, str) and record.get("uri") == self._settings.shown_address:
            try:
                client.update_run(run_id, status="RUNNING")
                return run_id
            except MlflowException:  # it was deleted there
                pass
        experiment = client.get_experiment_by_name(self._settings.experiment)
        experiment_id = (
            experiment.experiment_id
            if experiment is not None
            else client.create_experiment(self._settings.experiment)
        )
        run_id = str(client.create_run(experiment_id, run_name=self._run.name).info.run_id)
        write_json(self._run / RECORD, {"uri": self._settings.shown_address, "run_id": run_id})
        client.log_batch(run_id, params=[Param(k, str(v)) for k, v in self._recipe.items()])
        return run_id


def _metrics_of(event: StepDone | EpochDone) -> list[Any]:
    """The finite numbers of an event, as MLflow takes them: some of its stores have no NaN."""
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    return [
        Metric(f"{event.NAME}/{name}", float(value), now_ms, event.step)
        for name, value in event.to_json().items()
        if isinstance(value, int | float) and name not in NOT_PLOTTED and math.isfinite(value)
    ]
