"""Open answers are judged once each, what cannot be read is wrong, and no answer is left unjudged in silence."""

import json
from pathlib import Path

import pytest

from components import llm, params
from components.benchmarks.runner.judge import judged
from components.benchmarks.runner.rows import STRICT, Answered
from components.benchmarks.shared.sample import Medium, Sample, Text
from components.evaluation.items import MODEL, Item
from components.evaluation.replies import Reply
from tests.components.llm.misbehaving import said

RULES = params.load(Path(__file__).parents[4] / "params/data.yaml", params.Data).llm
ENDPOINT = RULES.model_copy(update={"generator": "openai", "model": "tiny", "tries": 1, "concurrency": 1})


def answered(name: str, answer: str | None) -> Answered:
    sample = Sample(name, "video", "what is cut?", (Medium("a.mp4"),), Text(("An onion.",)))
    item = Item("egotempo", MODEL, name, {"sample_id": name})
    return Answered(item, sample, Reply(answer or ""), 0.1, STRICT, answer, "text", {"anls": 0.5})


def test_rules_judge_by_equal_words(tmp_path):
    given = [answered("0", "an ONION."), answered("1", "a leek"), answered("2", None)]
    found = judged(given, RULES, ledger_path=tmp_path / "judge.jsonl")
    assert [each.scores for each in found] == [
        {"anls": 0.5, "rule_judge": right, "rule_judge_score": right} for right in (1.0, 0.0, 0.0)
    ], "what rules say is not published as a model's judgement"


def test_an_endpoint_judges_each_answer_once(server, tmp_path):
    asked = []

    def judging(call, body):
        asked.append(body["messages"][-1]["content"])
        correct = "leek" not in asked[-1]
        call.send(200, said(json.dumps({"correct": correct, "score": 4 if correct else 1})))

    server.otherwise = judging
    given = [answered("0", "the bulb"), answered("1", "a leek")]
    for _ in range(2):
        found = judged(given, ENDPOINT, ledger_path=tmp_path / "judge.jsonl")
        assert [(each.scores["judge"], each.scores["judge_score"]) for each in found] == [(1.0, 0.8), (0.0, 0.2)]
    assert len(asked) == 2 and "Right answer: An onion." in asked[0]
    server.otherwise = lambda call, body: call.send(200, said("no verdict"))
    with pytest.raises(llm.StoppedError):
        judged([*given, answered("2", "a carrot")], ENDPOINT, ledger_path=tmp_path / "judge.jsonl")
