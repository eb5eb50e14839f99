"""Descriptions are judged by five criteria, of which one needs two answers."""

import json
from pathlib import Path

import pytest

from components import llm, params
from components.benchmarks.runner.judge_descriptions import judged, with_mean
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.runner.rows import STRICT, Answered, summary
from components.benchmarks.shared.sample import CONSISTENCY, Benchmark, Medium, Sample, Text
from components.evaluation.items import MODEL, Item
from components.evaluation.replies import Reply
from tests.components.llm.misbehaving import said

ROOT = Path(__file__).parents[4]
RULES = params.load(ROOT / "params/data.yaml", params.Data).llm
ENDPOINT = RULES.model_copy(update={"generator": "openai", "model": "tiny", "tries": 1, "concurrency": 1})
BENCHMARK = Benchmark("d", lambda folder: None, (), "description", "", "", "", frames=1)


def answered(name: str, answer: str | None) -> Answered:
    subsets = ("Charades", CONSISTENCY) if "cons" in name else ("Charades",)
    sample = Sample(name, name.split()[1], f"{name}?", (Medium("a.mp4"),), Text(("the cook cuts an onion",)), subsets)
    item = Item("adl_x", MODEL, name, {"sample_id": name, "view": "exo", "question": "?", "answer": ""})
    scores = METRICS["description"].score(sample, answer)
    return Answered(item, sample, Reply(answer or ""), 0.1, STRICT, answer, "text", scores)


def all_of(video: str, *answers: str | None) -> list[Answered]:
    names = (f"Charades {video} {asked}" for asked in ("Q", "cons_Q1", "cons_Q2"))
    return [answered(name, answer) for name, answer in zip(names, answers, strict=True)]


def test_rules_judge_by_common_words_and_the_worst_of_a_pair(tmp_path):
    right = "The cook cuts an onion."
    given = [*all_of("a", right, right, "the cook sings"), *all_of("b", None, right, None)]
    found = [each.scores for each in judged(given, RULES, ledger_path=tmp_path / "judge.jsonl")]
    assert {name for name in found[0] if "judge" in name} == {
        f"rule_judge_{name}" for name in ("correctness", "detail", "context", "temporal")
    }
    assert found[0]["rule_judge_detail"] == 1.0 and found[0]["meteor"] > 0.9
    assert found[1]["rule_judge_consistency"] == found[2]["rule_judge_consistency"] == 0.4
    assert found[3]["rule_judge_detail"] == 0.0, "what cannot be read is wrong"
    assert found[4]["rule_judge_consistency"] == 0.0 and "rule_judge_detail" not in found[4]


def test_an_endpoint_judges_each_answer_once_and_a_pair_together(server, tmp_path):
    asked = []

    def judging(call, body):
        text = body["messages"][-1]["content"]
        asked.append(text)
        two = text.count("Answer:") == 2
        names = ["consistency"] if two else ["correctness", "detail", "context", "temporal"]
        call.send(200, said(json.dumps({name: 2 if two else 4 for name in names})))

    server.otherwise = judging
    given = [each for video in "abcdefg" for each in all_of(video, "x", "y", "z")]
    for _ in range(2):
        found = judged(given, ENDPOINT, ledger_path=tmp_path / "judge.jsonl")
    assert len(asked) == 2 * 7 and sum(text.count("Answer:") == 2 for text in asked) == 7
    settings = params.load(ROOT / "params/eval.yaml", params.Eval)
    numbers = with_mean(summary("d", BENCHMARK, found, settings))
    for group in ("", "subset Charades/"):
        assert numbers[f"d/{group}judge_mean"]["value"] == pytest.approx((4 * 0.8 + 0.4) / 5)
    assert numbers["d/judge_detail"]["n"] == 7 and numbers["d/judge_consistency"]["n"] == 14
    assert "d/subset consistency/judge_detail" not in numbers and "d/subset consistency/judge_mean" not in numbers
    server.otherwise = lambda call, body: call.send(200, said("no verdict"))
    with pytest.raises(llm.StoppedError, match="was not judged"):
        judged(all_of("h", "x", "y", "z"), ENDPOINT, ledger_path=tmp_path / "judge.jsonl")


def test_of_a_pair_of_which_one_was_not_asked_nothing_is_said(tmp_path):
    [_, one, _] = all_of("a", "x", "x", "x")
    [found] = judged([one], RULES, ledger_path=tmp_path / "judge.jsonl")
    assert found.scores == one.scores
