"""From chosen weights to a model folder: calibrated, with thresholds, a heatmap scale and its familiarity.

Everything here is fitted on training and validation films; the official test part is not an argument.
"""

import platform
import time
from typing import Any, cast

import numpy as np
import torch

from cxr_core.data.film_set import Films
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.metrics.figures import finding_figures
from cxr_core.evaluation.store.provenance import write_learnt
from cxr_core.film.preprocess import normalise
from cxr_core.models.card import ModelCard, Population
from cxr_core.models.networks.architectures import FilmClassifier, timm
from cxr_core.models.networks.ensemble import AveragedClassifier
from cxr_core.models.store import save_model
from cxr_core.reading import calibration
from cxr_core.reading.heatmaps import logits_and_evidence, usual_evidence
from cxr_core.reading.ood import Familiarity, describe
from cxr_core.training.engine.trainer import Trained
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.run_folder import RunFolder

# The limit of familiarity: so much beyond the distance that holds all but one in a hundred validation films. A limit
# at a rarer quantile would rest on the two or three strangest of them.
FAMILIAR_QUANTILE, FAMILIAR_MARGIN = 0.99, 1.2
# The evidence drawn in full colour: reached by the strongest cell of one positive validation film in ten.
FULL_COLOUR_QUANTILE = 0.90


def finish(
    recipe: Recipe,
    trained: Trained,
    manifest: Manifest,
    parts: dict[str, Films],
    run: RunFolder,
    seconds: float,
) -> ModelCard:
    """Write run.model from the trained weights, and the hashes of the films learnt from beside it. Returns its card."""
    # What is stored is half precision, so everything below is fitted to the network as it will be read back.
    network = (
        cast(FilmClassifier, trained.network)
        .keep_findings(len(recipe.findings))
        .cpu()
        .half()
        .float()
        .eval()
    )
    seen = _look(network, parts["val"], recipe)
    familiarity = Familiarity.fit(
        torch.from_numpy(_look(network, parts["train"], recipe)["descriptors"])
    )
    distances = familiarity.distance(torch.from_numpy(seen["descriptors"])).numpy()
    labels = parts["val"].labels
    source = f"{len(labels)} validation films carved from train by patient"
    calibrations, points, usuals, scales, figures = {}, {}, {}, {}, {}
    for index, key in enumerate(recipe.findings):
        known = ~np.isnan(labels[:, index])
        logits, truth = seen["logits"][known, index], labels[known, index]
        calibrations[key] = calibration.fit_platt(logits, truth, f"Platt scaling on {source}")
        probabilities = calibration.apply(calibrations[key], logits)
        points[key] = calibration.operating_points(probabilities, truth, source)
        usual = usual_evidence(seen["evidence"][labels[:, index] == 0, index])
        usuals[key] = usual.astype(float).round(6).tolist()
        strongest = (seen["evidence"][labels[:, index] == 1, index] - usual).max(axis=(1, 2))
        scales[key] = float(max(np.quantile(strongest, FULL_COLOUR_QUANTILE), 1e-3))
        patients = manifest.part("val").table["patient"].to_numpy()[known]
        figures[key] = finding_figures(probabilities, truth, patients, points[key])
    card = ModelCard(
        model=recipe.model,
        version=run.manifest()["version"],
        findings=recipe.findings,
        **_form(network, recipe),
        input_spec=recipe.input_spec(),
        population=Population(
            text=recipe.population,
            age_min=recipe.population_age_min,
            age_max=recipe.population_age_max,
        ),
        calibration=calibrations,
        operating_points=points,
        evidence_scale=scales,
        usual_evidence=usuals,
        familiarity_limit=float(FAMILIAR_MARGIN * np.quantile(distances, FAMILIAR_QUANTILE)),
        training=training_facts(recipe, trained, manifest, run, seconds),
        metrics={"validation": figures},
        software=software(),
    )
    write_learnt(run.path, manifest.table)
    return save_model(run.model, card, network, familiarity.tensors, half=True)


def _form(network: FilmClassifier, recipe: Recipe) -> dict[str, Any]:
    """The architecture of a card, and the arguments that build it."""
    arguments = recipe.architecture_arguments(len(recipe.findings))
    if isinstance(network, AveragedClassifier):
        return {
            "architecture": "averaged_classifier",
            "arguments": {**arguments, "members": len(network.members)},
        }
    return {"architecture": recipe.architecture, "arguments": arguments}


def software() -> dict[str, str]:
    """The versions that made the model."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


def _look(network: FilmClassifier, films: Films, recipe: Recipe) -> dict[str, np.ndarray]:
    """Logits (N, L), evidence (N, L, h, w) and descriptors (N, D) of films."""
    found: dict[str, list[np.ndarray]] = {"logits": [], "evidence": [], "descriptors": []}
    spec = recipe.input_spec()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for grids in films.batches(64):
        inputs = torch.from_numpy(normalise(grids, spec))
        with torch.no_grad():
            features, maps = network.forward_described(
                inputs.contiguous(memory_format=torch.channels_last)
            )
            logits, evidence = logits_and_evidence(network, features)
        for name, tensor in (
            ("logits", logits),
            ("evidence", evidence),
            ("descriptors", describe(maps)),
        ):
            found[name].append(tensor.numpy())
    return {name: np.concatenate(batches) for name, batches in found.items()}


def training_facts(
    recipe: Recipe, trained: Trained, manifest: Manifest, run: RunFolder, seconds: float
) -> dict[str, Any]:
    about = run.manifest()
    return {
        "recipe": recipe.name,
        "summary": recipe.summary,
        "init": about.get("began_from", recipe.init),
        "seed": recipe.seed,
        "epoch": trained.epoch,
        "duration_s": round(seconds),
        "finished": time.strftime("%Y-%m-%d"),
        "data": {
            key: value
            for key, value in about.items()
            if key not in ("folders", "version", "began_from")
        },
        "terms": manifest.terms,
    }
