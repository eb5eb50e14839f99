"""The table of EgoIT: published sources first, what is ours apart from them."""

import json

import pytest

from components.report import mixture


def row(source, task, kind, split, samples) -> dict:
    return {"source": source, "task": task, "question_type": "x", "kind": kind, "split": split, "samples": samples}


COUNTS = [
    row("ssv2", "qa", "choice", "train", 1000),
    row("ssv2", "qa", "text", "train", 1200),
    row("ssv2", "qa", "text", "test", 10),
    row("egoexolearn", "caption", "text", "train", 450),
    row("egoexolearn", "qa", "choice", "train", 440),
    row("egoexo4d", "caption", "text", "test", 7),
]


def test_a_source_has_its_samples_beside_the_published_records():
    lines = {line["label"]: line for line in mixture.rows(COUNTS)}
    ssv2 = lines["SSv2: actions"]
    assert (ssv2["train"], ssv2["test"], ssv2["open"], ssv2["published"]) == (2200, 10, 1210, 221_000)
    assert ssv2["ratio"] == pytest.approx(0.01)
    assert lines["EgoExoLearn: captions"]["train"] == 450 and lines["EgoExoLearn: captions"]["open"] is None
    assert lines["OpenEQA: questions"]["train"] == 0


def test_what_is_ours_stands_apart_and_out_of_the_sum():
    *_, total, captions, actions = mixture.rows(COUNTS)
    assert (total["train"], total["test"], total["published"]) == (2650, 10, 586_000)
    assert (captions["label"], captions["test"], captions["ratio"]) == ("Ego-Exo4D: captions (ours)", 7, None)
    assert (actions["label"], actions["train"]) == ("EgoExoLearn: actions (ours)", 440)
    assert sum(line["train"] + line["test"] for line in (total, captions, actions)) == sum(r["samples"] for r in COUNTS)


def test_a_missing_count_says_what_to_run(tmp_path):
    with pytest.raises(ValueError, match="counts.json cannot be read.*dvc repro egoit"):
        mixture.read(tmp_path)
    (tmp_path / "egoit").mkdir()
    (tmp_path / "egoit/counts.json").write_text(json.dumps(COUNTS))
    assert mixture.read(tmp_path) == COUNTS
