"""Every window rule against a slow reading of its formula, and what must hold of all of them."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import params
from components.data.clips import window_rules
from tests.components.data.conftest import TAKE_S

RULES = get_args(params.Clips.model_fields["rule"].annotation)


def reference(times: list[float], i: int, *, alpha_s: float, rule: str, clamp: bool, length_s: float | None) -> tuple:
    """The formulas of systems §1.1, one narration at a time."""
    n, t = len(times) - 1, times[i]
    length = alpha_s if length_s is None else length_s
    if n == 0 and rule not in ("fixed", "centred"):
        return math.nan, math.nan
    beta = sum(times[j + 1] - times[j] for j in range(n)) / n if n else math.nan
    before, after = times[i - 1] if i else None, times[i + 1] if i < n else None
    start, end = {
        "fixed": (t, t + length),
        "centred": (t - length / 2, t + length / 2),
        "neighbours": (t if before is None else before, t if after is None else after),
        "beta": (t - beta / 2, t + beta / 2),
        "beta_over_alpha": (t - beta / (2 * alpha_s), t + beta / (2 * alpha_s)),
    }[rule]
    if clamp and before is not None:
        start = max(start, before)
    if clamp and after is not None:
        end = min(end, after)
    return max(start, 0.0), min(end, TAKE_S)


TIMELINES = st.dictionaries(
    st.text("abc", min_size=1, max_size=2),
    st.lists(st.integers(0, 16000), min_size=1, max_size=9, unique=True).map(lambda ms: sorted(t / 1000 for t in ms)),
    min_size=1,
    max_size=4,
)
ALPHA_S = st.floats(0.05, 10)
HOW = st.fixed_dictionaries(
    {"rule": st.sampled_from(RULES), "clamp": st.booleans(), "length_s": st.none() | st.floats(0.1, 20)}
)


def flat(by_timeline: dict[str, list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Times and timelines, shape [N]."""
    rows = [(name, t) for name, times in by_timeline.items() for t in times]
    return np.array([t for _, t in rows]), np.array([name for name, _ in rows], dtype=object)


def spans(by_timeline: dict[str, list[float]], alpha_s: float, **how) -> tuple[np.ndarray, np.ndarray]:
    times_s, timeline = flat(by_timeline)
    return window_rules.windows(times_s, np.full(len(times_s), TAKE_S), alpha_s, timeline=timeline, **how)


@settings(deadline=None)
@given(TIMELINES, ALPHA_S, HOW)
def test_windows_equal_the_slow_formula(by_timeline, alpha_s, how):
    start_s, end_s = spans(by_timeline, alpha_s, **how)
    expected = [
        reference(times, i, alpha_s=alpha_s, **how) for times in by_timeline.values() for i in range(len(times))
    ]
    np.testing.assert_allclose(np.column_stack([start_s, end_s]), expected, rtol=0, atol=1e-9)


@settings(deadline=None)
@given(TIMELINES, ALPHA_S, HOW)
def test_windows_hold_their_narration_and_lie_inside_the_video(by_timeline, alpha_s, how):
    times_s, _ = flat(by_timeline)
    start_s, end_s = spans(by_timeline, alpha_s, **how)
    defined = ~np.isnan(start_s)
    assert (defined == ~np.isnan(end_s)).all()
    assert ((start_s >= 0) & (start_s <= times_s) & (times_s <= end_s) & (end_s <= TAKE_S))[defined].all()


@settings(deadline=None)
@given(TIMELINES, ALPHA_S, HOW)
def test_the_clamp_never_crosses_a_neighbour_and_only_shortens(by_timeline, alpha_s, how):
    start_s, end_s = spans(by_timeline, alpha_s, **how | {"clamp": True})
    free_start_s, free_end_s = spans(by_timeline, alpha_s, **how | {"clamp": False})
    times_s, timeline = flat(by_timeline)
    same = timeline[1:] == timeline[:-1]
    crossed = (start_s[1:] < times_s[:-1]) | (end_s[:-1] > times_s[1:])
    assert not (crossed & same).any()
    assert not ((start_s < free_start_s) | (end_s > free_end_s)).any()


