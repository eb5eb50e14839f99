import json
import pickle
import shutil
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import records, video
from components.data import annotations
from components.data.frames import shards
from components.data.frames import step as frames
from components.data.frames.store import FrameStore, SamplingContractError
from tests.components.data.frames.test_sampling import plain_frames

TEXT = {"kind": "text", "text": "C", "choices": None, "answer_index": None, "span": None, "box_xyxy": None}


def sample(sample_id, kind, media, paired=()):
    return {
        "sample_id": sample_id,
        "corpus": "egoexoclip",
        "task": "caption",
        "question_type": "narration",
        "take_id": "t",
        "split": "train",
        "view": "ego",
        "media": media,
        "paired": list(paired),
        "frame_kind": kind,
        "question": "what does C do?",
        "answer": "C",
        "target": TEXT,
        "parents": [],
    }


def span(of, start_s, end_s):
    return {"video_id": of["video_id"], "view": of["view"], "start_s": start_s, "end_s": end_s}


def annotate(given, data_dir):
    """Write annotations and a few samples of every kind; give the videos."""
    annotations.run(given, data_dir)
    videos = records.read_table(data_dir / "annotations/videos.parquet", records.VIDEO).to_pylist()
    ego = [row for row in videos if row["view"] == "ego"]
    exo = [row for row in videos if row["view"] == "exo"]
    rows = []
    for number, one in enumerate(ego):
        others = [span(row, 3, 4.5) for row in exo if row["take_id"] == one["take_id"]]
        rows.append(sample(f"clip{number}", "clip", [span(one, 3, 4.5)], others))
        rows.append(sample(f"image{number}", "image", [span(one, 5.25, 5.375)]))
        parts = [span(one, 0, 6), span(one, 6, 9), span(one, 9, 16)]
        rows.append(sample(f"window{number}", "window", parts))
    records.write_table(data_dir / "dataset/samples.parquet", rows, records.SAMPLE)
    return videos


@pytest.fixture(scope="module")
def annotated(tiny_world, tmp_path_factory):
    """(data folder with annotations and samples, its videos)."""
    data_dir = tmp_path_factory.mktemp("frames") / "data"
    return data_dir, annotate(tiny_world.params, data_dir)


@pytest.fixture(scope="module")
def stored(annotated, tiny_world):
    data_dir, videos = annotated
    return frames.run(tiny_world.params, data_dir), FrameStore(data_dir / "frames"), videos


def copy_of(annotated, tmp_path):
    shutil.copytree(annotated[0], tmp_path / "data")
    return tmp_path / "data"


def test_the_frames_of_a_sample_are_those_that_the_rule_decodes(stored, annotated, tiny_world):
    _, store, videos = stored
    root, size_px = tiny_world.params.sources.egoexo4d, tiny_world.params.frames.size_px
    of = {row["video_id"]: row for row in videos}
    samples = records.read_table(annotated[0] / "dataset/samples.parquet", records.SAMPLE).to_pylist()
    expected_frames = {"image": 2, "clip": 4, "window": 32}
    for row in samples:
        assert len(row["paired"]) == (2 if row["frame_kind"] == "clip" else 0)
        for view, spans in [(None, row["media"]), *((view, [each]) for view, each in enumerate(row["paired"]))]:
            shown = store.frames(row["sample_id"], exo_view=view)
            chosen = plain_frames(spans, of, n_frames=expected_frames[row["frame_kind"]])
            direct = np.concatenate(
                [video.decode(root / of[name]["path"], np.array([index]), size_px=size_px) for name, index in chosen]
            )
            assert shown.shape == direct.shape == (expected_frames[row["frame_kind"]], size_px, size_px, 3)
            assert np.abs(shown.astype(int) - direct).mean() < 2  # JPEG at quality 95


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.text("0123456789abcdef", min_size=1, max_size=16), st.booleans()), unique_by=lambda k: k[0]),
    st.lists(st.text("0123456789abcdef", min_size=1, max_size=20)),
)
def test_a_sample_is_found_on_its_own_line(tmp_path_factory, kept, others):
    root = tmp_path_factory.mktemp("index")
    spans, lines = {}, []
    for sample_id, paired in kept:
        for stream in ("paired", "media")[not paired :]:
            spans[sample_id, stream] = [3 * len(lines), 3 * len(lines) + 1]
            lines.append({"sample_id": sample_id, "stream": stream, "rows": spans[sample_id, stream]})
    pq.write_table(pa.Table.from_pylist(lines, frames.INDEX), root / "index.parquet")
    (root / "contract.json").write_text(json.dumps({"shards": 0, "files": {}}))
    store = FrameStore(root)
    assert len(store) == len(kept)
    asked = [*others, *(sample_id for sample_id, _ in kept)]
    assert store.holds(asked).tolist() == [(one, "media") in spans for one in asked] == [one in store for one in asked]
    in_chunks = pd.concat([pd.Series(asked, dtype="str")] * 2, ignore_index=True)
    assert isinstance(pa.array(in_chunks, pa.string()), pa.ChunkedArray)
    assert store.holds(in_chunks).tolist() == store.holds(asked).tolist() * 2
    for stream in ("media", "paired"):
        found = store._find(asked, stream)
        rows = [None if line < 0 else store._rows[slice(*store._ends[line : line + 2])].tolist() for line in found]
        assert rows == [spans.get((one, stream)) for one in asked]


