"""Segmentation runs before the gate, on phantoms: the network that ships, and one that segments too much."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cxr_core.data.prepare import open_data
from cxr_core.errors import Cancelled, RunError
from cxr_core.film.phantom.phantom import PhantomSpec, compute_truth, draw_phantom
from cxr_core.findings import STRUCTURES
from cxr_core.models.registry.registry import find_segmenter
from cxr_core.models.store import load_segmenter, load_segmenter_card, save_model
from cxr_core.promotion.gate.verdict import read_verdict
from cxr_core.promotion.publish import compare_run, publish
from cxr_core.training.exclusions import build_exclusions
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import LEARNING_SPLITS, describe_run_data, split_manifest
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.paths import SHIPPED_MODELS

pytestmark = pytest.mark.training

RECIPE = Recipe(
    name="drawn",
    summary="A test.",
    model="anatomy",
    structures=STRUCTURES,
    monitor="dice",
    split="70:30:0",
    init="scratch",
    gate_share=0.5,
)
FILMS, SIDE = 56, 128


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms with their masks."""
    place = tmp_path_factory.mktemp("drawn")
    for name in ("images", *(f"masks/{structure}" for structure in STRUCTURES)):
        (place / name).mkdir(parents=True)
    for n in range(FILMS):
        spec = PhantomSpec(height=SIDE, width=SIDE, heart_width=0.2 + 0.15 * n / FILMS, seed=n)
        cv2.imwrite(
            str(place / "images" / f"{n}.png"),
            np.rint(draw_phantom(spec).pixels * 255).astype(np.uint8),
        )
        for structure in STRUCTURES:
            mask = getattr(compute_truth(spec), structure).astype(np.uint8) * 255
            cv2.imwrite(str(place / "masks" / structure / f"{n}.png"), mask)
    (place / "films.csv").write_text(
        "\n".join(["image", *(f"{n}.png" for n in range(FILMS))]) + "\n"
    )
    return place


def a_run(folder: Path, films: Path, too_much: float = 0.0) -> RunFolder:
    """A finished run as train.fit leaves it, with the network that ships. too_much: logits added to the heart's map."""
    manifest = split_manifest(RECIPE, open_data([films]))
    learnt = manifest.with_table(manifest.table[manifest.table["split"].isin(LEARNING_SPLITS)])
    run_manifest = RunManifest(
        data=describe_run_data(learnt, RECIPE),
        exclusions=build_exclusions(RECIPE, manifest),
        folders=(str(films),),
        version="9.0.0",
    )
    run = RunFolder.create(RECIPE, run_manifest, folder)
    shipped = find_segmenter((SHIPPED_MODELS,))
    assert shipped is not None
    card = load_segmenter_card(shipped)
    network = load_segmenter(shipped, card)
    with torch.no_grad():
        network.last.bias[STRUCTURES.index("heart")] += too_much
    save_model(
        run.model,
        replace(card, version="9.0.0", training={"data": run_manifest.training_data()}, metrics={}),
        network,
    )
    return run


def test_segmenters_are_compared_on_films_that_neither_was_trained_on(
    films: Path, tmp_path: Path, workspace: Path
) -> None:
    first = a_run(tmp_path / "first", films)
    verdict = compare_run(first.path)
    assert (verdict.is_open, verdict.split, verdict.incumbent.split()[0]) == (False, "", "anatomy")
    assert (
        "was trained on films of the holdout, or its card cannot exclude it"
        in verdict.comparison_set
    )
    with pytest.raises(RunError, match="There are no films to compare on"):
        publish(first.path, "newer")
    installed = publish(first.path, "newer", override="a drill")
    assert find_segmenter() == installed == workspace / "models" / "anatomy" / "9.0.0"
    assert load_segmenter_card(installed).training["published"]["override"] == "a drill"

    same = a_run(tmp_path / "same", films)
    verdict_on_same = compare_run(same.path)
    gate_films = len(split_manifest(RECIPE, open_data([films])).select_split("gate").table)
    assert (verdict_on_same.is_open, verdict_on_same.split, verdict_on_same.incumbent) == (
        True,
        "gate",
        "anatomy 9.0.0",
    )
    heart = next(check for check in verdict_on_same.checks if check.name == "Dice of the heart")
    assert heart.figures["difference"]["n"] == gate_films >= 20
    assert publish(same.path, "the same again").name == "9.0.1"

    worse = compare_run(a_run(tmp_path / "worse", films, too_much=4.0).path)
    status = {check.name: check.status for check in worse.checks}
    assert (status["Dice of the heart"], status["error of the ratio"]) == ("fail", "fail")
    assert not worse.is_open
    assert read_verdict(tmp_path / "worse") == worse


def test_a_cancel_during_the_comparison_leaves_no_verdict(
    films: Path, tmp_path: Path, workspace: Path
) -> None:
    publish(a_run(tmp_path / "first", films).path, "newer", override="a drill")

    def cancel(stage: str, done: int, total: int) -> None:
        if "new model" in stage:
            raise Cancelled("stopped")

    run = a_run(tmp_path / "second", films)
    with pytest.raises(Cancelled):
        compare_run(run.path, progress=cancel)
    assert read_verdict(run.path) is None
