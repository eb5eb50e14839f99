"""How likely an answer is behind its reasoning, read from what TRL asks the reference model anyway."""

from types import SimpleNamespace

import pytest
import torch
from trl import GRPOTrainer

from components.prompts import think_answer
from components.train.grpo.answer_likelihood import NAME, LikelihoodTrainer, answer_tokens
from components.train.grpo.shared_prompt import SharedPromptTrainer
from components.train.grpo.trainer import OrderedGRPOTrainer, reward_function

CHOICE = {"kind": "choice", "choices": ["yes", "no"], "answer_index": 0}
ROW = {"target": CHOICE, "reasoned": True}


def cut(text: str, size: int) -> list[str]:
    """Tokens of a few letters each."""
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_answer_is_found_whatever_the_tokens_of_the_tags_are(size):
    tokens = cut(think_answer("so", "yes and no"), size)
    found = "".join(tokens[answer_tokens(tokens, "".join)])
    assert found in "yes and no" and len(found) > len("yes and no") - 2 * size


@pytest.mark.parametrize("text", ["<think>so</think><answer>yes", "yes</answer>", "<answer></answer>", "yes", ""])
def test_without_both_tags_and_words_between_there_is_no_answer(text):
    tokens = cut(text, 1)
    assert tokens[answer_tokens(tokens, "".join)] == []


@pytest.fixture
def trainer(monkeypatch):
    """A trainer whose reference model gives what the test says."""
    made = LikelihoodTrainer.__new__(OrderedGRPOTrainer)
    made.num_generations, made.reward_func_names, made.half, made.judge = 2, [NAME], None, None
    made.ref_model, made._tokenizer = object(), SimpleNamespace(decode="".join)
    monkeypatch.setattr(GRPOTrainer, "_calculate_rewards", lambda self, inputs, *others: inputs)
    return made


def test_of_a_group_those_earn_whose_reasoning_leads_to_the_right_answer(trainer, monkeypatch):
    texts = [think_answer("a", "A"), think_answer("b", "A"), think_answer("c", "A"), think_answer("d", "B")]
    ids = [cut(text, 1) for text in texts]
    log_probs = torch.full((4, max(map(len, ids))), -9.0)
    at = texts[0].index("A")
    log_probs[:, at] = torch.tensor([-0.1, -0.5, -3.0, -0.1])  # of the answer alone; other tokens do not count
    monkeypatch.setattr(
        SharedPromptTrainer,
        "_get_per_token_logps_and_entropies",
        lambda self, model, *given, **named: (log_probs, None, None),
    )
    with torch.no_grad():
        trainer._get_per_token_logps_and_entropies(trainer.ref_model, None, None, 1)
        trainer._get_per_token_logps_and_entropies(object(), None, None, 1)  # the policy's do not take their place
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    given = trainer._calculate_rewards([{"sample": ROW} for _ in texts], None, completions, ids)
    assert reward_function(NAME)(completions, [example["sample"] for example in given]) == [1.0, 0.0, 1.0, 0.0]
