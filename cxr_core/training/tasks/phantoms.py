"""Drawn chests that join the films a segmenter learns from: their borders are known exactly, which no hand draws."""

from dataclasses import replace

import numpy as np

from cxr_core.data.film_set import Films
from cxr_core.film.phantom.phantom import Opacity, PhantomSpec, draw, truth
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.findings import STRUCTURES

# Uniform between these. The ratio goes beyond what hearts are, so that its ends are learnt as well.
THORAX, RATIO, HEIGHT = (
    (0.55, 0.88),
    (0.32, 0.72),
    (384, 640),
)  # of the width; of the thorax; px on a width of 512
WIDTH = 512
CLOUDED = 0.3  # the share with an opacity


def with_drawings(films: Films, spec: InputSpec, count: int, seed: int) -> Films:
    """The same films, then so many drawn ones with their true masks. films: with masks (N, 3, S, S) as labels."""
    if not count:
        return films
    specs = drawn_specs(count, seed)
    plain = InputSpec(side=spec.side, aspect=spec.aspect)
    grids = np.stack([to_grid(draw(each).pixels, spec) for each in specs])
    masks = np.stack([_masks(each, plain) for each in specs])
    real = films.grids_of(slice(None))
    return Films.of(np.concatenate([real, grids]), np.concatenate([films.labels, masks]))


def drawn_specs(count: int, seed: int) -> list[PhantomSpec]:
    """Chests of all builds; the same seed gives the same ones."""
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        thorax, ratio = chance.uniform(*THORAX), chance.uniform(*RATIO)
        plain = PhantomSpec(
            height=int(chance.integers(*HEIGHT)),
            width=WIDTH,
            thorax_width=thorax,
            heart_width=thorax * ratio,
            noise=chance.uniform(0.0, 0.03),
            seed=int(chance.integers(2**31)),
        )
        found.append(
            replace(plain, opacity=_opacity(chance)) if chance.uniform() < CLOUDED else plain
        )
    return found


def _opacity(chance: np.random.Generator) -> Opacity:
    return Opacity(
        lung="left" if chance.uniform() < 0.5 else "right",
        place="lower" if chance.uniform() < 0.5 else "middle",
        strength=chance.uniform(0.1, 0.4),
        radius=chance.uniform(0.05, 0.15),
    )


def _masks(spec: PhantomSpec, plain: InputSpec) -> np.ndarray:
    known = truth(spec)
    return np.stack(
        [to_grid(getattr(known, name).astype(np.float32), plain) for name in STRUCTURES]
    )
