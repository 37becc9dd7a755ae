"""Lists the evaluations in the workspace: those of installed models, and those in run folders."""

from dataclasses import dataclass
from pathlib import Path

from cxr_core.errors import DataError, RecordError
from cxr_core.evaluation.metrics.results import EvaluationHead
from cxr_core.evaluation.store.folder import METRICS, PREDICTIONS, SCHEMA
from cxr_core.workspace.atomic import finish_replacement
from cxr_core.workspace.json_files import JsonObject, read_object
from cxr_core.workspace.paths import workspace

PLACES = ("evaluations/[!.]*", "runs/[!.]*/evaluation", "runs/[!.]*/evaluation/[!.]*")


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationRecord:
    """One evaluation folder. head: what its metrics.json begins with.  content: all of its metrics.json."""

    folder: Path
    head: EvaluationHead
    content: JsonObject

    @property
    def cache_key(self) -> str:
        """Differs between evaluations, and when one is made again."""
        return f"{self.folder}|{self.head.made}"

    @property
    def name(self) -> str:
        """Its name in the workspace: `NAME`, or `runs/RUN` and `runs/RUN/NAME` for those in a run."""
        if self.run is None:
            return self.folder.name
        own = "" if self.folder.name == "evaluation" else f"/{self.folder.name}"
        return f"runs/{self.run}{own}"

    @property
    def run(self) -> str | None:
        """The run that it is of, if it lies in one."""
        for place in (self.folder, self.folder.parent):
            if place.name == "evaluation":
                return place.parent.name
        return None

    @property
    def data_folders(self) -> tuple[Path, ...]:
        """The folders of the evaluated films, as far as it names them."""
        return tuple(map(Path, self.head.data.folders))

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings that it has figures of; none for a segmenter's."""
        findings = self.content.get("findings")
        return tuple(findings) if isinstance(findings, dict) else ()

    @property
    def is_of_classifier(self) -> bool:
        """Whether the model is a classifier; else it is a segmenter."""
        return "findings" in self.content


@dataclass(frozen=True, kw_only=True)
class UnreadableEvaluation:
    """An evaluation folder that cannot be shown, and why."""

    folder: Path
    problem: str


def list_records(
    root: Path | None = None,
) -> tuple[list[EvaluationRecord], list[UnreadableEvaluation]]:
    """Every evaluation under the workspace, the newest first, and those that cannot be read."""
    records, unreadable = [], []
    for folder in list_evaluation_folders(root or workspace()):
        finish_replacement(folder)
        if not any((folder / name).is_file() for name in (METRICS, PREDICTIONS)):
            continue
        try:
            records.append(load_record(folder))
        except DataError as error:
            unreadable.append(UnreadableEvaluation(folder=folder, problem=str(error)))
    return sorted(records, key=lambda record: record.head.made, reverse=True), unreadable


def list_evaluation_folders(root: Path) -> list[Path]:
    """Every folder under a workspace that may hold an evaluation, in their order."""
    while True:
        try:
            return [folder for place in PLACES for folder in sorted(root.glob(place))]
        except FileNotFoundError:  # a run was deleted meanwhile
            continue


def load_record(folder: Path) -> EvaluationRecord:
    """One evaluation by its metrics.json. Raises DataError that says what is wrong with that."""
    finish_replacement(folder)
    try:
        content = read_object(folder / METRICS)
        if content.get("schema") != SCHEMA:
            found = f"{content.get('schema')!r:.40}"
            raise DataError(f"its {METRICS} has schema {found}, not {SCHEMA}; evaluate again")
        head = EvaluationHead.from_json(content)
    except FileNotFoundError:
        raise DataError(f"it has no {METRICS}: it was not finished; evaluate again") from None
    except (OSError, RecordError) as error:
        raise DataError(f"its {METRICS} cannot be read ({error}); evaluate again") from error
    return EvaluationRecord(folder=folder, head=head, content=content)
