"""The thresholds of systems §4.1, exactly."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from components.data.funnel.filters import motion, reasons

GOOD = {"ego_score": 0.9, "hands": 2, "objects": 8, "frames": 8, "motion": 0.2}
numbers = st.floats(-1e4, 1e4)
tracks = st.lists(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=2), min_size=1, max_size=6)


def why(**values) -> tuple[str, str]:
    view, filtered = reasons(pd.DataFrame([GOOD | values]))
    return view[0], filtered[0]


def test_a_clip_at_every_limit():
    assert why() == ("", "")
    assert why(hands=3) == ("", "over_2_hands")
    assert why(hands=0, motion=0.0) == ("", "hands_rest")
    assert why(ego_score=0.5) == ("", "") and why(ego_score=0.4999) == ("exo_view", "")
    # more than a tenth, not as much
    assert why(motion=0.1) == ("", "hands_rest") and why(motion=0.1000001) == ("", "")


@given(frames=st.integers(1, 100_000), objects=st.integers(0, 200_000))
def test_objects_are_too_few_below_seven_in_ten_frames(frames, objects):
    too_few = 10 * objects < 7 * frames
    assert why(frames=frames, objects=objects)[1] == ("few_objects" if too_few else "")


def test_seven_objects_in_ten_frames_are_enough_although_floats_say_otherwise():
    assert 0.7 * 90 != 63 and why(frames=90, objects=63) == ("", "")


def test_a_clip_that_the_classifier_drops_is_counted_once_and_needs_no_detector():
    assert why(ego_score=0.1, hands=None, objects=None, frames=None, motion=None) == ("exo_view", "")


@given(centres=tracks, width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_motion_is_the_largest_distance_of_one_hand_over_the_shorter_side(centres, width, height):
    px = np.array(centres)
    told = motion(px, width_px=width, height_px=height)
    plain = max(
        float(np.hypot(*(px[one, hand] - px[other, hand])))
        for hand in range(2)
        for one in range(len(px))
        for other in range(len(px))
    )
    assert np.isclose(told, plain / min(width, height))
    # neither the order of the frames nor which hand is which matters
    assert np.isclose(told, motion(px[::-1, ::-1], width_px=height, height_px=width))


@given(centres=tracks, shift=st.tuples(numbers, numbers), drop=st.data())
def test_motion_ignores_where_hands_are_and_frames_without_them(centres, shift, drop):
    px = np.array(centres)
    whole = motion(px, width_px=100, height_px=100)
    assert np.isclose(motion(px + np.array(shift), width_px=100, height_px=100), whole, atol=1e-6)
    unseen = px.copy()
    unseen[drop.draw(st.integers(0, len(px) - 1))] = np.nan
    assert motion(unseen, width_px=100, height_px=100) <= whole + 1e-9


def test_two_hands_that_rest_far_apart_do_not_move():
    centres = np.tile(np.array([[10.0, 90.0], [90.0, 90.0]]), (5, 1, 1))
    assert motion(centres, width_px=100, height_px=100) == 0
    assert motion(np.full((5, 2, 2), np.nan), width_px=100, height_px=100) == 0
