"""EPIC-100's retrieval: classes of captions come from their clips; blind rankings score by graded relevance."""

import csv

import pytest

from components.benchmarks import epic100_mir
from components.benchmarks.runner import rankings
from tests.components.benchmarks import released

COLUMNS = (
    "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,narration,verb_class,all_noun_classes".split(
        ","
    )
)


def written(folder, clips, captions) -> None:
    with (folder / "EPIC_100_retrieval_test.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *clips])
    lines = ["narration_id,narration", *(f"{name},text" for name in captions)]
    (folder / "EPIC_100_retrieval_test_sentence.csv").write_text("\n".join(lines))


def test_clips_have_seconds_classes_and_say_whether_they_are_captions(tmp_path):
    clip = ["a_0", "P01", "P01_11", "00:01:00.50", "00:01:02.50", "take plate", 0, "[2, 5]"]
    empty = ["a_1", "P01", "P01_11", "00:00:02.00", "00:00:02.00", "take plate", 0, "[2]"]
    written(tmp_path, [clip, empty, ["a_2", *clip[1:]]], ["a_0"])
    found = epic100_mir.load(tmp_path)
    first, second = found.samples
    assert (first.media[0].path, first.media[0].start_s, first.length_s) == ("P01/videos/P01_11.MP4", 60.5, 2.0)
    assert first.target.nouns == {2, 5} and (first.target.is_caption, second.target.is_caption) == (True, False)
    assert found.reasons == {"empty_span": 1}
    written(tmp_path, [clip], ["a_0", "unknown"])
    with pytest.raises(ValueError, match="1 captions, as unknown, are of no clip"):
        epic100_mir.load(tmp_path)


def test_blind_rankings_of_released_clips(tmp_path):
    samples = released.loaded("epic100_mir").samples
    assert len(samples) == 9668 and sum(sample.target.is_caption for sample in samples) == 3842
    few = [sample for sample in samples if sample.target.is_caption][:300]
    found = {kind: (scores, whole) for kind, (_, scores, whole) in rankings.blind(few).items()}
    assert all(len(scores["map_v2t"]) == 300 for scores, _ in found.values())
    # nothing earns nothing: of equally similar captions the less relevant come first
    assert found["constant"][1]["map"] < found["random"][1]["map"] < 0.2
    assert found["text_only"][1]["ndcg"] > found["constant"][1]["ndcg"]
