"""Reads where a workspace's runs are tracked beside their own folders, and flattens a recipe for that.

`<workspace>/tracking.toml` is a file of the workspace and not a part of recipes: where numbers go is a matter of the
machine, and a run must be the same run with and without it.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cxr_core.errors import FileRefused, RecordError, RunError
from cxr_core.training.runs.run_files import read_recipe_values
from cxr_core.workspace.json_record import JsonRecord
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable, workspace

FILE, TABLE = "tracking.toml", "tracking"
MAX_BYTES = 65536
Setting = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class TrackingSettings(JsonRecord):
    """The [tracking] table. mlflow: where MLflow keeps runs, empty for nowhere.  experiment: their name there."""

    mlflow: str = ""
    experiment: str = "silhouette"

    @property
    def shown_address(self) -> str:
        """Where MLflow keeps runs, as messages and the run's folder may say it: without user and password."""
        parts = urlsplit(self.mlflow)
        host = parts.netloc.rpartition("@")[2]
        return self.mlflow if host == parts.netloc else parts._replace(netloc=host).geturl()

    @property
    def mlflow_uri(self) -> str:
        """The address for MLflow; a folder is meant below the workspace."""
        if urlsplit(self.mlflow).scheme:
            return self.mlflow
        return (workspace() / self.mlflow).absolute().as_uri()


def read_tracking_settings() -> TrackingSettings:
    """The settings of the workspace; without the file nothing is tracked. Raises RunError for a file that is wrong."""
    path = workspace() / FILE
    if not path.exists():
        return TrackingSettings()
    try:
        content = tomllib.loads(read_outside_file(path, MAX_BYTES).decode())
        table = content.get(TABLE)
        if not isinstance(table, dict) or set(content) != {TABLE}:
            raise RunError(f"expected one table [{TABLE}], with mlflow and experiment")
        if unknown := table.keys() - {"mlflow", "experiment"}:
            raise RunError(f"unknown key {min(unknown)!r}; choose from mlflow, experiment")
        return TrackingSettings.from_json(table)
    except (ValueError, FileRefused, RecordError, RunError) as error:
        raise RunError(
            f"{printable(path)} cannot be used, so this run is tracked in its own folder only: {error}"
        ) from error


def flatten_recipe(run: Path) -> dict[str, Setting]:
    """The settings of a run by name, those of a table as `table.name`; lists as text with commas."""
    flat: dict[str, Setting] = {}
    for name, value in read_recipe_values(run).items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        for key, entry in entries:
            setting = ",".join(map(str, entry)) if isinstance(entry, list) else entry
            if isinstance(setting, Setting):
                flat[f"{name}.{key}" if key else name] = setting
    return flat
