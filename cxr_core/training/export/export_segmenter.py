"""From chosen weights to a model folder that outlines: the interval of its ratio fitted, its figures beside it."""

from dataclasses import replace

import numpy as np

from cxr_core.data.film_set import Films
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.segmentation.evaluate_outlines import outlined
from cxr_core.evaluation.segmentation.metrics import Outlined, outline_figures
from cxr_core.models.card import Population
from cxr_core.models.networks.segmenter import Segmenter
from cxr_core.models.segmenter_card import RatioInterval, SegmenterCard
from cxr_core.models.store import save_model
from cxr_core.reading.segmenter import Outliner
from cxr_core.training.engine.trainer import Trained
from cxr_core.training.export.export_classifier import software, training_facts
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.run_folder import RunFolder

COVERAGE = 0.95
# Before any film was seen: stands in until the interval is fitted, and is never written.
UNFITTED = RatioInterval(offset=1.0, factor=1.0, source="none")


def finish_structures(
    recipe: Recipe,
    trained: Trained,
    manifest: Manifest,
    parts: dict[str, Films],
    run: RunFolder,
    seconds: float,
) -> SegmenterCard:
    """Write run.model from the trained weights. Returns its card. Fitted on validation films alone."""
    network = trained.network.cpu().half().float().eval()
    assert isinstance(network, Segmenter)
    card = SegmenterCard(
        model=recipe.model,
        version=run.manifest()["version"],
        arguments=recipe.architecture_arguments(0),
        input_spec=recipe.input_spec(),
        population=Population(
            text=recipe.population,
            age_min=recipe.population_age_min,
            age_max=recipe.population_age_max,
        ),
        ratio_interval=UNFITTED,
        training=training_facts(recipe, trained, manifest, run, seconds),
        software=software(),
    )
    part = manifest.part("val")
    interval = fit_interval(outlined(Outliner(card=card, network=network), part))
    card = replace(card, ratio_interval=interval)
    figures = outline_figures(outlined(Outliner(card=card, network=network), part))
    return save_model(run.model, replace(card, metrics={"validation": figures}), network, half=True)


def fit_interval(films: list[Outlined]) -> RatioInterval:
    """The interval that held the truth of 95 % of validation films, for films not seen (split conformal).

    The offset is the median error, so that a film on which the looks agree still has an interval, and one on which they
    differ a wider one, but not out of all proportion. With fewer than 19 films the largest error decides.
    """
    found = [
        (abs(film.ratio - film.true_ratio), film.spread) for film in films if film.ratio is not None
    ]
    offset = float(max(np.median([error for error, _ in found]), 1e-3)) if found else 1e-3
    scores = np.sort([error / (offset + spread) for error, spread in found])
    rank = min(len(scores), int(np.ceil(COVERAGE * (len(scores) + 1))))
    factor = float(scores[rank - 1]) if rank else 1.0
    return RatioInterval(
        offset=offset,
        factor=max(factor, 1e-3),
        source=f"{len(found)} validation films carved by patient",
    )
