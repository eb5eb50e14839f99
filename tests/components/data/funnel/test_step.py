"""The funnel on films: nothing is lost, nothing stops it, and a killed run goes on where it was."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components import records
from components.data import annotations
from components.data.clips import step as clips
from components.data.contracts import beside
from components.data.funnel import clip_reader, scoring, step
from components.params import Data
from components.video.killable_worker import KillableWorker
from components.world import web
from tests.components.data.conftest import changed
from tests.conftest import TinyWorld

pytest.importorskip("daft")
PART = 4  # rows: some six parts of the tiny world's sentences and captions


def few(world: TinyWorld) -> Data:
    return changed(world.params, "funnel", shard_rows=PART)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def done(tiny_world, tmp_path_factory) -> tuple[Path, dict]:
    """A data folder with annotations, clips and the funnel, and what the funnel told; nobody may change it."""
    data_dir = tmp_path_factory.mktemp("funnel") / "data"
    for earlier in (annotations, clips):
        earlier.run(tiny_world.params, data_dir)
    return data_dir, step.run(few(tiny_world), data_dir)


def before_funnel(done, tmp_path) -> Path:
    for name in ("annotations", "clips"):
        shutil.copytree(done[0] / name, tmp_path / "data" / name)
    return tmp_path / "data"


@pytest.mark.slow
def test_rows_in_are_rows_out_and_rejects_and_the_contract_holds(done, tiny_world):
    data_dir, told = done
    tables = (pq.read_table(data_dir / f"annotations/{name}.parquet") for name in ("point_narrations", "captions"))
    said = sum(source in web.CORPORA for table in tables for source in table["source"].to_pylist())
    assert told["row_counts"][0][1] == told["counts"]["rows"] == said > 20
    assert all(rows_in == rows_out + rejected for _, rows_in, rows_out, rejected in told["row_counts"])
    kept, rejects = (pq.read_table(data_dir / f"funnel/{name}.parquet") for name in ("kept", "rejects"))
    assert len(kept) + len(rejects) == said and len(kept) == told["row_counts"][-1][2]
    beside.check("funnel", data_dir)


@pytest.mark.slow
def test_broken_films_are_rejected_by_name_and_stop_nothing(done, tiny_world):
    data = tiny_world.params
    rejects = records.read_table(done[0] / "funnel/rejects.parquet", records.REJECT).to_pylist()
    reasons = {kind: set() for kind in web.BROKEN}
    scored = [row for path in (done[0] / "funnel/scores").iterdir() for row in pq.read_table(path).to_pylist()]
    of = {each.vid: each.kind for each in web.plan_videos(data.seed, data.world.web_videos)}
    for row in scored:
        if of[row["take_id"]] in reasons:
            reasons[of[row["take_id"]]].add(row["reason"])
    assert reasons == {"corrupt": {"video_unreadable"}, "missing": {"video_missing"}}
    named = {row["reason"] for row in rejects if row["step"] == "funnel/read"}
    assert named == {"video_unreadable", "video_missing"}


@pytest.mark.slow
def test_a_second_run_reuses_models_and_parts_and_writes_the_same_bytes(done, tiny_world, tmp_path):
    shutil.copytree(done[0], tmp_path / "data")
    before = files(tmp_path / "data/funnel")
    (tmp_path / "data/funnel/scores/part-00099.parquet").write_bytes(b"of a larger corpus")
    again = step.run(few(tiny_world), tmp_path / "data")["counts"]
    assert again["parts_reused"] == again["parts"] == done[1]["counts"]["parts"] >= 5
    assert files(tmp_path / "data/funnel") == before


RUN = """
import pickle, sys
from pathlib import Path
from components.data.funnel import step
if __name__ == "__main__":
    step.run(pickle.loads(bytes.fromhex(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 4])
def test_a_killed_run_goes_on_with_the_unfinished_parts_to_the_same_bytes(done, tiny_world, tmp_path, parts):
    import pickle

    data_dir = before_funnel(done, tmp_path)
    script = tmp_path / "run.py"
    script.write_text(RUN)
    arguments = [sys.executable, str(script), pickle.dumps(few(tiny_world)).hex(), str(data_dir)]
    path = os.pathsep.join([str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(arguments, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.DEVNULL)
    finished = data_dir / "funnel/scores"
    while len(list(finished.glob("part-*.parquet"))) < parts:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    there = {each.name: each.stat().st_mtime_ns for each in finished.glob("part-*.parquet")}
    again = step.run(few(tiny_world), data_dir)["counts"]
    assert parts <= again["parts_reused"] == len(there) < again["parts"]
    assert {name: (finished / name).stat().st_mtime_ns for name in there} == there
    assert files(data_dir / "funnel") == files(done[0] / "funnel")


@pytest.mark.slow
def test_a_film_that_was_mended_is_scored_again_and_no_other_part(done, tiny_world, tmp_path):
    data_dir = before_funnel(done, tmp_path)
    shutil.copytree(done[0] / "funnel", data_dir / "funnel")
    raw = tmp_path / "raw"
    for name in web.CORPORA:
        shutil.copytree(getattr(tiny_world.params.sources, name), raw / name)
    planned = web.plan_videos(tiny_world.params.seed, tiny_world.params.world.web_videos)
    bad = next(each for each in planned if each.kind == "missing")
    good = next(each for each in planned if each.kind == "hands_at_work")
    films = (getattr(tiny_world.params.sources, good.corpus) / f"videos/{good.vid}.mp4", raw / bad.corpus / "videos")
    shutil.copy(films[0], films[1] / f"{bad.vid}.mp4")
    moved = changed(few(tiny_world), "sources", **{name: raw / name for name in web.CORPORA})
    again = step.run(moved, data_dir)["counts"]
    assert again["parts_reused"] == again["parts"] - 1 and again["read"] > done[1]["counts"]["read"]


@pytest.mark.slow
def test_a_decoder_that_takes_too_long_is_killed_and_asked_again_next_time(done, tiny_world, tmp_path):
    data_dir, _ = done
    roots = tiny_world.params.sources.given()
    parts = sorted((data_dir / "funnel/candidates").iterdir())[:1]

    def score(timeout_s: float) -> tuple[list[Path], int]:
        decoding = clip_reader.Decoding(frames=8, size_px=64, timeout_s=timeout_s)
        models = data_dir / "funnel"
        return scoring.score(parts, tmp_path, models, roots, encoder="grid", detector="learned", decoding=decoding)

    for timeout_s, reasons in ((1e-6, {"decoder_killed"}), (60.0, {""})):
        made, reused = score(timeout_s)
        told = pq.read_table(made[0])["reason"].to_pylist()
        assert reused == 0 and reasons <= set(told)
    assert score(60.0)[1] == 1


def test_without_web_corpora_every_table_is_empty_and_nothing_is_learned(tiny_world, tmp_path):
    sources = tiny_world.params.sources.model_copy(update={"htm_aa": None, "interlink7m": None})
    told = step.run(tiny_world.params.model_copy(update={"sources": sources}), tmp_path / "data")
    assert told["row_counts"] == [(stage, 0, 0, 0) for stage in ("candidates", "read", "ego", "hands")]
    assert len(records.read_table(tmp_path / "data/funnel/videos.parquet", records.VIDEO)) == 0
    assert not (tmp_path / "data/funnel/classifier.json").exists()


def test_footage_is_cut_at_the_end_of_the_film_or_refused_with_a_reason(tiny_world, tmp_path):
    data = tiny_world.params
    each = next(each for each in web.plan_videos(data.seed, data.world.web_videos) if each.kind == "whole_room")
    root, path = getattr(data.sources, each.corpus), f"videos/{each.vid}.mp4"
    with KillableWorker(timeout_s=60) as worker:
        seen = clip_reader.read(
            worker, root, path, ((1.0, 3.0), (7.0, 17.0), (8.0, 18.0)), frames=4, size_px=32, stills=(5,)
        )
        assert seen.spans[1] == (7.0, 8.0) and seen.size_px == (96, 96)
        assert [clip is None for clip in seen.clips] == [False, False, True]
        assert seen.clips[1].shape == (4, 32, 32, 3) and seen.stills.shape == (1, 32, 32, 3)
        for wrong, reason in (("../" + path, "path_outside_root"), ("videos/none.mp4", "video_missing")):
            with pytest.raises(clip_reader.RefusedError, match=reason):
                clip_reader.read(worker, root, wrong, ((1.0, 3.0),), frames=4, size_px=32)
        (tmp_path / "a.mp4").write_bytes(b"no film")
        with pytest.raises(clip_reader.RefusedError, match="video_unreadable"):
            clip_reader.read(worker, tmp_path, "a.mp4", ((1.0, 3.0),), frames=4, size_px=32)
