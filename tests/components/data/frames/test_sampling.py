import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import params, records, video
from components.data.frames import sampling
from components.data.frames.sampling import (
    STREAMS,
    SampledFrames,
    Videos,
    distinct_frames,
    index_in_video,
    sample_frames,
    split_evenly,
    video_of,
)

FRAMES = params.Frames(size_px=8, image_frames=2, clip_frames=4, window_frames=7, jpeg_quality=95, shard_frames=3)
TOTALS = {"image": 2, "clip": 4, "window": 7}
VIDEOS = [
    {"video_id": name, "source": "s", "path": f"{name}.mp4", "duration_s": duration_s, "fps": fps}
    for name, duration_s, fps in (("b", 16.0, 8.0), ("a", 10.0, 29.97), ("c", 0.1, 30.0))
]
VIDEO_TABLE = Videos.of(pa.Table.from_pylist(VIDEOS))
OF = {row["video_id"]: row for row in VIDEOS}


def plain_frames(media, videos, *, n_frames):
    """The frames of a media list, span by span: (video_id, frame index)."""
    if len(media) > n_frames:
        raise ValueError(f"{len(media)} spans for {n_frames} frames")
    chosen = []
    for part, span in enumerate(media):
        count = n_frames // len(media) + (part < n_frames % len(media))
        of = videos[span["video_id"]]
        total = round(of["duration_s"] * of["fps"])
        indices = video.sample_frame_indices(
            span["start_s"], span["end_s"], fps=of["fps"], n_frames=count, total_frames=total
        )
        chosen += [(span["video_id"], int(index)) for index in indices]
    return chosen


SECONDS = [0.0, 0.1, 1 / 3, 2.5, 9.99, 16.0, 17.0, -1.0, float("nan")]


def drawn(seed):
    """Samples of every kind, most of them good: (frame kind, media, paired)."""
    rng = random.Random(seed)

    def span():
        start_s = rng.uniform(0, 9)
        times = (start_s, start_s + rng.uniform(0.01, 7)) if rng.random() < 0.9 else rng.choices(SECONDS, k=2)
        return {"video_id": rng.choice("aaabbbc"), "view": "ego", "start_s": times[0], "end_s": times[1]}

    def media(least):
        return [span() for _ in range(rng.randint(least, 4))]

    kinds = [*TOTALS, *TOTALS, "film"]
    return [(rng.choice(kinds), media(rng.random() < 0.9), media(0)) for _ in range(rng.randint(0, 12))]


def batch_of(rows):
    rows = [
        {"sample_id": str(number), "frame_kind": kind, "media": media, "paired": paired}
        for number, (kind, media, paired) in enumerate(rows)
    ]
    schema = pa.schema([records.SAMPLE.field(name) for name in ("sample_id", "frame_kind", *STREAMS)])
    return pa.RecordBatch.from_pylist(rows, schema)


def as_pairs(numbers):
    videos = VIDEO_TABLE.ids.take(pa.array(video_of(numbers))).to_pylist()
    return list(zip(videos, index_in_video(numbers).tolist(), strict=True))


@given(st.integers(0, 2**32))
def test_a_batch_is_chosen_as_its_samples_are_one_by_one(seed):
    rows = drawn(seed)
    chosen, rejects = sample_frames(batch_of(rows), VIDEO_TABLE, FRAMES)
    expected, bad = [], {}
    for number, (kind, media, paired) in enumerate(rows):
        if kind not in TOTALS or not media:
            bad[str(number)] = "unknown_frame_kind" if kind not in TOTALS else "no_media"
            continue
        try:
            lines = [(number, 0, plain_frames(media, OF, n_frames=TOTALS[kind]))]
            views = [frame for span in paired for frame in plain_frames([span], OF, n_frames=TOTALS[kind])]
            expected += [*lines, (number, 1, views)] if views else lines
        except ValueError:
            bad[str(number)] = "bad_span"
    assert {row["row_id"]: row["reason"] for row in rejects} == bad and len(rejects) == len(bad)
    ends = zip(chosen.offsets[:-1], chosen.offsets[1:], strict=True)
    lines = [as_pairs(chosen.frames[start:end]) for start, end in ends]
    assert list(zip(chosen.samples.tolist(), chosen.streams.tolist(), lines, strict=True)) == expected


@pytest.mark.parametrize(
    ("spans", "detail"),
    [
        ([("a", 3.0, 3.0)], "start < end"),
        ([("b", 1.0, 2.0), ("b", 17.0, 18.0)], "inside the 16 s of the video"),
        ([("z", 0.0, 1.0)], "video z is in none of the tables"),
        ([("b", None, 2.0)], "start < end"),
    ],
)
def test_a_bad_span_is_rejected_with_what_is_wrong_with_it(spans, detail):
    media = [{"video_id": name, "view": "ego", "start_s": start, "end_s": end} for name, start, end in spans]
    good = [{"video_id": "b", "view": "ego", "start_s": 0.0, "end_s": 1.0}]
    chosen, rejects = sample_frames(batch_of([("image", good, media), ("image", good, [])]), VIDEO_TABLE, FRAMES)
    assert [(row["row_id"], row["reason"]) for row in rejects] == [("0", "bad_span")] and detail in rejects[0]["detail"]
    assert chosen.samples.tolist() == [1]


def test_media_share_the_frames_of_a_sample_and_exo_views_do_not():
    span = {"video_id": "b", "view": "ego", "start_s": 1.0, "end_s": 2.0}
    rows = [("image", [span] * 3, []), ("image", [span], [span] * 3)]
    chosen, rejects = sample_frames(batch_of(rows), VIDEO_TABLE, FRAMES)
    assert [(row["row_id"], row["detail"].split(":")[0]) for row in rejects] == [("0", "3 spans for 2 frames")]
    assert chosen.samples.tolist() == [1, 1] and chosen.offsets.tolist() == [0, 2, 8]


def test_no_videos_and_no_samples_are_no_error():
    none = Videos.of(records.VIDEO.empty_table())
    media = [{"video_id": "a", "view": "ego", "start_s": 0.0, "end_s": 1.0}]
    assert sample_frames(batch_of([("clip", media, [])]), none, FRAMES)[1][0]["reason"] == "bad_span"
    assert len(sample_frames(batch_of([]), none, FRAMES)[0].frames) == 0 == len(distinct_frames([]))


@given(st.integers(1, 64), st.integers(1, 64))
def test_spread_gives_all_frames_as_evenly_as_it_can(total, parts):
    counts = split_evenly(np.full(parts, total), np.full(parts, parts), np.arange(parts)).tolist()
    assert sum(counts) == total and max(counts) - min(counts) <= 1 and counts == sorted(counts, reverse=True)


@given(st.lists(st.lists(st.integers(0, 50), max_size=30), max_size=8), st.integers(1, 40))
def test_each_frame_is_needed_once_however_the_batches_fall(batches, merged):
    empty = np.empty(0, np.int64)
    of = [SampledFrames(empty, empty, empty, np.array(frames, dtype=np.int64)) for frames in batches]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_MERGE_SIZE", merged)
        assert distinct_frames(of).tolist() == sorted({frame for frames in batches for frame in frames})


def test_a_sample_is_left_out_with_all_its_streams():
    chosen = SampledFrames(np.array([0, 0, 2]), np.array([0, 1, 0]), np.array([0, 2, 4, 5]), np.arange(5))
    left = chosen.without(np.array([True, False, False]))
    assert [left.samples.tolist(), left.streams.tolist(), left.offsets.tolist(), left.frames.tolist()] == [
        [2], [0], [0, 1], [4],
    ]  # fmt: skip
