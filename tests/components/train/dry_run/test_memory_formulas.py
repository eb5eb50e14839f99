"""Formulas of memory and work, against the papers' examples; test_duration.py compares them with tiny models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.train.dry_run import memory_formulas

GPUS = st.sampled_from([1, 2, 4, 8, 64])
COUNTS = st.integers(1_000, 10**11)


@pytest.mark.parametrize(("zero", "gb"), [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_states_are_those_of_the_zero_paper(zero, gb):
    """Its figure 1: 7.5 billion parameters on 64 GPUs."""
    count = 7_500_000_000
    assert memory_formulas.states(count, count, zero=zero, gpus=64).total / 1e9 == pytest.approx(gb, abs=0.05)


def test_states_with_frozen_parameters_by_hand():
    """1000 parameters, 100 of them trained, 4 GPUs."""
    by_stage = [memory_formulas.states(1000, 100, zero=zero, gpus=4) for zero in range(4)]
    assert [(one.weights, one.gradients, one.optimiser) for one in by_stage] == [
        (2000, 200, 1200), (2000, 200, 300), (2000, 50, 300), (500, 50, 300),
    ]  # fmt: skip


@given(COUNTS, st.floats(0, 1), GPUS)
def test_a_higher_stage_never_needs_more(count, share, gpus):
    totals = [memory_formulas.states(count, int(share * count), zero=zero, gpus=gpus).total for zero in range(4)]
    assert totals == sorted(totals, reverse=True)
    if gpus == 1:
        assert len(set(totals)) == 1


@given(COUNTS, st.floats(0, 1), st.integers(0, 3))
def test_more_gpus_never_need_more_each_and_never_less_in_all(count, share, zero):
    totals = [memory_formulas.states(count, int(share * count), zero=zero, gpus=gpus).total for gpus in (1, 2, 4, 8)]
    assert totals == sorted(totals, reverse=True)
    together = [gpus * total for gpus, total in zip((1, 2, 4, 8), totals, strict=True)]
    assert all(later >= earlier * (1 - 1e-9) for earlier, later in zip(together, together[1:], strict=False))


shapes = st.builds(
    memory_formulas.Transformer,
    layers=st.integers(1, 80), width=st.integers(64, 8192), query_width=st.integers(64, 8192),
    kv_width=st.integers(64, 1024), inner_width=st.integers(64, 30_000), gated=st.booleans(),
)  # fmt: skip


@settings(max_examples=50)
@given(shapes, st.integers(1, 10_000))
def test_checkpointing_keeps_less_where_there_is_more_than_one_layer(shape, tokens):
    plain, again = (memory_formulas.activations(shape, tokens, checkpointing=value) for value in (False, True))
    # of one layer the input is kept beside what is computed again
    assert again < plain or shape.layers == 1
    assert memory_formulas.activations(shape, 2 * tokens, checkpointing=True) == 2 * again
