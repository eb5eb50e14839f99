"""Media become videos or rejects, each once; a killed run is taken up where it was."""

import json
import os
import shutil
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath

import pytest

from components import records, video
from components.data import annotations, media
from components.data.egoit import step as egoit
from components.data.partition import runner
from components.data.sources import ego4d
from components.video.killable_worker import KillableWorker
from tests.components.data.conftest import changed, read, write_annotations

WHOLE = {"start_s": None, "end_s": None, "split": "train"}


class Inline(KillableWorker):
    """Calls in this process: what a killable worker does is tested in tests/components/video."""

    def call(self, function, *args):
        return function(*args)


@pytest.mark.parametrize("folder", ["full_scale", "v2/full_scale", "v1/video_540ss"])
def test_a_film_of_ego4d_is_found_where_the_adapter_of_ego4d_finds_it(tmp_path, folder):
    folders = media.FOLDERS["egoclip"]
    assert {PurePosixPath(each) for each in folders} == {PurePosixPath(each) for each in ego4d.FOLDERS}
    assert media.place(tmp_path, folders, "a.mp4") == "full_scale/a.mp4"
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "a.mp4").touch()
    assert media.place(tmp_path, folders, "a.mp4") == f"{folder}/a.mp4"


@pytest.fixture(scope="module")
def looked(tiny_world, tmp_path_factory):
    """(what the step returned, the data folder) of the tiny world."""
    data_dir = tmp_path_factory.mktemp("media") / "data"
    annotations.run(tiny_world.params, data_dir)
    return media.run(tiny_world.params, data_dir), data_dir


@pytest.fixture
def again(looked, tmp_path, monkeypatch):
    """A copy of the data folder without data/media, to run the step on in this process."""
    monkeypatch.setattr(media, "KillableWorker", Inline)
    shutil.copytree(looked[1] / "annotations", tmp_path / "data/annotations")
    return tmp_path / "data"


def bytes_of(data_dir) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data_dir / "media").iterdir()}


def test_every_medium_is_a_video_or_a_reject(looked):
    result, data_dir = looked
    named = {
        (row["source"], row["path"])
        for name in ("captions", "questions")
        for row in read(data_dir, f"annotations/{name}")
        if row["source"] in media.FOLDERS
    }
    ((_, rows_in, kept, rejected),) = result["row_counts"]
    assert rows_in == len(named) == kept + rejected
    assert set(result["counts"]["videos"]) == {"ssv2", "egtea", "egotimeqa", "openeqa"}
    # of each of the four one is missing, and of the three with films one broke off
    assert result["counts"]["rejects"] == {"missing_medium": 4, "unreadable_medium": 3}
    assert {path.name for path in (data_dir / "media").iterdir()} == {"videos.parquet", "rejects.parquet"}


def test_a_video_says_where_its_file_is_and_how_long_it_lasts(looked, tiny_world):
    rows = read(looked[1], "media/videos")
    assert len({row["video_id"] for row in rows}) == len({row["take_id"] for row in rows}) == len(rows)
    for row in rows:
        root = getattr(tiny_world.params.sources, row["source"])
        seen = video.probe(video.inside(root, row["path"]))
        assert (row["duration_s"], row["fps"], row["view"]) == (seen.duration_s, seen.fps, "ego")
        assert row["path"].endswith(row["take_name"])
    assert Counter(row["split"] for row in rows if row["source"] == "openeqa") == {"train": 5}


def test_two_runs_write_the_same_bytes(looked, again, tiny_world):
    media.run(tiny_world.params, again)
    assert bytes_of(again) == bytes_of(looked[1])


@pytest.mark.parametrize("finished", [0, 1, 4])
def test_a_killed_run_keeps_its_finished_batches_and_ends_in_the_same_bytes(
    looked, again, tiny_world, monkeypatch, finished
):
    monkeypatch.setattr(media, "BATCH", 5)
    written_whole = media.written_whole

    @contextmanager
    def killed(path):
        with written_whole(path) as partial:
            yield partial
            if path.stem == f"{finished:05d}":  # all is written, only the name is missing
                raise KeyboardInterrupt

    with monkeypatch.context() as once, pytest.raises(KeyboardInterrupt):
        once.setattr(media, "written_whole", killed)
        media.run(tiny_world.params, again)
    assert not (again / "media/videos.parquet").exists()
    assert media.run(tiny_world.params, again)["counts"]["batches_kept"] == finished
    assert [row["video_id"] for row in read(again, "media/videos")] == [
        row["video_id"] for row in read(looked[1], "media/videos")
    ]
    kept = bytes_of(again)
    shutil.rmtree(again / "media")
    media.run(tiny_world.params, again)
    assert bytes_of(again) == kept


