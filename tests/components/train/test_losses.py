import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.train import supervised
from components.train.losses import GUIDANCE, ROUND_TRIPS, cycle_consistency, kl_pooled, kl_tokens, retrieval


def grid(seed, requires_grad=False):
    torch.manual_seed(seed)
    return torch.randn(6, 8, 4, 4, requires_grad=requires_grad)


def test_identity_mappings_satisfy_the_cycle_but_not_the_kl():
    """The identity trap: only KL (and VTG) pulls F(x) towards y (systems §1.4)."""
    x, y = grid(0), grid(1)
    identity = {"x": x, "y": y, "fx": x, "gfx": x, "gy": y, "fgy": y}
    assert cycle_consistency(identity) == 0
    assert kl_tokens(identity) > 0.1
    assert kl_pooled(identity) > 0.01


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 50), st.floats(-3, 3))
def test_kl_is_zero_only_for_equal_distributions(seed, shift):
    y = grid(seed)
    for kl in (word for name, word in GUIDANCE.items() if name.startswith("kl")):
        # softmax does not see a shift that is the same for all channels
        assert kl({"y": y, "fx": y + shift}).abs() < 1e-5
        assert kl({"y": y, "fx": grid(seed + 1000)}) > 1e-4


@pytest.mark.parametrize("name", ["kl", "kl_pooled", "kl_reverse", "kl_pooled_reverse"])
def test_kl_teaches_f_and_leaves_the_demonstrator_alone(name):
    y, fx = grid(0, requires_grad=True), grid(1, requires_grad=True)
    GUIDANCE[name]({"y": y, "fx": fx}).backward()
    assert y.grad is None
    assert fx.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["kl", "kl_pooled"])
def test_the_reverse_kl_swaps_its_sides(name):
    y, fx = grid(0), grid(1)
    forward, reverse = (GUIDANCE[name + ending] for ending in ("", "_reverse"))
    assert reverse({"y": y, "fx": fx}) == pytest.approx(float(forward({"y": fx, "fx": y})), rel=1e-5)
    assert abs(reverse({"y": y, "fx": fx}) - forward({"y": y, "fx": fx})) > 1e-4


def test_the_forward_cycle_is_that_from_ego_and_needs_no_exo():
    zero, one = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    assert GUIDANCE["ccl_forward"]({"x": zero, "gfx": one}) == 1


def test_cycle_is_the_sum_of_both_element_means():
    zero, one = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    assert cycle_consistency({"x": zero, "gfx": one, "y": zero, "fgy": 2 * one}) == 3


@pytest.mark.parametrize("name", GUIDANCE)
def test_a_loss_reads_no_round_trip_but_those_that_it_names(name):
    trips = {trip: grid(3) for trip in ROUND_TRIPS.get(name, ())}
    grids = {"x": grid(0), "y": grid(1), "fx": grid(2), **trips}
    GUIDANCE[name](grids)
    for trip in trips:
        with pytest.raises(KeyError, match=trip):
            GUIDANCE[name]({one: value for one, value in grids.items() if one != trip})


def test_retrieval_is_one_for_the_truth_and_falls_to_chance():
    y = grid(3)
    assert retrieval({"fx": y, "y": y}) == 1
    assert retrieval({"fx": y.roll(1, 0), "y": y}) == 0


def test_retrieval_by_x_is_that_of_the_identity():
    x, y = grid(3), grid(4)
    assert retrieval({"x": x, "fx": y, "y": y}, "x") == retrieval({"fx": x, "y": y}) < 1


def test_unknown_loss_is_named():
    with pytest.raises(ValueError, match="'hinge'"):
        supervised.losses({"vtg": 1.0, "hinge": 1.0})