@settings(deadline=None)
@given(TIMELINES, ALPHA_S)
def test_beta_rules_are_symmetric_and_scale_with_the_density(by_timeline, alpha_s):
    times_s, timeline = flat(by_timeline)
    beta_s = window_rules.betas(times_s, timeline=timeline).reindex(timeline).to_numpy()
    for rule, length_s in (("beta", beta_s), ("beta_over_alpha", beta_s / alpha_s)):
        start_s, end_s = spans(by_timeline, alpha_s, rule=rule, clamp=False)
        inside = (start_s > 0) & (end_s < TAKE_S)
        np.testing.assert_allclose((end_s - start_s)[inside], length_s[inside], atol=1e-9)
        np.testing.assert_allclose((end_s + start_s)[inside] / 2, times_s[inside], atol=1e-9)
        assert np.isnan(start_s).tolist() == np.isnan(beta_s).tolist()


@settings(deadline=None)
@given(TIMELINES, st.booleans())
def test_beta_over_alpha_of_one_second_is_beta(by_timeline, clamp):
    got = spans(by_timeline, 1.0, rule="beta_over_alpha", clamp=clamp)
    np.testing.assert_array_equal(got, spans(by_timeline, 1.0, rule="beta", clamp=clamp))


@settings(deadline=None)
@given(TIMELINES, ALPHA_S, st.booleans())
def test_fixed_lengths_default_to_alpha_and_need_no_neighbour(by_timeline, alpha_s, clamp):
    for rule in ("fixed", "centred"):
        given_s = spans(by_timeline, alpha_s, rule=rule, clamp=clamp, length_s=alpha_s)
        np.testing.assert_array_equal(spans(by_timeline, alpha_s, rule=rule, clamp=clamp), given_s)
        assert not np.isnan(given_s).any()


@settings(deadline=None)
@given(TIMELINES, ALPHA_S)
def test_neighbours_is_the_widest_clamped_window(by_timeline, alpha_s):
    wide = spans(by_timeline, alpha_s, rule="neighbours", clamp=False)
    np.testing.assert_array_equal(wide, spans(by_timeline, alpha_s, rule="neighbours", clamp=True))
    start_s, end_s = spans(by_timeline, 1e-9, rule="beta_over_alpha")
    times_s, timeline = flat(by_timeline)
    inner = np.zeros(len(times_s), dtype=bool)
    inner[1:-1] = (timeline[1:-1] == timeline[2:]) & (timeline[1:-1] == timeline[:-2])
    np.testing.assert_array_equal(np.stack([start_s, end_s])[:, inner], np.stack(wide)[:, inner])


def test_windows_refuse_equal_times():
    with pytest.raises(ValueError, match="'a'.*strictly increasing"):
        window_rules.windows(np.array([1.0, 1.0]), np.full(2, 9.0), 1.0, timeline=np.array(["a", "a"], dtype=object))


def test_windows_refuse_an_unknown_rule():
    with pytest.raises(ValueError, match="clips.rule is 'middle', allowed are fixed, centred.*params/data.yaml"):
        window_rules.windows(np.array([1.0]), np.array([9.0]), 1.0, timeline=np.array(["a"]), rule="middle")


@pytest.mark.parametrize(
    "how, starts, ends",
    [
        ({}, [0.0, 7.5, 8.5], [2.0, 9.0, 9.5]),  # beta = (9 - 1) / 2 = 4 s; h = 4 / (2 * 2) = 1 s
        ({"clamp": False}, [0.0, 7.5, 8.0], [2.0, 9.5, 9.5]),
        ({"rule": "beta"}, [0.0, 6.5, 8.5], [3.0, 9.0, 9.5]),
        ({"rule": "fixed"}, [1.0, 8.5, 9.0], [3.0, 9.0, 9.5]),
        ({"rule": "centred", "length_s": 1.0}, [0.5, 8.0, 8.5], [1.5, 9.0, 9.5]),
        ({"rule": "neighbours"}, [1.0, 1.0, 8.5], [8.5, 9.0, 9.0]),
    ],
)
def test_the_worked_example(how, starts, ends):
    timeline = np.array(["a"] * 3, dtype=object)
    start_s, end_s = window_rules.windows(np.array([1.0, 8.5, 9.0]), np.full(3, 9.5), 2.0, timeline=timeline, **how)
    assert start_s.tolist() == starts
    assert end_s.tolist() == ends
