"""Runs of one division as one model: the mean of their networks, calibrated anew on the validation films of all."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, quiet
from cxr_core.data.film_set import load_films
from cxr_core.data.prepare import folders_of, open_data
from cxr_core.errors import RunError
from cxr_core.models.networks.ensemble import AveragedClassifier
from cxr_core.models.networks.initialise import origin
from cxr_core.models.store import load_card, load_network
from cxr_core.training.engine.trainer import Trained
from cxr_core.training.exclusions import left_aside
from cxr_core.training.export.export_classifier import finish
from cxr_core.training.fit import LEARNT_ON, data_facts, divided
from cxr_core.training.run_data import part_of_run
from cxr_core.training.runs.run_folder import RunFolder


def average(
    runs: Sequence[Path],
    data: Sequence[str | Path],
    *,
    run: Path | None = None,
    version: str = "1.0.0",
    progress: Progress = quiet,
) -> Path:
    """Write a run whose model answers the mean of the runs' logits. Returns the model's folder.

    data: what the runs learnt from; its division must be theirs, so that no validation film was learnt from by any of
    them. Calibration, thresholds, evidence scale and familiarity are fitted anew. Raises RunError for runs that are not
    finished, of another form or on other films, and ModelError for heads that have no mean.
    """
    began = time.perf_counter()
    folders = [RunFolder.open(path) for path in runs]
    recipe = folders[0].recipe()
    _require_one_form(folders)
    found = open_data(data, lambda _, done, of: progress(done, of))
    part_of_run(
        folders[0], found, "val"
    )  # refuses data that divides into other films than the runs'
    manifest = divided(recipe, found)
    learning = manifest.with_table(manifest.table[manifest.table["split"].isin(LEARNT_ON)])
    parts = {
        name: load_films(learning.part(name), recipe.input_spec(), recipe.findings)
        for name in LEARNT_ON
    }
    cards = [load_card(folder.model) for folder in folders]
    networks = [
        load_network(folder.model, card) for folder, card in zip(folders, cards, strict=True)
    ]
    network = AveragedClassifier.of(networks, recipe.architecture_arguments(len(recipe.findings)))
    first = folders[0].manifest()
    facts = {
        **data_facts(learning, recipe),
        "folders": [str(each) for each in folders_of(data)],
        "version": version,
    }
    facts |= {
        "began_from": first.get("began_from", recipe.init),
        "left_aside": left_aside(recipe, manifest),
    }
    facts |= {key: first[key] for key in ("ratio_from", "regions_from") if key in first}
    facts |= {"averaged": [origin(str(folder.model)) for folder in folders]}
    whole = RunFolder.create(recipe, facts, run)
    scores = [
        card.metrics["validation"][key]["auroc"]["value"]
        for card in cards
        for key in recipe.findings
    ]
    trained = Trained(
        network, max(card.training["epoch"] for card in cards), float(np.mean(scores))
    )
    spent = sum(card.training["duration_s"] for card in cards) + time.perf_counter() - began
    with whole.held():
        finish(recipe, trained, learning, parts, whole, spent)
    return whole.model


def _require_one_form(folders: Sequence[RunFolder]) -> None:
    first = folders[0].recipe()
    wanted = (first.findings, first.input_spec(), first.architecture_arguments(1))
    division = folders[0].manifest()["split_sha256"]
    for folder in folders:
        recipe = folder.recipe()
        if not (folder.model / "card.json").is_file():
            raise RunError(f"{folder.path} has no model yet; a mean is of finished runs")
        if folder.manifest()["split_sha256"] != division:
            raise RunError(
                f"{folder.path} learnt from other films than {folders[0].path}, some of them the other's validation "
                "films; a mean is of runs of one division (the same shares, and the same seed or split_seed)"
            )
        if (recipe.findings, recipe.input_spec(), recipe.architecture_arguments(1)) != wanted:
            raise RunError(
                f"{folder.path} has another network, other films or other findings than {folders[0].path}; a mean is "
                "of runs that differ in how they learnt alone"
            )
