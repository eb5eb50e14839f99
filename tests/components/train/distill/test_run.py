"""A teacher with random weights, whose own generation settings end its answers, and a student of what it said."""

import argparse
import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from transformers import GenerationConfig

from components import params, records
from components.data.frames.store import FrameStore
from components.models import build
from components.tracking import history
from components.train.dataset import Collate, SampleDataset
from components.train.distill import queries, questions, run, teacher
from tests.components.train.conftest import ROOT, shrunk_recipe, write_fresh

RUN = {"mixture": {"egoexoclip/caption/ego": 1.0}, "train_batch_size": 5, "seed": 3}
ASKS = {"queries": "kitchen", "views": ["ego", "exo"], "segments": 4, "generation": "model", "max_new_tokens": 6}


class KilledError(Exception):
    """Stands for SIGKILL."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> params.Recipe:
    whole = shrunk_recipe(tmp_path_factory.mktemp("recipe") / "recipe.yaml")
    asks = {"name": "distill", "algorithm": "distill", "parents": {"all": "init_ego"}, "distill": ASKS, **RUN}
    return params.Recipe.model_validate(whole.model_dump() | {"stages": [*whole.model_dump()["stages"][:4], asks]})


@pytest.fixture(scope="module")
def parent(recipe, tmp_path_factory) -> Path:
    folder = write_fresh(tmp_path_factory.mktemp("teacher"), recipe.model)
    # of random weights hardly any answer would end: here every third word does
    ends = list(range(2, 10_000, 3))
    GenerationConfig(eos_token_id=ends, pad_token_id=0, do_sample=True).save_pretrained(folder / "model")
    return folder


@pytest.fixture(scope="module")
def ask(recipe, parent, tiny_data):
    def ask(output: Path) -> None:
        data, stage = params.load(ROOT / "params/data.yaml", params.Data), recipe.stages[-1]
        contract = json.loads((tiny_data / "frames/contract.json").read_text())
        frames = data.frames.model_copy(update={name: contract[name] for name in type(data.frames).model_fields})
        options = argparse.Namespace(
            data=tiny_data, output=output, run_id="none", provenance={"stage_key": "k"}, parents={"all": str(parent)}
        )
        whole = data.model_copy(update={"frames": frames})
        assert run.run(recipe, stage, stage.distill, whole, {"all": parent / "model"}, options) == 0

    return ask


@pytest.fixture(scope="module")
def written(ask, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("distilled")
    ask(output)
    return output


def table(folder: Path) -> list[dict]:
    return records.read_table(folder / "samples.parquet", records.SAMPLE).to_pylist()


def test_every_question_is_a_sample_or_a_reject(written):
    made = json.loads((written / "stage.json").read_text())
    rows = table(written)
    rejects = records.read_table(written / "rejects.parquet", records.REJECT).to_pylist()
    # four segments, a query of each family, asked about ego and about exo
    assert sum(made["answers"].values()) == 4 * 3 * 2
    assert Counter(row["reason"] for row in rejects) == {k: n for k, n in made["answers"].items() if k != "answer"}
    keys = Counter(f"{row['corpus']}/{row['task']}/{row['view']}" for row in rows)
    assert keys["distilled/caption/exo"] == keys["captioned/caption/ego"] > 0 < keys["captioned/caption/exo"]
    assert keys["captioned/caption/ego"] + keys["captioned/caption/exo"] == made["answers"]["answer"]
    assert len({row["sample_id"] for row in rows}) == len(rows) and all(row["answer"].strip() for row in rows)
    assert {row["question_type"] for row in rows} <= set(queries.KITCHEN)


def test_what_was_said_about_ego_is_taught_about_one_exo_view_of_each_segment(written, tiny_data):
    samples = records.read_table(tiny_data / "dataset/samples.parquet", records.SAMPLE).to_pylist()
    by_id = {row["sample_id"]: row for row in samples}
    views: dict[str, set[str]] = {}
    for row in table(written):
        segment = by_id[row["parents"][0]]
        assert row["media"][0] in (segment["paired"] if row["view"] == "exo" else segment["media"])
        if row["view"] == "exo":
            views.setdefault(segment["sample_id"], set()).add(row["media"][0]["video_id"])
    assert all(len(videos) == 1 for videos in views.values())
    of_ego, of_exo = (
        {(row["parents"][0], row["question"]): row["answer"] for row in table(written) if row["corpus"] == corpus
         and row["view"] == view} for corpus, view in (("captioned", "ego"), ("distilled", "exo"))
    )  # fmt: skip
    assert of_ego == of_exo


def test_a_killed_stage_ends_in_the_same_bytes_and_asks_nothing_twice(ask, written, tmp_path, monkeypatch):
    append = run.ledger.Ledger.append
    lines = []

    def killed(self, line):
        append(self, line)
        lines.append(line["key"])
        if len(lines) in (1, 7, 18):  # inside a batch, and at the end of one
            raise KilledError

    monkeypatch.setattr(run.ledger.Ledger, "append", killed)
    for _ in range(3):
        with pytest.raises(KilledError):
            ask(tmp_path)
        assert not (tmp_path / "stage.json").exists()
    ask(tmp_path)
    assert len(lines) == len(set(lines)) == 24
    for name in ("samples.parquet", "rejects.parquet"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()
    # a batch whose answers were whole and whose record was not written yet has its point all the same
    assert curves(tmp_path) == curves(written)


def curves(output: Path) -> dict[str, list[tuple[int, float]]]:
    return history.curves(history.read(output / "history.jsonl")[0])


def test_a_whole_ledger_needs_no_teacher(ask, written, monkeypatch):
    before, points = (written / "samples.parquet").read_bytes(), curves(written)
    monkeypatch.setattr(teacher, "Teacher", None)
    ask(written)
    assert (written / "samples.parquet").read_bytes() == before and curves(written) == points


def test_a_student_is_shown_the_exo_frames_of_the_segment(written, tiny_data):
    store = FrameStore(tiny_data / "frames")
    shown = SampleDataset(
        tiny_data, {"distilled/caption/exo": 1.0, "egoexoclip/caption/exo": 0.5}, steps=6, batch=4, seed=0,
        exo_views=None, contract=store.contract["digest"], distilled=written / "samples.parquet",
    )  # fmt: skip
    twins = SampleDataset(
        tiny_data, {"distilled/caption/exo": 1.0}, steps=2, batch=4, seed=0, exo_views=None, ego_twins=True,
        contract=store.contract["digest"], distilled=written / "samples.parquet",
    )  # fmt: skip
    for index in range(len(twins)):
        [sample] = twins.asked(index)
        assert np.array_equal(twins[index]["ego_frames"], store.frames(sample["parents"][0]))
    by_id = {row["sample_id"]: row for row in records.read_table(
        tiny_data / "dataset/samples.parquet", records.SAMPLE).to_pylist()}  # fmt: skip
    seen = 0
    for index in range(len(shown)):
        [sample], item = shown.asked(index), shown[index]
        if sample["corpus"] == "distilled":
            segment = by_id[sample["parents"][0]]
            frames = store.frames(segment["sample_id"], exo_view=segment["paired"].index(sample["media"][0]))
            assert np.array_equal(item["frames"], frames) and item["view"] == "exo"
            assert item["turns"] == [(sample["question"], sample["answer"])]
            seen += 1
    assert seen >= 8
    with pytest.raises(ValueError, match="was made from 'gone'"):
        questions_of_other_data(written, tiny_data)


def questions_of_other_data(written: Path, data: Path) -> None:
    from components.train.borrowed_frames import places

    made = records.read_table(written / "samples.parquet", records.SAMPLE).to_pylist()[:1]
    made[0]["parents"] = ["gone"]
    places(
        records.read_table(data / "dataset/samples.parquet", records.SAMPLE),
        records.write_table(written / "other.parquet", made, records.SAMPLE),
    )


def test_the_miniature_knows_every_word_of_its_queries(parent):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(parent / "model")
    texts = [query for family in queries.KITCHEN.values() for query in family]
    assert not any(tokenizer.unk_token_id in ids for ids in tokenizer(texts, add_special_tokens=False)["input_ids"])
    for wording in queries.WORDINGS.values():
        assert [len(family) for family in wording.values()] == [5, 3, 4]
        assert len({query for family in wording.values() for query in family}) == 12


def test_queries_and_exo_views_are_drawn_evenly():
    counts = Counter(query for n in range(900) for _, query in queries.drawn(queries.OPEN, 0, f"segment {n}"))
    assert all(0.7 < count / (900 / 5) < 1.3 for query, count in counts.items() if query in queries.OPEN["descriptive"])
    assert questions.below(1, "x") == 0 and {questions.below(3, n) for n in range(40)} == {0, 1, 2}


def test_half_of_the_samples_have_their_frames_behind_the_question(written, parent, tiny_data):
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    shown = SampleDataset(
        tiny_data, {"distilled/caption/exo": 1.0}, steps=20, batch=5, seed=0, exo_views=None, contract=digest,
        distilled=written / "samples.parquet", video_last=0.5,
    )  # fmt: skip
    items = [shown[index] for index in range(len(shown))]
    assert 30 < sum(item["video_last"] for item in items) < 70
    assert [item["video_last"] for item in items] == [
        pickle.loads(pickle.dumps(shown))[n]["video_last"] for n in range(100)
    ]
    processor = build.load_processor({"all": parent / "model"})
    collate, words = Collate(build.config_of(processor), processor), processor.tokenizer.convert_tokens_to_ids
    for item in items[:10]:
        batch = collate([item])
        ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
        patches = [place for place, token in enumerate(ids) if token == words("<exo_patch>")]
        assert (patches[0] > ids.index(words("<user>"))) == item["video_last"]
        assert patches[-1] < ids.index(words("<assistant>"))
        said = [token for token in labels if token != -100]
        assert said == processor.tokenizer(item["turns"][0][1] + "<eos>", add_special_tokens=False)["input_ids"]
        other = collate([item | {"video_last": not item["video_last"]}])
        assert sorted(other["input_ids"][0].tolist()) == sorted(ids)
