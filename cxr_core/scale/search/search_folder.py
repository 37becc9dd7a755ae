"""The folder of a search: what is searched, the trials' runs, and what came of it.

<workspace>/searches/NAME/search.json   space, data, seeds; never changed
                         recipe.toml    what the trials change
                         journal.log    the study, unless it lies in a database
                         trials/0007/   the runs of a trial, one for each split and seed
                         results.json   trials, best settings, importance; written after every trial
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from cxr_core.errors import RecipeError, RecordError, ScaleError
from cxr_core.scale.search.space import SearchRange, SearchSpace
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import format_recipe, load_recipe
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import Count, JsonRecord, PathText, read_record_file
from cxr_core.workspace.paths import printable, workspace

RECORD, RECIPE, RESULTS = "search.json", "recipe.toml", "results.json"
JOURNAL, TRIALS = "journal.log", "trials"
ASK_LOCK = ".ask.lock"
NAME = re.compile(r"\w[\w.+=-]{0,69}")


@dataclass(frozen=True, kw_only=True)
class SearchRecord(JsonRecord):
    """What a search looks for. space: a range by field.  data: folders, names of datasets and subsets.

    split, more_splits: the saved splits that each trial is trained on.  aside: share of the validation patients that
    no trial sees, chosen with aside_seed.  seeds: each trial is trained with each of them.
    metric: the validation figure.  split_sha256: the hashes of the split that the recipe itself makes, and of those of
    the trials.  database: whether the study lies in one.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: int = 1
    space: Mapping[str, SearchRange]
    data: tuple[PathText, ...]
    split: str
    more_splits: tuple[str, ...] = ()
    aside: float = 0.0
    aside_seed: Count = 0
    seeds: tuple[Count, ...] = (0,)
    metric: str = "validation_auroc"
    split_sha256: tuple[str, ...] = ()
    database: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of all saved splits that trials are trained on."""
        return (self.split, *self.more_splits)


@dataclass(frozen=True, kw_only=True)
class TrialRun:
    """One of the runs whose figures a trial has the mean of. split: the name of a saved one."""

    folder: Path
    split: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class SearchFolder:
    """One search."""

    path: Path
    record: SearchRecord
    recipe: Recipe = field(repr=False)
    space: SearchSpace = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The file of the study."""
        return self.path / JOURNAL

    @property
    def ask_lock(self) -> Path:
        """Held while a trial is chosen."""
        return self.path / ASK_LOCK

    def trial_folder(self, number: int) -> Path:
        """Where the runs of a trial lie."""
        return self.path / TRIALS / f"{number:04}"

    def list_runs(self, number: int) -> list[TrialRun]:
        """The runs of a trial in the order in which they are trained; their folders need not exist yet."""
        runs = []
        for place, split in enumerate(self.record.splits, 1):
            prefix = f"split-{place}-" if place > 1 else ""
            for seed in self.record.seeds:
                folder = self.trial_folder(number) / f"{prefix}seed-{seed}"
                runs.append(TrialRun(folder=folder, split=split, seed=seed))
        return runs

    @classmethod
    def load(cls, path: Path) -> "SearchFolder":
        """A search that exists. Raises ScaleError where there is none that can be read."""
        try:
            record = read_record_file(path / RECORD, SearchRecord)
            recipe = load_recipe(path / RECIPE)
            space = SearchSpace(record.space)
        except (OSError, RecordError, RecipeError) as error:
            raise ScaleError(
                f"{printable(path)} holds no search that can be read ({error}); put a copy of its files back, or "
                "give another --name"
            ) from error
        return cls(path=path, record=record, recipe=recipe, space=space)

    @classmethod
    def create(cls, path: Path, record: SearchRecord, recipe: Recipe) -> "SearchFolder":
        """A new search. Raises ScaleError when it cannot be written."""
        try:
            (path / TRIALS).mkdir(parents=True, exist_ok=True)
            atomic_write(path / RECIPE, format_recipe(recipe))
            write_json(path / RECORD, record.to_json(), durable=True)
        except OSError as error:
            raise ScaleError(f"{printable(path)} cannot be written: {error.strerror}") from error
        return cls.load(path)


def find_search(name: str) -> SearchFolder | None:
    """A search of the workspace; None where there is none of that name. Raises ScaleError for a damaged one."""
    path = search_path(name)
    return SearchFolder.load(path) if os.path.lexists(path / RECORD) else None


def search_path(name: str) -> Path:
    """The folder of a search of that name. Raises ScaleError for a name that cannot be one."""
    if not NAME.fullmatch(name):
        raise ScaleError(
            f"a search cannot be named {name!r:.80}; use up to 70 letters, digits, dots, = and -"
        )
    return searches_folder() / name


def find_free_search_name(stem: str) -> str:
    """A name that no search of the workspace has: the stem, or with a number."""
    name, number = stem[:60], 1
    while (searches_folder() / name).exists():
        number += 1
        name = f"{stem[:60]}-{number}"
    return name


def list_searches() -> list[Path]:
    """The folders of all searches of the workspace, the newest first."""
    records = list(searches_folder().glob(f"[!.]*/{RECORD}"))
    return [path.parent for path in sorted(records, key=_changed_ns, reverse=True)]


def searches_folder() -> Path:
    """Where the workspace keeps its searches."""
    return workspace().absolute() / "searches"


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
