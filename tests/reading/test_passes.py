"""How films share forward passes: each in one of them, in passes alike in size that stay within the limit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_core.film.preprocess import InputSpec
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.cores import PASS_PIXELS, split_into_passes
from tests.tiny import ARGUMENTS, tiny_card, tiny_network

SIDE = 192  # three films a pass


@given(st.integers(0, 100), st.integers(16, 2048), st.integers(1, 2))
def test_every_film_is_in_one_pass_and_no_pass_is_larger_than_it_may_be(films, side, inputs):
    passes = [range(films)[one] for one in split_into_passes(films, side, inputs)]
    assert [film for one in passes for film in one] == list(range(films))
    sizes = [len(one) for one in passes]
    assert all(size == 1 or size * inputs * side**2 <= PASS_PIXELS for size in sizes)
    assert max(sizes, default=0) - min(sizes, default=0) <= max(1, len(sizes) - 1)


@pytest.mark.parametrize(
    ("films", "side", "inputs", "sizes"),
    [
        (8, 128, 1, [8]),
        (9, 128, 1, [5, 4]),
        (4, 192, 1, [2, 2]),
        (4, 160, 2, [2, 2]),
        (1, 2048, 2, [1]),
    ],
)
def test_the_sizes_of_passes(films, side, inputs, sizes):
    passes = split_into_passes(films, side, inputs)
    assert [len(range(films)[one]) for one in passes] == sizes


def test_films_of_several_passes_get_the_numbers_of_each_by_itself():
    card = tiny_card(
        arguments={**ARGUMENTS, "side": SIDE}, input_spec=InputSpec(side=SIDE, channels=1)
    )
    classifier = Classifier(card=card, network=tiny_network(card))
    grids = np.random.default_rng(0).integers(0, 256, (7, SIDE, SIDE), np.uint8)
    shapes = [(SIDE, SIDE)] * 7
    sizes = []
    forward = classifier._forward

    def count(inputs):
        sizes.append(len(inputs))
        return forward(inputs)

    object.__setattr__(classifier, "_forward", count)
    together = classifier.read_grids(grids, shapes)
    assert sizes == [3, 3, 1]
    alone = [replace(classifier).read_grids(grid[None], [(SIDE, SIDE)])[0] for grid in grids]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-5)
        np.testing.assert_allclose(one.features, other.features, atol=1e-4)
