"""The shape of a convolution that is computed without torch is torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from cxr_core.models.networks.saved import _find_convolved_shape

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


@settings(deadline=None)
@given(
    sides=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=pairs,
    stride=pairs,
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=pairs,
    groups=st.sampled_from([1, 2, 3]),
    channels=st.sampled_from([2, 3, 6]),
)
def test_a_shape_is_that_of_torch_and_none_where_torch_refuses(
    sides, kernel, stride, padding, dilation, groups, channels
):
    films, weight = torch.zeros(2, channels, *sides), torch.zeros(6, 6 // groups, *kernel)
    call = (None, stride, padding, dilation, groups)
    found = _find_convolved_shape(films, weight, *call)
    try:
        expected = tuple(functional.conv2d(films, weight, *call).shape)
    except RuntimeError:
        expected = None
    assert found == expected


@pytest.mark.parametrize("call", [(), (None, (1, 1), "same", (1, 1), 1), (None, 1, 1, 1, 1)])
def test_a_call_of_another_form_is_left_to_torch(call):
    assert _find_convolved_shape(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 3, 3), *call) is None
