"""The whole way to a real language model and back: chat template, tokens, constrained sampling, usage.

A tiny LM with random weights, behind the test's endpoint. It stands in for `transformers serve`, which needs the
package `openai` and refuses `response_format`.
"""

import json

import pytest

from components import llm
from components.data.egoit import instruction_generation
from components.data.egoit import step as egoit
from tests.components.llm.conftest import SETTINGS
from tests.components.llm.misbehaving import said

LETTERS = 6  # of an instruction
# a call that is given up goes on in the server and would disturb the dice of the next one
SLOW = SETTINGS.__dict__ | {"timeout_s": 250.0}


def skeleton(schema: dict) -> list[str | None]:
    """The characters that the schema of instructions fixes; None where a letter is free."""
    count = schema["properties"]["instructions"]["minItems"]
    quoted = ['"', *[None] * LETTERS, '"']
    listed = [character for number in range(count) for character in ([","] if number else []) + quoted]
    return [*'{"instructions":[', *listed, *"]}"]


@pytest.fixture(scope="module")
def behaviour():
    """Answer a call by sampling from the model under the schema of its `response_format`."""
    import torch
    from transformers import ByT5Tokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = ByT5Tokenizer(extra_ids=0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=4096, **size)).eval()
    tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}> {{ m.content }}\n{% endfor %}<assistant> "
    letters = tokenizer.convert_tokens_to_ids(list("abcdefghijklmnopqrstuvwxyz "))

    def answer(handler, body):
        prompt = tokenizer.apply_chat_template(body["messages"], tokenize=False)
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        fixed = skeleton(body["response_format"]["json_schema"]["schema"])

        def allowed(_, so_far):
            at = len(so_far) - ids.shape[1]
            if at >= len(fixed):
                return [tokenizer.eos_token_id]
            return letters if fixed[at] is None else tokenizer.convert_tokens_to_ids([fixed[at]])

        torch.manual_seed(body["seed"])
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=body["temperature"],
            max_new_tokens=body["max_completion_tokens"],
            prefix_allowed_tokens_fn=allowed,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )[0, ids.shape[1] :]
        ended = bool(made[-1] == tokenizer.eos_token_id)
        usage = {"prompt_tokens": ids.shape[1], "completion_tokens": len(made)}
        text = tokenizer.decode(made, skip_special_tokens=True)
        handler.send(200, said(text, finish="stop" if ended else "length", usage=usage))

    return answer


@pytest.mark.slow
def test_a_language_model_writes_ten_instructions(server, behaviour, tmp_path):
    server.otherwise = behaviour
    asked = instruction_generation.requests("captioning", {"egoexo4d": egoit.CAPTIONING["egoexo4d"]}, count=10)
    settings = llm.Settings(**(SLOW | {"max_tokens": 400}))

    def written(ledger: str) -> tuple[str, ...]:
        made, failed = instruction_generation.generated(asked, settings, ledger_path=tmp_path / ledger)
        assert failed.empty
        return made["captioning"]["egoexo4d"]

    first = written("one.jsonl")
    assert len(set(first)) == 10 and all(len(text) == LETTERS for text in first)
    assert written("one.jsonl") == first and len(server.calls) == 1
    # the seed of the settings arrives at the sampler
    assert written("two.jsonl") == first and len(server.calls) == 2
    line = json.loads((tmp_path / "one.jsonl").read_text())
    assert line["usage"]["input_tokens"] > len(asked[0].user)
    assert line["usage"]["output_tokens"] == len('{"instructions":[]}') + 10 * (LETTERS + 2) + 9 + 1


@pytest.mark.slow
def test_a_model_that_is_cut_off_is_told_so(server, behaviour, tmp_path):
    server.otherwise = behaviour
    asked = instruction_generation.requests("captioning", {"egoexo4d": egoit.CAPTIONING["egoexo4d"]}, count=10)
    settings = llm.Settings(**(SLOW | {"tries": 2}))
    made, failed = instruction_generation.generated(asked, settings, ledger_path=tmp_path / "l.jsonl")
    assert made["captioning"] == {}
    assert failed[["reason", "detail"]].values.tolist() == [["cut_off", "longer than llm.max_tokens = 50"]]
    assert len(server.calls) == 2