def test_where_a_sample_lies_takes_few_bytes(tmp_path):
    """A dict of a million samples took 300 MB, in every process that opens the frames."""
    ids = [records.content_id(number) for number in range(1000)]
    index = {"sample_id": ids, "stream": ["media"] * 1000, "rows": [[0]] * 1000}
    pq.write_table(pa.table(index, schema=frames.INDEX), tmp_path / "index.parquet")
    (tmp_path / "contract.json").write_text(json.dumps({"shards": 0, "files": {}}))
    tracemalloc.start()
    store = FrameStore(tmp_path)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert store.holds(ids).all() and taken < 1000 * 40


def test_the_exo_frames_show_the_same_moment(stored, annotated):
    _, _, videos = stored
    of = {row["video_id"]: row for row in videos}
    clip = records.read_table(annotated[0] / "dataset/samples.parquet", records.SAMPLE).to_pylist()[0]
    spans = [*clip["media"], *clip["paired"]]
    times = [[index for _, index in plain_frames([each], of, n_frames=4)] for each in spans]
    assert times == [[25, 28, 31, 34]] * 3


def test_an_image_is_its_frame_repeated(stored):
    _, store, _ = stored
    shown = store.frames("image0")
    assert (shown[0] == shown[1]).all()


def test_each_frame_is_stored_once_and_all_shards_but_the_last_are_full(stored, annotated):
    result, store, _ = stored
    contract = json.loads((annotated[0] / "frames/contract.json").read_text())
    takes = result["counts"]["samples"] // 3
    # a clip lies inside its take's window, so that it mostly asks for frames that are stored already
    assert result["counts"]["frames"] < takes * (4 + 2 * 4 + 1 + 32)
    assert contract["frames"] == result["counts"]["frames"] == sum(len(shard) for shard in store._shards)
    assert [len(shard) for shard in store._shards[:-1]] == [100] * (contract["shards"] - 1) and contract["shards"] > 1


def test_the_store_knows_its_samples_and_says_which_view_is_missing(stored):
    result, store, _ = stored
    assert len(store) == result["counts"]["samples"] and "clip0" in store and "nothing" not in store
    for sample_id, view in (("image0", 0), ("clip0", 2)):
        with pytest.raises(KeyError, match=f"'{sample_id}' has no frames in .*, exo view {view}"):
            store.frames(sample_id, exo_view=view)


def test_a_store_can_be_sent_to_a_worker_process(stored):
    _, store, _ = stored
    packed = pickle.dumps(store)
    assert len(packed) < 1000
    assert (pickle.loads(packed).frames("clip1") == store.frames("clip1")).all()


def test_frames_of_another_contract_are_refused_with_both_digests(stored, tiny_world):
    _, store, _ = stored
    store.check(frames.contract_of(tiny_world.params.frames)["digest"])
    other = frames.contract_of(tiny_world.params.frames.model_copy(update={"clip_frames": 8}))["digest"]
    with pytest.raises(
        SamplingContractError, match=f"have contract .*expected is {other[:12]}; run `dvc repro frames`"
    ):
        store.check(other)


def test_a_second_run_reuses_every_shard_and_a_lost_or_half_one_is_made_again(stored, annotated, tiny_world, tmp_path):
    data_dir = copy_of(annotated, tmp_path)
    folder = data_dir / "frames"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shards = sorted(folder.glob("shard-*.arrow"))
    again = frames.run(tiny_world.params, data_dir)["counts"]
    assert again["shards_reused"] == again["shards"] == len(shards)
    shards[0].unlink()
    shards[1].write_bytes(shards[1].read_bytes()[:500])
    (folder / "shard-00099.arrow").write_bytes(b"of a larger data set")
    assert frames.run(tiny_world.params, data_dir)["counts"]["shards_reused"] == len(shards) - 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_film_with_other_content_is_decoded_again(stored, annotated, tiny_world, tmp_path):
    _, store, videos = stored
    data_dir = copy_of(annotated, tmp_path)
    raw = tmp_path / "raw"
    shutil.copytree(tiny_world.params.sources.egoexo4d, raw)
    ego = [raw / row["path"] for row in videos if row["view"] == "ego"]
    shutil.copy(ego[1], ego[0])
    sources = tiny_world.params.sources.model_copy(update={"egoexo4d": raw})
    result = frames.run(tiny_world.params.model_copy(update={"sources": sources}), data_dir)
    assert 0 < result["counts"]["shards_reused"] < result["counts"]["shards"]
    assert (FrameStore(data_dir / "frames").frames("clip0") == store.frames("clip1")).all()


