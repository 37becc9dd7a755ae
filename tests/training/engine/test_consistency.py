import torch

from cxr_core.training.engine.consistency import Twins, join_films, sum_differences


def test_differences_are_shares_of_the_variance():
    outputs = torch.tensor([[0.0], [2.0], [4.0]])  # variance 4
    before = torch.tensor([[1.0], [4.0]])  # of the first and the last
    chosen = torch.tensor([True, False, True])
    assert float(sum_differences(outputs, before, chosen)) == 1 / 4
    assert float(sum_differences(10 * outputs, 10 * before, chosen)) == 1 / 4


def test_without_a_chosen_film_and_with_one_film_alone_nothing_is_lost():
    none = torch.tensor([False, False])
    assert float(sum_differences(torch.ones(2, 1), torch.ones(0, 1), none)) == 0
    alone = sum_differences(torch.ones(1, 1), torch.zeros(1, 1), torch.tensor([True]))
    assert float(alone) == 0


def test_only_chosen_twins_pass_the_network_and_chunks_keep_them_beside_their_films():
    films = torch.arange(5.0).view(5, 1, 1, 1)
    twins = Twins(films + 10, torch.tensor([True, False, True, False, True]))
    assert join_films(films, twins).flatten().tolist() == [0, 1, 2, 3, 4, 10, 12, 14]
    first, second = twins.chunk(2)
    assert join_films(films[:3], first).flatten().tolist() == [0, 1, 2, 10, 12]
    assert join_films(films[3:], second).flatten().tolist() == [3, 4, 14]
    assert torch.equal(join_films(films, None), films)