def test_a_medium_that_changed_since_is_looked_at_again(again, tiny_world, tmp_path, monkeypatch):
    shutil.copytree(tiny_world.params.sources.egtea, tmp_path / "egtea")
    parameters = changed(tiny_world.params, "sources", egtea=tmp_path / "egtea")
    monkeypatch.setattr(media, "BATCH", 5)
    with monkeypatch.context() as once, pytest.raises(KeyboardInterrupt):
        once.setattr(media, "_join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        media.run(parameters, again)
    batches = len(list((again / "media/parts").iterdir()))
    film = next(path for path in (tmp_path / "egtea/cropped_clips").rglob("*.mp4") if path.stat().st_size > 1000)
    film.write_bytes(film.read_bytes()[:500])
    counts = media.run(parameters, again)["counts"]
    assert counts["batches_kept"] == batches - 1
    assert counts["rejects"]["unreadable_medium"] == 4


def caption(number: int, path: str, **other) -> dict:
    whole = {
        "caption_id": f"c{number}",
        "source": "ssv2",
        "path": path,
        "media": "video",
        "text": "cuts",
        "view": "ego",
    }
    return {**WHOLE, **whole, **other}


def test_bad_media_have_a_reason_each(tmp_path, rows, data_params, monkeypatch):
    monkeypatch.setattr(media, "KillableWorker", Inline)
    folder = tmp_path / "ssv2" / media.FOLDERS["ssv2"][0]
    folder.mkdir(parents=True)
    (folder / "empty.webm").touch()
    (folder / "folder.webm").mkdir()
    os.symlink(tmp_path / "elsewhere.webm", folder / "link.webm")
    (tmp_path / "elsewhere.webm").touch()
    names = ("empty.webm", "folder.webm", "link.webm", "none.webm", "../../other.webm", "both.webm", "both.webm")
    rows["captions"] = [caption(n, name, split=("train", "test")[n == 6]) for n, name in enumerate(names)]
    rows["captions"] += [caption(7 + n, "views.webm", view=view) for n, view in enumerate(("ego", "exo"))]
    rows["questions"] = []
    data_dir = write_annotations(tmp_path / "data", rows)
    result = media.run(changed(data_params, "sources", ssv2=tmp_path / "ssv2"), data_dir)
    reasons = {row["row_id"]: row["reason"] for row in read(data_dir, "media/rejects")}
    assert reasons == {
        "ssv2/empty.webm": "unreadable_medium",
        "ssv2/folder.webm": "missing_medium",
        "ssv2/link.webm": "path_outside_root",
        "ssv2/none.webm": "missing_medium",
        "ssv2/../../other.webm": "path_outside_root",
        "ssv2/both.webm": "in_two_splits",
        "ssv2/views.webm": "in_two_views",
    }
    assert result["row_counts"] == [("media", 7, 0, 7)]


def test_a_large_film_may_take_as_long_as_a_slow_disk_reads_it(tmp_path, rows, data_params, monkeypatch):
    allowed_s = []

    class Timed(KillableWorker):
        def call(self, *_):
            allowed_s.append(self.timeout_s)
            return video.Probe(1.0, 8.0, 8)

    monkeypatch.setattr(media, "KillableWorker", Timed)
    folder = tmp_path / "ssv2" / media.FOLDERS["ssv2"][0]
    folder.mkdir(parents=True)
    for name, size in (("a.webm", 10_000_000_000), ("b.webm", 0)):
        (folder / name).touch()
        os.truncate(folder / name, size)  # takes no room
    rows["captions"], rows["questions"] = [caption(n, name) for n, name in enumerate(("a.webm", "b.webm"))], []
    media.run(changed(data_params, "sources", ssv2=tmp_path / "ssv2"), write_annotations(tmp_path / "data", rows))
    assert allowed_s == [media.TIMEOUT_S + 500, media.TIMEOUT_S]


def test_what_only_the_funnel_reads_is_not_looked_at(annotated, data_params):
    assert media.run(data_params, annotated)["row_counts"] == [("media", 0, 0, 0)]
    assert read(annotated, "media/videos") == []


def by_id(rows: list[dict], key: str) -> list[dict]:
    return sorted(rows, key=lambda row: (row[key], str(row)))


def test_what_egoit_makes_of_the_world_is_accounted_for_in_one_lot_and_in_many(looked, tiny_world, again, monkeypatch):
    """Every family of the mixture, from annotations to samples, with the media that were looked at."""
    from components.data.clips import step as clips

    shutil.copytree(looked[1] / "media", again / "media")
    clips.run(tiny_world.params, again)
    result = egoit.run(tiny_world.params, again)
    assert all(rows_in == kept + rejected for _, rows_in, kept, rejected in result["row_counts"])
    counts = json.loads((again / "egoit/counts.json").read_text())
    asked = {(row["source"], row["task"], row["kind"]) for row in counts}
    assert asked >= {
        ("egotimeqa", "qa", "choice"),
        ("egotimeqa", "qa", "text"),
        ("openeqa", "qa", "text"),
        ("egoexolearn", "caption", "text"),
        ("egoexolearn", "qa", "choice"),
        ("egoexo4d", "caption", "text"),
    }
    assert {source for source, *_ in asked} == set(egoit.SOURCES)
    made = read(again, "egoit/samples")
    kept = {
        what: rows for what, _, rows, _ in result["row_counts"] if "to partitions" not in what and what != "requests"
    }
    assert sum(row["samples"] for row in counts) == len(made) == sum(kept.values())
    reasons = Counter(row["reason"] for row in read(again, "egoit/rejects"))
    assert set(reasons) == {"no_video", "outside_video"}
    videos = {row["video_id"]: row for row in records.read_videos(again).to_pylist()}
    for row in made:
        of = videos[row["media"][0]["video_id"]]
        assert (row["take_id"], row["split"], row["view"]) == (of["take_id"], of["split"], of["view"])
        assert row["media"][0]["end_s"] <= of["duration_s"] + 1e-9
    rejects, ledger = read(again, "egoit/rejects"), dict((what, rows) for what, *rows in result["row_counts"])
    monkeypatch.setattr(runner, "run", partial(runner.run, rows=40))
    result = egoit.run(tiny_world.params, again)
    assert len(made) > 100 and dict((what, rows) for what, *rows in result["row_counts"]) == ledger
    assert by_id(read(again, "egoit/samples"), "sample_id") == by_id(made, "sample_id")
    assert by_id(read(again, "egoit/rejects"), "row_id") == by_id(rejects, "row_id")
    assert json.loads((again / "egoit/counts.json").read_text()) == counts