def test_a_long_film_is_decoded_in_parts_to_the_same_bytes(stored, annotated, tiny_world, tmp_path, monkeypatch):
    data_dir = copy_of(annotated, tmp_path)
    before = {path.name: path.read_bytes() for path in (data_dir / "frames").iterdir()}
    shutil.rmtree(data_dir / "frames")
    monkeypatch.setattr(shards, "PART_FRAMES", 7)
    assert frames.run(tiny_world.params, data_dir)["counts"]["shards_reused"] == 0
    assert {path.name: path.read_bytes() for path in (data_dir / "frames").iterdir()} == before


def test_another_size_makes_every_shard_anew(stored, annotated, tiny_world, tmp_path):
    data_dir = copy_of(annotated, tmp_path)
    small = tiny_world.params.frames.model_copy(update={"size_px": 32})
    result = frames.run(tiny_world.params.model_copy(update={"frames": small}), data_dir)
    assert result["counts"]["shards_reused"] == 0
    assert FrameStore(data_dir / "frames").frames("clip0").shape == (4, 32, 32, 3)


def test_samples_of_a_broken_video_or_a_bad_span_are_rejected_and_no_others(stored, annotated, tiny_world, tmp_path):
    _, store, videos = stored
    data_dir = copy_of(annotated, tmp_path)
    raw = tmp_path / "raw"
    shutil.copytree(tiny_world.params.sources.egoexo4d, raw)
    samples = records.read_table(data_dir / "dataset/samples.parquet", records.SAMPLE).to_pylist()
    broken = next(row for row in videos if row["video_id"] == samples[0]["paired"][0]["video_id"])
    (raw / broken["path"]).write_bytes((raw / broken["path"]).read_bytes()[:1500])
    samples[1]["media"][0] |= {"start_s": 17.0, "end_s": 18.0}
    records.write_table(data_dir / "dataset/samples.parquet", samples, records.SAMPLE)
    sources = tiny_world.params.sources.model_copy(update={"egoexo4d": raw})
    result = frames.run(tiny_world.params.model_copy(update={"sources": sources}), data_dir)
    rejects = records.read_table(data_dir / "frames/rejects.parquet", records.REJECT).to_pylist()
    # a clip whose exo half is lost is no pair any more: the whole sample goes
    assert {(row["row_id"], row["reason"]) for row in rejects} == {
        ("clip0", "video_not_decoded"),
        ("image0", "bad_span"),
    }
    detail = next(row["detail"] for row in rejects if row["row_id"] == "clip0")
    assert broken["path"] in detail and str(tmp_path) not in detail
    assert result["row_counts"] == [("samples", len(samples), len(samples) - 2, 2)]
    left = FrameStore(data_dir / "frames")
    assert len(left) == len(samples) - 2 and "clip0" not in left
    assert (left.frames("window0") == store.frames("window0")).all()
    # the film is mended: the next run finds that out, and keeps the shards that had no part in it
    shutil.copy(tiny_world.params.sources.egoexo4d / broken["path"], raw / broken["path"])
    again = frames.run(tiny_world.params.model_copy(update={"sources": sources}), data_dir)
    assert again["counts"]["rejects"] == 1 and again["counts"]["shards_reused"] == again["counts"]["shards"] - 1
    mended = FrameStore(data_dir / "frames")
    assert (mended.frames("clip0", exo_view=0) == store.frames("clip0", exo_view=0)).all()


def test_a_path_out_of_the_root_is_not_opened(annotated, tiny_world, tmp_path):
    data_dir = copy_of(annotated, tmp_path)
    path = data_dir / "annotations/videos.parquet"
    rows = records.read_table(path, records.VIDEO).to_pylist()
    records.write_table(path, [row | {"path": "../../" + row["path"]} for row in rows], records.VIDEO)
    shutil.rmtree(data_dir / "frames", ignore_errors=True)
    result = frames.run(tiny_world.params, data_dir)
    assert result["counts"]["rejects"] == result["counts"]["samples"]
    rejects = records.read_table(data_dir / "frames/rejects.parquet", records.REJECT).to_pylist()
    assert all("leaves its root" in row["detail"] and str(tmp_path) not in row["detail"] for row in rejects)
