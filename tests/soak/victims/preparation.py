"""The preparation of a dataset as a victim: `python -m train.prepare`, with the pixel cache that it fills."""

import hashlib
from typing import Any

from cxr_core.data import prepare as prepare_module
from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.cache.worker_pool import WorkerPool
from cxr_core.data.prepare_apart import prepare_apart
from cxr_core.data.registry import THUMBNAIL, Dataset, list_damaged_folders, list_datasets
from tests.conftest import decode_films_in_processes
from tests.soak.victims.program import Program, Site, require
from train.prepare import main as prepare


def _work(site: Site) -> int:
    return prepare(["--data", str(site.more_films)])


def _work_in_processes(site: Site) -> int:
    """As the program does: one process prepares, and others decode."""
    prepare_module.prepare_apart = prepare_apart
    WorkerPool.decode_films = decode_films_in_processes  # type: ignore[method-assign]
    return _work(site)


def _inspect(site: Site) -> None:
    require(not list_damaged_folders(), f"damaged datasets: {list_damaged_folders()}")
    for dataset in list_datasets():
        read_dataset(dataset)
    films = sorted(site.more_films.rglob("*.png"))
    cache = PixelCache(THUMBNAIL)
    entries, grids = cache.load_entries(films), cache.open_grids()
    decoded = {}
    for path, row, refused in zip(films, entries["row"], entries["refused"], strict=True):
        require(not isinstance(refused, str), f"{path} was refused: {refused}")
        if row >= 0:
            decoded[str(path)] = hashlib.sha256(grids[row].tobytes()).hexdigest()
    for name, grid in site.seen.get("decoded", {}).items():
        require(decoded.get(name) == grid, f"the grid of {name} was lost or has changed")
    site.seen["decoded"] = decoded


def read_dataset(dataset: Dataset) -> Any:
    """All that a dataset's folder holds, which must be of one preparation, without the times."""
    table = dataset.load_manifest().table.to_csv()
    issues = [issue.to_json() for issue in dataset.load_issues()]
    report = (dataset.folder / "report.json").read_text()
    require(dataset.prepared in report, f"record and report of {dataset.name} differ")
    for path in ("report.html", "quarantine.csv"):
        require((dataset.folder / path).is_file(), f"{dataset.name} has no {path}")
    decisions = [(decision.code, decision.action) for decision in dataset.decisions]
    return [str(folder) for folder in dataset.folders], table, issues, decisions


def _outcome(site: Site) -> Any:
    _inspect(site)
    return [read_dataset(dataset) for dataset in list_datasets()], site.seen["decoded"]


PREPARATION = Program(name="preparation", work=_work, inspect=_inspect, outcome=_outcome)
CACHE_BUILDER = Program(
    name="cache builder",
    work=_work_in_processes,
    inspect=_inspect,
    outcome=_outcome,
    targets=("all", "main", "child"),
)
