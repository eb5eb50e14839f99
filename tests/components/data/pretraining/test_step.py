"""Captions and questions about media become samples of the corpora of pre-training, and nothing is lost on the way."""

from collections import Counter
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components import records
from components.data import dataset
from components.data.frames import step as frames
from components.data.frames.store import FrameStore
from components.data.partition import runner
from components.data.pretraining import step
from components.data.pretraining.step import ASKED, CORPORA
from components.train.dataset import SampleDataset
from tests.components.data.conftest import read

WEB = [source for source, corpus in CORPORA.items() if corpus == "web"]


def by_id(rows: list[dict], key: str) -> list[dict]:
    return sorted(rows, key=lambda row: (row[key], str(row)))


def test_every_caption_of_a_medium_that_is_there_is_a_sample(told):
    data_dir, _ = told
    kept = {row["path"]: row for row in read(data_dir, "media/videos") if row["source"] in WEB}
    captions = {row["caption_id"]: row for row in read(data_dir, "annotations/captions") if row["source"] in WEB}
    samples = [row for row in read(data_dir, "pretraining/samples") if row["corpus"] == "web"]
    assert {captions[row["parents"][0]]["source"] for row in samples} == set(WEB)
    videos = {row["video_id"]: row for row in kept.values()}
    for row in samples:
        caption = captions[row["parents"][0]]
        assert (row["task"], row["view"], row["split"]) == ("caption", "exo", caption["split"])
        assert (row["question"], row["answer"]) == (ASKED["web"], caption["text"])
        assert row["target"]["kind"] == "text" and row["target"]["text"] == caption["text"]
        (shown,) = row["media"]
        film = videos[shown["video_id"]]
        assert film["path"].endswith(caption["path"]) and film["take_id"] == row["take_id"]
        if caption["start_s"] is None:
            assert (shown["start_s"], shown["end_s"]) == (0.0, film["duration_s"])
        else:
            assert (shown["start_s"], shown["end_s"]) == (caption["start_s"], caption["end_s"])


def test_images_are_samples_of_one_frame(told):
    data_dir, _ = told
    captions = {row["caption_id"]: row for row in read(data_dir, "annotations/captions")}
    kinds = Counter(
        (captions[row["parents"][0]]["media"], row["frame_kind"])
        for row in read(data_dir, "pretraining/samples")
        if row["corpus"] == "web"
    )
    assert set(kinds) == {("image", "image"), ("video", "clip")}


def test_what_is_lost_has_a_reason(told):
    data_dir, counts = told
    # one of each corpus, and of conversations an image and a film
    assert counts["media"]["rejects"] == dict.fromkeys(("missing_medium", "unreadable_medium"), len(CORPORA) + 1)
    lost = Counter(row["reason"] for row in read(data_dir, "pretraining/rejects"))
    assert lost["outside_video"] >= 1 and set(lost) == {"no_video", "outside_video"}
    told_of = sum(
        row["source"] in CORPORA
        for table in ("captions", "questions")
        for row in read(data_dir, f"annotations/{table}")
    )
    assert len(read(data_dir, "pretraining/samples")) + lost.total() == told_of


