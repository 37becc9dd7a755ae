"""Writes a trained classifier as a model folder: calibrated, with thresholds, heatmap scale and OOD detector.

Everything here is fitted on training and validation films; the official test split is not an argument.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch

from cxr_core.data.film_set import FilmSet
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.metrics.figures import compute_finding_figures
from cxr_core.evaluation.store.provenance import write_training_hashes
from cxr_core.film.preprocess import normalise_grids
from cxr_core.findings import ABNORMALITY
from cxr_core.models.card import (
    ArchitectureArguments,
    ModelCard,
    Population,
)
from cxr_core.models.confident_normal import ConfidentNormal
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.models.networks.ensemble import EnsembleClassifier
from cxr_core.models.store import save_model
from cxr_core.reading.fitting.finding import CalibratedFinding, calibrate_finding
from cxr_core.reading.heatmaps import compute_baseline_attribution, forward_with_attribution
from cxr_core.reading.ood import OodDetector, embed_maps
from cxr_core.training.engine.trainer import TrainedNetwork
from cxr_core.training.export.confident_normal import fit_confident_normal
from cxr_core.training.export.site_scores import write_site_scores
from cxr_core.training.export.training_record import TrainingRecord, list_software
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.events import (
    CALIBRATING,
    COMPUTING_OUTPUTS,
    WRITING_MODEL,
    Report,
    StageBegun,
    ignore_event,
)
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.json_files import JsonObject

# The OOD limit lies this factor beyond the distance that holds 99 % of the validation films. A limit at a rarer
# quantile would rest on the two or three most unusual of them.
OOD_QUANTILE, OOD_MARGIN = 0.99, 1.2
# The attribution drawn in full colour: reached by the strongest cell of one positive validation film in ten.
FULL_COLOUR_QUANTILE = 0.90
MIN_SCALE = 1e-3
# Findings that are decided otherwise than others unless a user chooses: few abnormal films may be missed.
DEFAULT_DECISIONS = {ABNORMALITY: "sensitive"}
BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class FilmOutputs:
    """What a network gives for N films: logits (N, L), attribution (N, L, h, w) and embeddings (N, D)."""

    logits: np.ndarray
    attribution: np.ndarray
    embeddings: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class FindingFit:
    """What is fitted for one finding.

    baseline: (h, w) usual attribution.  scale: attribution in full colour.
    """

    calibrated: CalibratedFinding
    confident_normal: ConfidentNormal | None
    baseline: list[list[float]]
    scale: float
    figures: JsonObject


def export_classifier(
    recipe: Recipe,
    trained: TrainedNetwork,
    films: Manifest,
    splits: Mapping[str, FilmSet],
    run: RunFolder,
    duration_s: float,
    report: Report = ignore_event,
) -> ModelCard:
    """Write run.model from the trained weights, and the hashes of the training films beside it. Returns its card.

    films: those of train and val.  splits: the same, loaded.  report: told what it does, film by film.
    """
    network = _as_stored(cast(FilmClassifier, trained.network), len(recipe.findings))
    total = len(splits["val"]) + len(splits["train"])

    def report_outputs(before: int) -> Callable[[int], None]:
        stage = COMPUTING_OUTPUTS
        return lambda done: report(StageBegun(stage=stage, done=before + done, total=total))

    outputs = compute_film_outputs(network, splits["val"], recipe, report_outputs(0))
    of_train = report_outputs(len(splits["val"]))
    train_embeddings = compute_film_outputs(network, splits["train"], recipe, of_train).embeddings
    report(StageBegun(stage=CALIBRATING))
    detector = OodDetector.fit(torch.from_numpy(train_embeddings))
    distances = detector.measure_distance(torch.from_numpy(outputs.embeddings)).numpy()
    patients = films.select_split("val").table["patient"].to_numpy()
    fits = {
        key: _fit_finding(recipe, outputs, splits["val"].labels, index, patients)
        for index, key in enumerate(recipe.findings)
    }
    calibrated = {key: fit.calibrated for key, fit in fits.items()}
    manifest = run.load_manifest()
    record = TrainingRecord.of_run(recipe, manifest, trained, films, duration_s)
    card = ModelCard(
        model=recipe.model,
        version=manifest.version,
        findings=recipe.findings,
        local_findings=tuple(f for f in manifest.local_findings if f.key in recipe.findings),
        definitions={key: recipe.definitions[key] for key in fits if key in recipe.definitions},
        architecture=_architecture_of(network, recipe),
        arguments=_architecture_arguments(network, recipe, manifest.code),
        input_spec=recipe.input_spec(),
        population=intended_population(recipe),
        calibration={key: one.calibration for key, one in calibrated.items()},
        prevalence={key: one.prevalence for key, one in calibrated.items()},
        label_noise={key: one.label_noise for key, one in calibrated.items() if one.label_noise},
        operating_points={key: one.operating_points for key, one in calibrated.items()},
        decisions={key: one.decisions for key, one in calibrated.items()},
        default_decisions={key: name for key, name in DEFAULT_DECISIONS.items() if key in fits},
        confident_normal={
            key: fit.confident_normal for key, fit in fits.items() if fit.confident_normal
        },
        evidence_scale={key: fit.scale for key, fit in fits.items()},
        baseline_attribution={key: fit.baseline for key, fit in fits.items()},
        ood_limit=float(OOD_MARGIN * np.quantile(distances, OOD_QUANTILE)),
        training=record.to_json(),
        metrics={"validation": {key: fit.figures for key, fit in fits.items()}},
        software=list_software(),
    )
    report(StageBegun(stage=WRITING_MODEL))
    write_training_hashes(run.path, films.table)
    card = save_model(run.model, card, network, detector.tensors, half=True)
    write_site_scores(run.model, card, films, outputs.logits)
    return card


def compute_film_outputs(
    network: FilmClassifier,
    films: FilmSet,
    recipe: Recipe,
    progress: Callable[[int], None] = lambda done: None,
) -> FilmOutputs:
    """Logits, attribution and embeddings of all films, on the CPU. progress: called with the number of films done."""
    spec = recipe.input_spec()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = []
    for grids in films.batches(BATCH_SIZE):
        inputs = torch.from_numpy(normalise_grids(grids, spec))
        with torch.no_grad():
            features, maps = network.forward_with_middle_maps(
                inputs.contiguous(memory_format=torch.channels_last)
            )
            logits, attribution = forward_with_attribution(network, features)
            embeddings = embed_maps(maps)
        batches.append((logits.numpy(), attribution.numpy(), embeddings.numpy()))
        progress(sum(len(logits) for logits, *_ in batches))
    logits, attribution, embeddings = zip(*batches, strict=True)
    return FilmOutputs(
        np.concatenate(logits), np.concatenate(attribution), np.concatenate(embeddings)
    )


def intended_population(recipe: Recipe) -> Population:
    """The patients that a recipe's model is for."""
    return Population(
        text=recipe.population,
        age_min=recipe.population_age_min,
        age_max=recipe.population_age_max,
    )


