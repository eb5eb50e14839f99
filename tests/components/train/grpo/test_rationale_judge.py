"""A language model in the place of the match of facts: what it is asked, and what its verdicts are worth."""

from types import SimpleNamespace

import pytest
from trl import GRPOTrainer

from components import llm, params
from components.prompts import think_answer
from components.train.grpo import rationale_judge
from components.train.grpo.rationale_judge import JudgedTrainer, verdicts
from components.train.grpo.trainer import OrderedGRPOTrainer, reward_function
from tests.components.train.judge.spoilt import DATA

REFERENCE = think_answer("C washes the red cup", "yes")
SAID = [REFERENCE, think_answer("C washes the blue pan", "yes"), "yes", think_answer("", "yes")]
ROWS = [{"answer": REFERENCE}] * 4
RULES = DATA.llm


def test_a_thought_is_judged_where_there_is_one(tmp_path):
    assert verdicts(SAID, ROWS, RULES, ledger_path=tmp_path / "ledger") == [1.0, 0.3, None, None]
    assert verdicts(SAID[:1], [{"answer": "yes"}], RULES, ledger_path=tmp_path / "ledger") == [None]


def test_the_judge_sees_both_thoughts_and_no_answer(tmp_path, monkeypatch):
    asked = []

    def generate(requests, settings, **others):
        asked.extend(requests)
        return [llm.Answer(each.request_id, {"score": 4}) for each in asked]

    monkeypatch.setattr(llm, "generate", generate)
    assert verdicts(SAID, ROWS, RULES, ledger_path=tmp_path) == [0.4, 0.4, None, None]
    assert [each.user for each in asked] == [
        "Reference: C washes the red cup\nThought: C washes the red cup",
        "Reference: C washes the red cup\nThought: C washes the blue pan",
    ]


@pytest.mark.parametrize("final", [True, False])
def test_what_is_refused_earns_nothing_and_what_may_pass_ends_the_run(tmp_path, monkeypatch, caplog, final):
    def generate(requests, settings, **others):
        return [llm.Reject(each.request_id, "refused" if final else "timeout", "no", final) for each in requests]

    monkeypatch.setattr(llm, "generate", generate)
    if final:
        assert verdicts(SAID, ROWS, RULES, ledger_path=tmp_path) == [0.0, 0.0, None, None]
        assert "2 of 2 thoughts earn 0, for they were not judged: Counter({'refused': 2})" in caplog.text
    else:
        with pytest.raises(llm.StoppedError, match="2 of 2 requests for verdicts about thoughts got no answer"):
            verdicts(SAID, ROWS, RULES, ledger_path=tmp_path)


@pytest.mark.parametrize("judge", [RULES, None])
def test_the_reward_is_the_verdict_where_there_is_a_judge(tmp_path, monkeypatch, judge: params.Llm | None):
    made = JudgedTrainer.__new__(OrderedGRPOTrainer)
    made.half, made.reward_func_names = None, [rationale_judge.NAME]
    made.judge, made.verdicts_folder = judge, tmp_path
    made.accelerator = SimpleNamespace(process_index=1)
    monkeypatch.setattr(GRPOTrainer, "_calculate_rewards", lambda self, inputs, *others: inputs)
    completions = [[{"role": "assistant", "content": text}] for text in SAID]
    given = made._calculate_rewards([{"sample": row} for row in ROWS], None, completions, None)
    earned = reward_function("rationale")(completions, [example["sample"] for example in given])
    assert earned == ([1.0, 0.3, 0.0, 0.0] if judge else [1.0, pytest.approx(1 / 3), 0.0, 0.0])
