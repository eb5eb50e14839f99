"""What a comparison is said to find before it is run is what it finds."""

import numpy as np
import pytest

from components.metrics import statistics
from components.metrics.power import POWER, Spread, detectable, planned_errors, power, spread

OF = Spread(samples=0.24, takes=0.05)


def drawn(rng: np.random.Generator, of: Spread, *, takes: int, each: int, gain: float = 0.0):
    ids = np.repeat(np.arange(takes), each)
    return gain + rng.normal(0, of.takes, takes)[ids] + rng.normal(0, of.samples, len(ids)), ids


@pytest.mark.parametrize("takes", [8, 40])
def test_the_power_is_the_share_of_comparisons_that_find_the_difference(takes):
    rng = np.random.default_rng(0)
    [(error, df)] = planned_errors(OF, samples=20 * takes, takes=takes)
    for gain in (0.02, detectable(error, df, level=0.95)):
        found = 0
        for _ in range(1000):
            gaps, ids = drawn(rng, OF, takes=takes, each=20, gain=gain)
            found += statistics.difference(gaps, np.zeros(len(gaps)), ids).p_above <= 0.05
        assert found / 1000 == pytest.approx(power(gain, error, df, level=0.95), abs=0.05)
    assert power(detectable(error, df, level=0.95), error, df, level=0.95) == pytest.approx(POWER, abs=1e-4)


def test_the_spread_is_found_in_the_differences():
    found = spread(*drawn(np.random.default_rng(0), OF, takes=400, each=12))
    assert found.samples == pytest.approx(OF.samples, rel=0.03) and found.takes == pytest.approx(OF.takes, rel=0.15)
    equal = spread(np.full(20, 0.3), np.repeat(np.arange(10), 2))
    assert (equal.samples, equal.takes) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))


@pytest.mark.parametrize(("takes", "each"), [(6, 1), (6, 20), (80, 5)])
def test_more_of_anything_finds_smaller_differences(takes, each):
    def least(takes: int, each: int, seeds: int) -> float:
        of = Spread(samples=0.3, takes=0.02, seeds=0.05)
        errors = planned_errors(of, samples=takes * each, takes=takes, seeds=seeds)
        return max(detectable(*error, level=0.975) for error in errors)

    assert least(takes + 1, each, 1) < least(takes, each, 1) and least(takes, each + 1, 1) < least(takes, each, 1)
    assert least(takes, each, 20) < least(takes, each, 5) < least(takes, each, 3) < least(takes, each, 2)


@pytest.mark.parametrize("same_in_every_seed", [True, False])
def test_seeds_find_what_was_foreseen_at_least(same_in_every_seed):
    rng, of = np.random.default_rng(0), Spread(samples=0.45, takes=0.01, seeds=0.0)
    errors = planned_errors(of, samples=400, takes=72, seeds=2)
    gain = max(detectable(*each, level=0.975) for each in errors)
    ids, found = np.arange(400) % 72, 0
    for _ in range(300):
        noise = rng.normal(0, of.samples, (1 if same_in_every_seed else 2, 400))
        levels = gain + rng.normal(0, of.takes, 72)[ids]
        found += statistics.crossed([(levels + noise, ids)]).p <= 0.05
    assert found / 300 >= POWER - 0.05


def test_three_seeds_that_differ_decide_by_the_t_of_three():
    both, of_seeds = planned_errors(Spread(0.0, 0.0, 0.03), samples=100, takes=10, seeds=3)
    assert both == of_seeds == (pytest.approx(0.03 / 3**0.5), pytest.approx(2))
    [one] = planned_errors(Spread(0.3, 0.0, 0.03), samples=100, takes=10)
    assert one == (pytest.approx(0.03), 9), "one seed says nothing of other seeds"


def test_edges():
    assert power(0.5, np.inf, 0, level=0.95) == 0 and detectable(np.inf, 0, level=0.95) == np.inf
    assert power(0.1, 0.0, 9, level=0.95) == 1 and power(0.0, 0.0, 9, level=0.95) == 0
    with pytest.raises(ValueError, match="5 takes and 1 seeds came"):
        planned_errors(OF, samples=100, takes=5)
    with pytest.raises(ValueError, match="a take with two samples"):
        spread(np.ones(7), np.arange(7))
