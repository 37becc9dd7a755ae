"""Draws what a network is trained on, for those who track a run."""

import numpy as np
import torch
from torchvision.utils import make_grid

from cxr_core.data.film_set import FilmSet
from cxr_core.training.engine.augment import sample_augmentation
from cxr_core.training.engine.learner import prepare_inputs
from cxr_core.training.recipe.recipe import Recipe

FILMS = 8


def draw_batch(recipe: Recipe, films: FilmSet) -> np.ndarray:
    """Some films as they enter the network, above, and the same with the recipe's augmentation, below. (H, W) uint8.

    The seed is the run's, and the random numbers are drawn apart from those of training.
    """
    count = min(FILMS, len(films))
    grids = torch.from_numpy(films.take_grids(np.linspace(0, len(films) - 1, count).astype(int)))
    rng = torch.Generator().manual_seed(recipe.seed)
    sample = sample_augmentation(recipe.augmentation, count, rng)
    rows = torch.cat([prepare_inputs(recipe, grids), prepare_inputs(recipe, grids, sample)])
    pixels = (rows[:, :1] * recipe.std + recipe.mean).clamp(0, 1)
    picture = make_grid(pixels, nrow=count, padding=2, pad_value=0.5)[0]
    return (picture * 255).round().byte().numpy()