def _as_stored(network: FilmClassifier, findings: int) -> FilmClassifier:
    """The network as it will be read back: without auxiliary findings, its weights rounded to half precision."""
    return network.keep_findings(findings).cpu().half().float().eval()


def _fit_finding(
    recipe: Recipe, outputs: FilmOutputs, labels: np.ndarray, index: int, patients: np.ndarray
) -> FindingFit:
    """Fit one finding on the validation films. labels: (N, L).  index: of the finding.  patients: (N,)."""
    key = recipe.findings[index]
    known = ~np.isnan(labels[:, index])
    source = f"{known.sum()} validation films carved from train by patient"
    logits, known_labels = outputs.logits[known, index], labels[known, index]
    fitted = calibrate_finding(logits, known_labels, source, recipe.find_label_noise(key))
    confident_normal = None
    if key == ABNORMALITY:
        confident_normal = fit_confident_normal(
            fitted.probabilities, known_labels, patients[known], source
        )
    baseline = compute_baseline_attribution(outputs.attribution[labels[:, index] == 0, index])
    positive = outputs.attribution[labels[:, index] == 1, index]
    strongest = (positive - baseline).max(axis=(1, 2))
    figures = compute_finding_figures(
        fitted.probabilities,
        known_labels,
        patients[known],
        fitted.operating_points,
        fitted.decisions,
        calibrated=fitted.reported,
    )
    return FindingFit(
        calibrated=fitted,
        confident_normal=confident_normal,
        baseline=baseline.astype(float).round(6).tolist(),
        scale=float(max(np.quantile(strongest, FULL_COLOUR_QUANTILE), MIN_SCALE)),
        figures=replace(figures, calibration_of=fitted.calibration_of).to_json(),
    )


def _architecture_of(network: FilmClassifier, recipe: Recipe) -> str:
    if isinstance(network, EnsembleClassifier):
        return "averaged_classifier"
    return recipe.architecture


def _architecture_arguments(
    network: FilmClassifier, recipe: Recipe, code: Mapping[str, str]
) -> ArchitectureArguments:
    arguments = recipe.architecture_arguments(len(recipe.findings), code)
    if isinstance(network, EnsembleClassifier):
        arguments["members"] = len(network.members)
    return arguments
