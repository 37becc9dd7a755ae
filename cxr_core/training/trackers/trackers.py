"""Passes the events of a run on to the programs that track it. None of them can hold up or end the run."""

from collections.abc import Callable
from pathlib import Path

from cxr_core.errors import RunError
from cxr_core.training.runs.events import Event, TrackingEnded
from cxr_core.training.trackers.mlflow_tracker import MlflowTracker
from cxr_core.training.trackers.settings import flatten_recipe, read_tracking_settings
from cxr_core.training.trackers.tensorboard import TensorBoard


class Trackers:
    """The trackers of one run: TensorBoard's files always, MLflow where the workspace asks for it."""

    def __init__(self, run: Path):
        """run: its folder."""
        recipe = flatten_recipe(run)
        self.tensorboard = TensorBoard(run, recipe)
        self._mlflow: MlflowTracker | None = None
        self._problem = ""
        try:
            settings = read_tracking_settings()
            if settings.mlflow:
                self._mlflow = MlflowTracker(settings, run, recipe)
        except RunError as error:
            self._problem = str(error)

    def add_event(self, event: Event, report: Callable[[TrackingEnded], None]) -> None:
        """Pass an event on. report: told once when a tracker has failed."""
        self.tensorboard.add_event(event)
        if self._mlflow is not None:
            self._mlflow.add_event(event)
        problem = self._take_problem()
        if problem:
            report(TrackingEnded(reason=problem))

    def close(self) -> str:
        """Finish the files, wait a moment for MLflow. Returns a problem that was not reported; empty for none."""
        self.tensorboard.close()
        if self._mlflow is not None:
            self._mlflow.close()
        return self._take_problem()

    def _take_problem(self) -> str:
        """A problem at its first asking."""
        if self._mlflow is not None and self._mlflow.problem:
            self._problem, self._mlflow = self._mlflow.problem, None
        problem, self._problem = self._problem, ""
        return problem