def test_many_partitions_make_the_same_samples(told, settings, tmp_path, monkeypatch):
    data_dir, _ = told
    for name in ("annotations/captions", "annotations/questions", "media/videos"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.parquet").symlink_to(data_dir / f"{name}.parquet")
    monkeypatch.setattr(runner, "run", partial(runner.run, rows=20))
    step.run(settings, tmp_path)
    for name, key in (("samples", "sample_id"), ("rejects", "row_id")):
        assert by_id(read(tmp_path, f"pretraining/{name}"), key) == by_id(read(data_dir, f"pretraining/{name}"), key)


@pytest.fixture(scope="module")
def shown(told, settings, tmp_path_factory) -> Path:
    """A data folder with the frames of every sample of pre-training."""
    data_dir, _ = told
    folder = tmp_path_factory.mktemp("shown") / "data"
    for name in ("annotations/videos", "media/videos"):
        (folder / name).parent.mkdir(parents=True)
        (folder / f"{name}.parquet").symlink_to(data_dir / f"{name}.parquet")
    samples = pq.read_table(data_dir / "pretraining/samples.parquet")
    records.write_table(folder / "dataset/samples.parquet", samples, records.SAMPLE)
    frames.run(settings, folder)
    return folder


def test_the_frames_of_every_sample_can_be_shown(shown, settings):
    store, samples = FrameStore(shown / "frames"), read(shown, "dataset/samples")
    assert len(store) == len(samples)
    for row in samples:
        seen = store.frames(row["sample_id"])
        assert len(seen) == getattr(settings.frames, f"{row['frame_kind']}_frames")
        assert (seen[0] == seen[-1]).all() == (row["frame_kind"] == "image")


def test_training_shows_the_options_of_a_closed_question(shown, settings):
    closed = {row["answer"]: row for row in read(shown, "dataset/samples") if row["target"]["kind"] == "choice"}
    items = SampleDataset(
        shown, {"general/qa/exo": 1.0}, steps=1, batch=8, seed=0, exo_views=None,
        contract=frames.contract_of(settings.frames)["digest"],
    )  # fmt: skip
    asked = {answer: question for item in items for question, answer in item["turns"]}
    assert closed.keys() < asked.keys()
    for answer, question in asked.items():
        choices = closed[answer]["target"]["choices"] if answer in closed else []
        assert question.endswith(f"? Choose one of: {'; '.join(choices)}." if choices else "?")


def test_without_such_corpora_the_tables_are_empty(annotated, data_params):
    result = step.run(data_params, annotated)
    assert result["counts"] == {} and read(annotated, "pretraining/samples") == []


def test_what_egoclip_says_of_its_wearer_is_seen_by_the_wearer(told):
    data_dir, counts = told
    samples = [row for row in read(data_dir, "pretraining/samples") if row["corpus"] == "egoclip"]
    assert {(row["task"], row["view"], row["question"]) for row in samples} == {("caption", "ego", ASKED["egoclip"])}
    assert all(row["answer"].startswith("C ") for row in samples)
    assert min(row["media"][0]["start_s"] for row in samples) == 0.0
    assert counts["annotations"]["reasons"]["egoclip/not_camera_wearer"] == 1


def test_conversations_become_captions_and_questions(told):
    data_dir, counts = told
    samples = [row for row in read(data_dir, "pretraining/samples") if row["corpus"] == "general"]
    made = Counter((row["task"], row["view"], row["frame_kind"], row["target"]["kind"]) for row in samples)
    assert made == {
        ("caption", "exo", "image", "text"): 4,  # of three images, one told of twice
        ("qa", "exo", "image", "text"): 3,
        ("qa", "exo", "clip", "choice"): 2,
        ("qa", "ego", "clip", "text"): 3,
    }
    reasons = {name: rows for name, rows in counts["annotations"]["reasons"].items() if name.startswith("general/")}
    assert reasons == {
        "general/answer_is_no_option": 1,
        "general/no_answer": 1,
        "general/no_medium": 2,
        "general/not_a_path": 2,
        "general/several_images": 2,
    }
    several = [row for row in read(data_dir, "annotations/rejects") if row["reason"] == "several_images"]
    assert all(row["detail"].startswith("2 came, one is allowed: ") for row in several)
    assert {row["split"] for row in samples if row["question_type"] == "action_open"} == {"train", "test"}


def test_a_closed_question_keeps_the_options_of_its_record(told):
    data_dir, _ = told
    asked = {row["question_id"]: row for row in read(data_dir, "annotations/questions")}
    closed = [row for row in read(data_dir, "pretraining/samples") if row["target"]["kind"] == "choice"]
    assert len(closed) == 2
    for row in closed:
        record, target = asked[row["parents"][0]], row["target"]
        assert sorted(target["choices"]) == sorted([record["answer"], *record["wrong_answers"]])
        assert target["choices"][target["answer_index"]] == row["answer"] == record["answer"]


def test_a_caption_that_comes_again_is_one_sample(told):
    samples = pq.read_table(told[0] / "pretraining/samples.parquet")
    kept, rejects = dataset.mixed(samples, rates={}, seed=0)
    assert rejects[["reason", "detail"]].values.tolist() == [["near_duplicate", "general/caption"]]
    assert len(kept) == len(samples) - 1
