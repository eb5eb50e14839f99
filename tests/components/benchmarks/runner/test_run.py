"""A tiny model answers a benchmark with films: each item once, also when it is killed; what is missing is a reject."""

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components import params, records, video
from components.benchmarks import registry
from components.benchmarks.runner import asking, run
from components.benchmarks.runner.protocol import How
from components.benchmarks.runner.rows import ROW
from components.benchmarks.shared.sample import Medium, Sample, Text
from components.data.frames.step import contract_of
from components.train import checkpoints

ROOT = Path(__file__).parents[4]
HOW = How(form="letter", frames=4, limit=None, max_new_tokens=8)
ANSWERED = 9


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """EgoSchema's form: nine films, one that is missing, one that is none, one that leaves the root."""
    folder = tmp_path_factory.mktemp("benchmarks") / "egoschema"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for name in [*"abcdefghi", "missing", "broken", "../outside"]:
        options = {f"option {place}": f"C puts {place}" for place in range(5)}
        rows.append({"q_uid": name, "question": "what does C do?", "CA": len(rows) % 5} | options)
        if len(name) == 1:
            frames = rng.integers(0, 255, (12, 64, 64, 3), dtype=np.uint8)
            video.write(folder / f"{name}.mp4", frames, fps=8, size_px=64)
    (folder / "broken.mp4").write_bytes(b"no film")
    (folder / "500questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder.parent


@pytest.fixture
def asked(model, processor, tmp_path) -> run.Asked:
    data = params.load(ROOT / "params/data.yaml", params.Data)
    provenance = {"params": {"guidance": False, "reasoned": False}}
    provenance["frames_contract"] = contract_of(data.frames)["digest"]
    checkpoints.save(model, processor, tmp_path / "stage1-k", provenance)
    return run.Asked(tmp_path / "stage1-k", data, params.load(ROOT / "params/eval.yaml", params.Eval))


def result(asked: run.Asked, form: str = "letter") -> tuple[list[dict], dict]:
    folder = asked.checkpoint / "benchmarks/egoschema" / form
    rows = records.read_table(folder / "predictions.parquet", ROW).drop_columns(["seconds"])
    return rows.to_pylist(), json.loads((folder / "metrics.json").read_text())


def test_every_row_is_answered_or_a_reject_and_a_killed_run_goes_on(asked, films, monkeypatch):
    benchmark = registry.BENCHMARKS["egoschema"]
    found = asked.run("egoschema", benchmark, [films], HOW)
    rows, metrics = result(asked)
    assert found == metrics and metrics["egoschema/accuracy"]["n"] == ANSWERED
    conditions = Counter((row["condition"], row["parser"], row["score_name"]) for row in rows)
    assert set(conditions.values()) == {ANSWERED} and len(conditions) == 2 * 2 * 2
    rejects = records.read_table(
        asked.checkpoint / "benchmarks/egoschema/letter/rejects.parquet", records.REJECT
    ).to_pylist()
    assert {row["row_id"]: row["reason"] for row in rejects} == {
        "missing": "film_missing", "broken": "unreadable_film", "../outside": "path_leaves_root",
    }  # fmt: skip
    entry = metrics["egoschema/accuracy"]
    strict = [row["score"] for row in rows if (row["condition"], row["parser"], row["score_name"]) == (
        "model", "strict", "accuracy"
    )]  # fmt: skip
    assert entry["value"] == np.mean(strict) and entry["chance"] == pytest.approx(0.2)
    assert entry["constant"] == 2 / ANSWERED and {"blind", "text_guess", "lo", "hi"} <= entry.keys()
    journal = next((asked.checkpoint / "benchmarks/egoschema/letter/items").rglob("*.jsonl"))
    finished = journal.read_text().splitlines(keepends=True)
    assert len(finished) == 2 * ANSWERED
    journal.write_text("".join(finished[:13]) + finished[13][:5])  # killed while it wrote
    answered = []
    opened = asked._answerer

    def listening(**limits):
        answerer = opened(**limits)
        complete = answerer.complete
        answerer.complete = lambda samples, frames_of: answered.extend(frames_of) or complete(samples, frames_of)
        return answerer

    monkeypatch.setattr(asked, "_answerer", listening)
    asked.run("egoschema", benchmark, [films], HOW)
    assert len(answered) == 2 * ANSWERED - 13 and result(asked) == (rows, metrics)
    asked.run("egoschema", benchmark, [films], replace(HOW, limit=8))
    assert len(answered) == 2 * ANSWERED - 13, "fewer samples are no other answers"
    os.utime(films / "egoschema/a.mp4")
    asked.run("egoschema", benchmark, [films], HOW)
    assert len(answered) == 2 * ANSWERED - 13 + 2, "another film is asked about again, and no other sample"


def test_a_film_that_cannot_be_decoded_is_a_reject_and_hidden_answers_make_a_submission(asked, films, monkeypatch):
    folder = asked.checkpoint / "egoschema"
    folder.mkdir()
    lines = (films / "egoschema/500questions.jsonl").read_text().splitlines()[:3]
    rows = [json.loads(line) for line in lines]
    del rows[1]["CA"]
    (folder / "questions.json").write_text(json.dumps(rows))
    for name in "abc":
        (folder / f"{name}.mp4").hardlink_to(films / f"egoschema/{name}.mp4")
    decode = video.decode

    def damaged(path, indices, **how):
        if path.name == "c.mp4":
            raise video.VideoError(path, "damaged")
        return decode(path, indices, **how)

    monkeypatch.setattr(video, "decode", damaged)
    for _ in range(2):  # answered, then read back
        asked.run("egoschema", registry.BENCHMARKS["egoschema"], [asked.checkpoint], HOW)
        written = asked.checkpoint / "benchmarks/egoschema/letter"
        [reject] = records.read_table(written / "rejects.parquet", records.REJECT).to_pylist()
        assert (reject["row_id"], reject["reason"]) == ("c", "unreadable_film") and "damaged" in reject["detail"]
        submission = json.loads((written / "submission.json").read_text())
        assert submission.keys() == {"a", "b"}, "a server wants the answers that are public too"


def test_ranked_options_need_no_parser_and_other_frames_are_another_run(asked, films):
    benchmark = registry.BENCHMARKS["egoschema"]
    how = How(form="ranked", frames=2, limit=7, max_new_tokens=8)
    asked.run("egoschema", benchmark, [films], how)
    rows, metrics = result(asked, "ranked")
    assert {(row["parser"], row["read_by"]) for row in rows} == {("ranked", "ranked")}
    n_rows = Counter(row["condition"] for row in rows)
    assert n_rows["model"] == n_rows["text_only"] == metrics["egoschema/accuracy"]["n"] <= 7
    [folder] = (asked.checkpoint / "benchmarks/egoschema/ranked/items").iterdir()
    asked.run("egoschema", benchmark, [films], How(form="ranked", frames=4, limit=7, max_new_tokens=8))
    assert [other for other in folder.parent.iterdir() if other != folder]


def test_what_is_left_open_is_prescribed_and_the_whole_contract_is_what_a_run_is(asked, films):
    benchmark = registry.BENCHMARKS["egoschema"]
    how = How(form=None, frames=None, limit=3, max_new_tokens=None)
    folder = asked.checkpoint / "benchmarks/egoschema/letter"
    told = []
    for each in (how, replace(how, frames=2), replace(how, max_new_tokens=4)):
        asked.run("egoschema", benchmark, [films], each)
        told.append(json.loads((folder / "identity.json").read_text())["sampling"])
    prescribed = {"frames": 32, "frame_rule": "middles of equal segments", "size_px": 64, "form": "letter"}
    prescribed |= {"decoding": "greedy", "max_new_tokens": 16}
    assert told == [prescribed, prescribed | {"frames": 2}, prescribed | {"max_new_tokens": 4}]
    assert len([*(folder / "items").iterdir()]) == 3, "answers under another contract are others"


def test_a_level_of_the_prompt_is_another_run_of_the_same_samples(asked, films):
    benchmark = registry.BENCHMARKS["egoschema"]
    for level in asking.LEVELS:
        asked.run("egoschema", benchmark, [films], replace(HOW, frames=2, limit=3, level=level))
    plain, detailed, first_person = (
        [row["question"] for row in result(asked, form)[0]]
        for form in ("letter", "letter_detailed", "letter_first_person")
    )
    assert len(plain) == len(detailed) == len(first_person) > 0
    assert all(question.startswith("what does C do?") for question in plain)
    assert detailed == [asking.PREFACES["detailed"] + question for question in plain]
    assert first_person == [asking.PREFACES["first_person"] + question for question in plain]


def test_the_film_of_another_is_not_said_to_be_ones_own():
    exo = Sample("0", "film", "what is done?", (Medium("film.mp4", "exo"),), Text(("it is cut",)))
    assert (
        asking.prefaced(exo, "first_person")
        == asking.prefaced(exo, "detailed")
        == asking.PREFACES["detailed"] + ("what is done?")
    )
    assert asking.prefaced(exo, "plain") == "what is done?"


def test_text_alone_needs_no_film_and_without_one_the_reasons_are_counted(asked, films, tmp_path):
    (tmp_path / "500questions.jsonl").write_text((films / "egoschema/500questions.jsonl").read_text())
    with pytest.raises(ValueError, match=r"none of 12 rows in .* can be asked: \{'film_missing': 11, 'path_leaves"):
        asked.run("egoschema", registry.BENCHMARKS["egoschema"], [tmp_path], HOW)
    text_alone = How(form="ranked", frames=0, limit=None, max_new_tokens=8)
    metrics = asked.run("egoschema", registry.BENCHMARKS["egoschema"], [tmp_path], text_alone)
    assert metrics["egoschema/accuracy"]["n"] == 12 and metrics["egoschema/accuracy"]["blind"] is None
