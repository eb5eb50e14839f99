"""Rewordings, false versions and parts of a sentence: the documented form, and the released file."""

import json
from collections import Counter

import pytest

from components.benchmarks import video_consistency
from tests.components.benchmarks import released

ENTRY = {
    "sentences": ["A man cuts."], "timestamps": [[2.0, 40.0]], "shifted_timestamps": [[10, 20]], "duration": 30.0,
    "consistency_annotations": [{"A": ["A man is cutting."], "M": ["A man eats."],
                                 "C": {"Y": ["Is it a man?"], "N": ["Is it a dog?"]}}],
}  # fmt: skip


def test_each_query_of_a_sentence_is_a_sample(tmp_path):
    entries = {"v": ENTRY, "w": ENTRY | {"consistency_annotations": []}, "x": ENTRY | {"timestamps": [[31.0, 32.0]]}}
    (tmp_path / "charades_consistency_test.json").write_text(json.dumps(entries))
    found = video_consistency.load_verification(tmp_path)
    assert [(one.question, one.target.options[one.target.index], one.subsets[1]) for one in found.samples] == [
        ("from 2 to 30 seconds, does this happen: A man is cutting?", "yes", "holistic"),
        ("from 2 to 30 seconds, does this happen: A man eats?", "no", "holistic"),
        ("from 2 to 30 seconds, Is it a man?", "yes", "compositional"),
        ("from 2 to 30 seconds, Is it a dog?", "no", "compositional"),
    ]
    assert found.reasons == {"empty_span": 4, "malformed_entry": 1}
    grounded = video_consistency.load_grounding(tmp_path).samples
    original, shifted, rephrased = (
        next(one for one in grounded if one.video == "v" and kind in one.subsets)
        for kind in ("original", "shifted", "rephrased")
    )
    assert original.question == "when is it that A man cuts?" != rephrased.question
    assert (original.target, original.media[0].path) == (rephrased.target, "v.mp4")
    assert (shifted.target.start_s, shifted.media[0].path) == (10.0, "shifted_videos/v_0.mp4")


def test_a_folder_without_a_file_says_where_to_get_it(tmp_path):
    with pytest.raises(ValueError, match=r"holds none of \['consistency_activitynet.json', .*docs/benchmarks.md"):
        video_consistency.load_grounding(tmp_path)


def test_the_released_queries_are_balanced_and_their_text_says_nothing():
    found = released.loaded("video_consistency_verify")
    counts = Counter((one.subsets[1], one.target.options[one.target.index]) for one in found.samples)
    assert counts["holistic", "yes"] == counts["holistic", "no"] == 3 * 1422 and not found.rejects
    assert len({one.video for one in found.samples}) == 500
    row = released.row("video_consistency_verify")
    assert 0.49 < row["constant"]["value"] < 0.51 and 0.48 < row["text_only"]["value"] < 0.52


def test_the_released_sentences_are_grounded_as_they_are_reworded_and_shifted():
    found = released.loaded("video_consistency_ground")
    assert Counter(one.subsets[1] for one in found.samples) == {
        "original": 1422,
        "rephrased": 3 * 1422,
        "shifted": 1422,
    }
    assert not found.rejects and all(one.target.end_s <= one.length_s for one in found.samples)
