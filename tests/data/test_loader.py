"""The loader: what comes in which order, on one process and on several, from the beginning and from the middle."""

import threading
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Loader, Position
from cxr_core.errors import RecipeError

CPU = torch.device("cpu")


def films(count: int, side: int = 4, brighter: int = 0) -> FilmSet:
    """Film i lies in row 2i + 1 and is grey i + brighter everywhere; its label is i modulo 2."""
    grids = np.zeros((2 * count + 1, side, side), np.uint8)
    rows = 2 * np.arange(count) + 1
    grids[rows] = ((np.arange(count) + brighter) % 256).astype(np.uint8)[:, None, None]
    return FilmSet(grids, rows, (np.arange(count) % 2).astype(np.float32)[:, None])


def drawn(loader: Loader, position: Position | None = None) -> list[list[int]]:
    return [batch.films.tolist() for batch in loader.batches(position or Position())]


def test_a_batch_holds_the_films_it_names() -> None:
    for batch in Loader(films(50), batch_size=8, seed=0, device=CPU).batches(Position()):
        assert batch.grids.shape == (8, 4, 4)
        assert batch.grids.dtype == torch.uint8
        assert batch.grids[:, 0, 0].tolist() == batch.films.tolist()
        assert batch.labels[:, 0].tolist() == (batch.films % 2).tolist()


@given(
    count=st.integers(1, 200),
    size=st.integers(1, 64),
    seed=st.integers(0, 5),
    epoch=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_an_epoch_shows_each_film_once_in_an_order_of_its_own(
    count: int, size: int, seed: int, epoch: int
) -> None:
    loader = Loader(films(count), batch_size=size, seed=seed, device=CPU)
    order = loader.draw_order(epoch)
    assert order.shape == (len(loader), min(size, count))
    assert len(set(order.ravel().tolist())) == order.size > count - min(size, count)
    assert np.array_equal(
        order, Loader(films(count), batch_size=size, seed=seed, device=CPU).draw_order(epoch)
    )
    if order.size > 10:
        assert not np.array_equal(order, loader.draw_order(epoch + 1))
        assert not np.array_equal(
            order,
            Loader(films(count), batch_size=size, seed=seed + 1, device=CPU).draw_order(epoch),
        )


@given(taken=st.integers(0, 12))
@settings(max_examples=13, deadline=None)
def test_saved_position_continues_with_the_next_batch(taken: int) -> None:
    whole = drawn(Loader(films(100), batch_size=8, seed=3, device=CPU), Position(epoch=2))
    broken_off = Loader(films(100), batch_size=8, seed=3, device=CPU)
    for done, _ in enumerate(broken_off.batches(Position(epoch=2)), start=1):
        if done >= taken:
            break
    assert broken_off.position == Position(2, max(1, taken))
    rest = drawn(Loader(films(100), batch_size=8, seed=3, device=CPU), broken_off.position)
    assert rest == whole[max(1, taken) :]


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_together_see_the_batches_of_one(processes: int) -> None:
    alone = drawn(Loader(films(99), batch_size=16, seed=1, device=CPU))
    each = [
        drawn(Loader(films(99), batch_size=16, seed=1, device=CPU, shard=(rank, processes)))
        for rank in range(processes)
    ]
    assert [sorted(chain(*shares)) for shares in zip(*each, strict=True)] == [
        sorted(batch) for batch in alone
    ]
    assert all(len(share) == 16 // processes for shares in each for share in shares)


def test_resident_films_give_the_same_batches() -> None:
    given = {"batch_size": 4, "seed": 3, "device": CPU, "shard": (1, 2)}
    there, fetched = (Loader(films(13), resident=resident, **given) for resident in (True, None))
    for one, other in zip(there.batches(Position(2)), fetched.batches(Position(2)), strict=True):
        assert torch.equal(one.grids, other.grids)
        assert torch.equal(one.labels, other.labels)
    there.set_films(films(13, brighter=1))
    assert torch.equal(
        next(iter(there.batches(Position(2)))).grids,
        next(iter(fetched.batches(Position(2)))).grids + 1,
    )


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(RecipeError, match="10 films cannot be shared equally by 4 processes"):
        Loader(films(99), batch_size=10, seed=1, device=CPU, shard=(0, 4))


def test_weights_set_how_often_a_film_is_drawn() -> None:
    weights = np.where(np.arange(100) < 10, 9.0, 1.0)
    loader = Loader(films(100), batch_size=10, seed=0, device=CPU, weights=weights)
    often = np.mean([np.mean(loader.draw_order(epoch) < 10) for epoch in range(1, 101)])
    assert often == pytest.approx(90 / 180, abs=0.02)


def test_incomplete_last_batch_is_left_out() -> None:
    orders = [
        set(Loader(films(9), batch_size=8, seed=0, device=CPU).draw_order(epoch).ravel())
        for epoch in range(1, 9)
    ]
    assert all(len(order) == 8 for order in orders)
    assert any(first != second for first, second in pairwise(orders))


def test_no_thread_stays_behind_when_an_epoch_is_broken_off() -> None:
    batches = Loader(films(100), batch_size=4, seed=0, device=CPU).batches(Position())
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loader")]
