"""Which samples ask the same of both views."""

import random

from components.records.view_pairs import pair_key, view_pairs


def sample(name: str, view: str, *, question="does it happen?", take="t", parent="p", start_s=0.0, end_s=16.0) -> dict:
    media = [{"video_id": view, "view": view, "start_s": start_s, "end_s": end_s}]
    base = {"sample_id": name, "take_id": take, "task": "verify", "question_type": "verification", "view": view}
    return base | {"question": question, "parents": [parent], "media": media}


def test_a_pair_is_the_same_query_about_the_same_seconds_of_a_take():
    samples = [
        sample("a", "ego"),
        sample("b", "exo", end_s=15.96),  # its camera stopped earlier
        sample("c", "ego", question="does it not?"),
        sample("d", "exo", start_s=2.0),
        sample("e", "exo", take="u"),
        sample("f", "exo", parent="q"),
        sample("g", "exo", question="does it not?"),
    ]
    pairs, alone = view_pairs(samples)
    assert sorted(pairs) == [(0, 1), (2, 6)] and alone == [3, 4, 5]
    assert pair_key(samples[0]) == pair_key(samples[1]) != pair_key(samples[2])


def test_of_several_views_and_windows_none_is_in_two_pairs_whatever_the_order():
    samples = [
        sample(name, view) for name, view in (("a", "ego"), ("b", "exo"), ("c", "exo"), ("d", "ego"), ("e", "exo"))
    ]
    expected = {("a", "b"), ("d", "c")}
    for seed in range(5):
        turned = random.Random(seed).sample(samples, len(samples))
        pairs, alone = view_pairs(turned)
        named = {(turned[ego]["sample_id"], turned[exo]["sample_id"]) for ego, exo in pairs}
        assert named == expected and [turned[place]["sample_id"] for place in alone] == ["e"]
