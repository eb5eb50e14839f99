import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.frames import shards
from components.data.frames.sampling import Videos
from components.data.frames.shards import pack

VIDEOS = [
    {"video_id": name, "source": "s", "path": f"{name}.mp4", "duration_s": 9.0, "fps": 8.0} for name in ("b", "c", "a")
]
VIDEO_TABLE = Videos.of(pa.Table.from_pylist(VIDEOS))


def laid(frames: dict[str, list[int]], shard_frames: int) -> list[list[tuple]]:
    numbers = [
        VIDEO_TABLE.ids.index(name).as_py() << 32 | index for name, indices in frames.items() for index in indices
    ]
    table = pack(np.array(sorted(numbers), dtype=np.int64), VIDEO_TABLE, shard_frames=shard_frames)
    assert table["number"].to_pylist() == list(range(len(table)))
    assert all(piece["path"] == f"{piece['video_id']}.mp4" for row in table["pieces"].to_pylist() for piece in row)
    return [[(piece["video_id"], piece["indices"]) for piece in row] for row in table["pieces"].to_pylist()]


def test_a_video_may_lie_across_shards():
    assert laid({"a": list(range(7)), "b": [4, 2]}, 3) == [
        [("a", [0, 1, 2])],
        [("a", [3, 4, 5])],
        [("a", [6]), ("b", [2, 4])],
    ]


@given(st.dictionaries(st.sampled_from("abc"), st.sets(st.integers(0, 20), min_size=1)), st.integers(1, 9))
def test_frames_are_laid_video_after_video_into_full_shards(frames, shard_frames):
    made = laid({name: sorted(indices) for name, indices in frames.items()}, shard_frames)
    flat = [(name, index) for shard in made for name, indices in shard for index in indices]
    assert flat == sorted((name, index) for name, indices in frames.items() for index in indices)
    sizes = [sum(len(indices) for _, indices in shard) for shard in made]
    assert all(size == shard_frames for size in sizes[:-1]) and all(0 < size <= shard_frames for size in sizes)
    # a video is opened once for a shard
    assert all(len({name for name, _ in shard}) == len(shard) for shard in made)


def test_a_shard_that_cannot_be_written_is_told_when_all_others_are(tmp_path):
    plan = pack(np.arange(3), VIDEO_TABLE, shard_frames=1)
    (tmp_path / "shard-00001.arrow").mkdir()
    with pytest.raises(RuntimeError, match=r"1 of 3 shards .*shard-00001.arrow \(.*keeps the others"):
        shards.write_shards(plan, tmp_path, roots={"s": tmp_path}, size_px=8, jpeg_quality=95, digest="d")
    assert sorted(path.name for path in tmp_path.glob("*.arrow") if path.is_file()) == [
        "shard-00000.arrow",
        "shard-00002.arrow",
    ]
