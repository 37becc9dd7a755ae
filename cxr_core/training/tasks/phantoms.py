"""Adds synthetic chest films, whose contours are known exactly, to the training films of a segmenter."""

from dataclasses import replace

import numpy as np

from cxr_core.data.film_set import FilmSet
from cxr_core.film.phantom.phantom import Opacity, PhantomSpec, compute_truth, draw_phantom
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.findings import STRUCTURES

WIDTH = 512  # px
HEIGHT_RANGE = (384, 640)  # px
THORAX_RANGE = (0.55, 0.88)  # of the width
RATIO_RANGE = (0.32, 0.72)  # wider than hearts are, so that the ends are trained on as well
OPACITY_PROBABILITY = 0.3


def add_phantoms(films: FilmSet, spec: InputSpec, count: int, seed: int) -> FilmSet:
    """The same films, followed by synthetic ones with their true masks.

    films: with masks (N, 3, S, S) as labels.  spec: of the model input.
    """
    if not count:
        return films
    specs = sample_phantom_specs(count, seed)
    mask_spec = InputSpec(side=spec.side, aspect=spec.aspect)  # masks are not equalised
    grids = np.stack([to_grid(draw_phantom(phantom).pixels, spec) for phantom in specs])
    masks = np.stack([_true_masks(phantom, mask_spec) for phantom in specs])
    real = films.take_grids(slice(None))
    return FilmSet.from_grids(np.concatenate([real, grids]), np.concatenate([films.labels, masks]))


def sample_phantom_specs(count: int, seed: int) -> list[PhantomSpec]:
    """Chests of all builds, some with an opacity; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    return [_sample_phantom(rng) for _ in range(count)]


def _sample_phantom(rng: np.random.Generator) -> PhantomSpec:
    thorax, ratio = rng.uniform(*THORAX_RANGE), rng.uniform(*RATIO_RANGE)
    spec = PhantomSpec(
        height=int(rng.integers(*HEIGHT_RANGE)),
        width=WIDTH,
        thorax_width=thorax,
        heart_width=thorax * ratio,
        noise=rng.uniform(0.0, 0.03),
        seed=int(rng.integers(2**31)),
    )
    if rng.uniform() < OPACITY_PROBABILITY:
        return replace(spec, opacity=_sample_opacity(rng))
    return spec


def _sample_opacity(rng: np.random.Generator) -> Opacity:
    return Opacity(
        lung="left" if rng.uniform() < 0.5 else "right",
        place="lower" if rng.uniform() < 0.5 else "middle",
        strength=rng.uniform(0.1, 0.4),
        radius=rng.uniform(0.05, 0.15),
    )


def _true_masks(phantom: PhantomSpec, spec: InputSpec) -> np.ndarray:
    anatomy = compute_truth(phantom)
    masks = [getattr(anatomy, name).astype(np.float32) for name in STRUCTURES]
    return np.stack([to_grid(mask, spec) for mask in masks])
