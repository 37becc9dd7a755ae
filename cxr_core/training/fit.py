"""One training run from beginning to end, as `python -m train.fit` and later the training page start it."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from cxr_core.data.films import load_films
from cxr_core.data.manifest import Manifest
from cxr_core.data.splits import carve_validation, drop_identical
from cxr_core.errors import RunError
from cxr_core.models.initial import initialise
from cxr_core.training.finish import finish
from cxr_core.training.recipe import Recipe
from cxr_core.training.run_folder import RunFolder
from cxr_core.training.trainer import Report, train


def fit(recipe: Recipe, manifest: Manifest, *, run: Path | None, version: str, device: str, report: Report) -> Path:
    """Train, calibrate and write a model. Returns the model's folder.

    The test part of the manifest is left alone. Raises DataError, RecipeError or RunError with a sentence.
    """
    started = time.perf_counter()
    learning = prepare(recipe, manifest)
    findings = recipe.findings + recipe.auxiliary_findings
    learning.labels(findings)  # says now, not after the decoding, which labels the data lacks
    start = initialise(recipe.architecture_arguments(len(findings)), recipe.init, recipe.seed)
    folder = RunFolder.create(recipe, run)
    folder.write_manifest(data_facts(learning, recipe))
    report({"run": str(folder.path), "unmatched": list(start.unmatched), "missing": list(start.missing)})
    parts = {}
    for name in ("train", "val"):
        part = learning.part(name)
        parts[name] = load_films(part, recipe.input_spec(), findings, _decoding(report))

    def record(line: dict[str, object]) -> None:
        folder.log(**line)
        report(line)

    trained = train(recipe, start.network, parts, chosen_device(device), record)
    finish(recipe, trained, learning, parts, folder, version, time.perf_counter() - started)
    return folder.model


def prepare(recipe: Recipe, manifest: Manifest) -> Manifest:
    """The training films of the recipe's population, each once, with validation carved out by patient."""
    learning = drop_identical(manifest.part("train").within(recipe.population_age_min, recipe.population_age_max))
    return carve_validation(learning, recipe.findings, recipe.validation_share, recipe.seed)


def data_facts(manifest: Manifest, recipe: Recipe) -> dict[str, object]:
    """Films, patients and positives of each part, and the hashes of data and split."""
    hashes = {"data_sha256": manifest.data_sha256(), "split_sha256": manifest.split_sha256()}
    return {"kind": manifest.kind, **hashes, "parts": manifest.counts(recipe.findings)}


def _decoding(report: Report) -> Callable[[int, int], None]:
    """Progress of the decoding, one line in 500 films."""

    def tell(done: int, total: int) -> None:
        if done % 500 == 0 or done == total:
            report({"decoded": done, "of": total})

    return tell


def chosen_device(name: str) -> torch.device:
    """`auto`, `cpu` or `cuda`. Raises RunError for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RunError("no CUDA device was found; use --device cpu")
    return torch.device(name)
