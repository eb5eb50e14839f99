"""Sums of two groups against numpy over all their values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.statistics.running_moments import combine

numbers = st.lists(st.floats(0, 1000), max_size=30)
NONE = (0, np.nan, np.nan)


def moments_of(values: list[float]) -> tuple[int, float, float]:
    return (len(values), float(np.mean(values)), float(np.std(values))) if values else NONE


@given(numbers, numbers)
def test_two_groups_together_are_all_their_values(one, other):
    count, *moments = combine(moments_of(one), moments_of(other))
    assert count == len(one + other)
    assert moments == pytest.approx(moments_of(one + other)[1:], rel=1e-9, abs=1e-9, nan_ok=True)


@given(numbers)
def test_a_group_of_none_changes_no_bit(values):
    found = combine(moments_of(values), NONE), combine(NONE, moments_of(values))
    for each in found:
        assert each == moments_of(values) or not values and each[0] == 0
