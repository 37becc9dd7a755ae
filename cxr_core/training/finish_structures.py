"""From chosen weights to a model folder that outlines: the interval of its ratio fitted, its figures beside it."""

import time
from dataclasses import replace

import numpy as np

from cxr_core.data.films import Films
from cxr_core.data.manifest import Manifest
from cxr_core.data.masks import mask_of
from cxr_core.evaluation.outlines import Outlined, compare, outline_figures
from cxr_core.findings import STRUCTURES
from cxr_core.models.card import Population
from cxr_core.models.segmenter import Segmenter
from cxr_core.models.segmenter_card import RatioInterval, SegmenterCard
from cxr_core.models.store import save_model
from cxr_core.reading.outline import Outliner
from cxr_core.training.finish import software, training_facts
from cxr_core.training.recipe import Recipe
from cxr_core.training.run_folder import RunFolder
from cxr_core.training.trainer import Trained

COVERAGE = 0.95
# Before any film was seen: stands in until the interval is fitted, and is never written.
UNFITTED = RatioInterval(offset=1.0, factor=1.0, source="none")


def finish_structures(
    recipe: Recipe, trained: Trained, manifest: Manifest, parts: dict[str, Films], run: RunFolder, seconds: float
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
            text=recipe.population, age_min=recipe.population_age_min, age_max=recipe.population_age_max
        ),
        ratio_interval=UNFITTED,
        training=training_facts(recipe, trained, manifest, run, seconds),
        software=software(),
    )
    part = manifest.part("val")
    started = time.perf_counter()
    unfitted = outlined(Outliner(card=card, network=network), part, parts["val"])
    seconds_each = (time.perf_counter() - started) / max(1, len(unfitted))
    card = replace(
        card, ratio_interval=fit_interval([spread for _, spread in unfitted], [film for film, _ in unfitted])
    )
    fitted = [film for film, _ in outlined(Outliner(card=card, network=network), part, parts["val"])]
    figures = {**outline_figures(fitted), "seconds_each_with_comparison": round(seconds_each, 4)}
    return save_model(run.model, replace(card, metrics={"validation": figures}), network, half=True)


def outlined(outliner: Outliner, part: Manifest, films: Films) -> list[tuple[Outlined, float]]:
    """Each film of a part outlined and compared with its masks, and the spread of its ratio between looks."""
    sizes = part.table[["height", "width"]].to_numpy().astype(int)
    found = []
    for row, (path, (height, width)) in enumerate(zip(part.paths, sizes, strict=True)):
        anatomy = outliner.outline_grid(films.grids_of(slice(row, row + 1))[0], (height, width))
        masks = {name: mask_of(path, name) for name in STRUCTURES}
        found.append((compare(anatomy, masks, str(part.table["patient"].iloc[row])), anatomy.spread))
    return found


def fit_interval(spreads: list[float], films: list[Outlined]) -> RatioInterval:
    """The interval that held the truth of 95 % of validation films, for films not seen (split conformal).

    The offset is the median spread, so that a film on which all looks agree still has an interval. With fewer than 19
    films the largest error decides.
    """
    errors = [
        (abs(film.ratio - film.true_ratio), spread)
        for film, spread in zip(films, spreads, strict=True)
        if film.ratio is not None
    ]
    offset = float(max(np.median([spread for _, spread in errors]), 1e-3)) if errors else 1e-3
    scores = np.sort([error / (offset + spread) for error, spread in errors])
    rank = min(len(scores), int(np.ceil(COVERAGE * (len(scores) + 1))))
    factor = float(scores[rank - 1]) if rank else 1.0
    return RatioInterval(
        offset=offset, factor=max(factor, 1e-3), source=f"{len(errors)} validation films carved by patient"
    )
