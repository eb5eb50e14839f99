"""A question about time is the same tokens at the same positions in training, in rollouts and in evaluation."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from trl.data_utils import prepare_multimodal_messages

from components import params
from components.data.frames.store import FrameStore
from components.evaluation.answer import Answerer
from components.evaluation.qwen import QwenAnswerer
from components.models import build, qwen_vl
from components.train import algorithms, qwen
from components.train.dataset import Collate, SampleDataset
from components.train.grpo.trainer import prompts_of
from components.train.packing import IGNORE

MIXTURE = {"egore/ground_temporal/ego": 0.5, "egore/verify/ego": 0.5}
LINES = {None: "16 s, frames every 0.5 s from 0.25 s: when", 7: "16 s, frames every 2.5 s from 0.25 s: when"}


def opened(tiny_data, shown=None, *, mixture: dict[str, float] = MIXTURE, reasoned: bool = False) -> SampleDataset:
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    options = {"steps": 2, "batch": 4, "seed": 5, "exo_views": None, "contract": digest}
    return SampleDataset(tiny_data, mixture, shown=shown, reasoned=reasoned, **options)


def rollout(processor, row: dict) -> dict:
    """The prompt as TRL lays it out for sampling."""
    message = prepare_multimodal_messages(row["prompt"], images=row["images"])
    return processor.apply_chat_template(
        conversation=[message], add_generation_prompt=True, tokenize=True, return_dict=True
    )


@pytest.fixture(scope="module")
def speaking() -> tuple:
    """The default recipe's tokenizer, which knows the words of the line, and a small model."""
    data = params.load(Path("params/data.yaml"), params.Data)
    recipe = params.load(Path("params/recipes/miniature.yaml"), params.Recipe)
    processor = algorithms.fresh_processor(recipe.model, data)
    return build.assemble(build.config_of(processor), {}, seed=0).eval(), processor


def evaluation_embeds(answerer: Answerer, asked: list[dict], sample_id: str) -> torch.Tensor:
    """The embeddings [L, W] of the one prompt that evaluation makes of a sample."""
    [prefix], [text] = answerer._laid_out(asked, [sample_id])
    ids = answerer.processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return torch.cat([prefix.inputs, answerer.model.get_input_embeddings()(ids[0])])


def test_egoflow_is_asked_alike_everywhere(tiny_data, speaking):
    model, processor = speaking
    samples = opened(tiny_data)
    trained, sampled = Collate(model.config, processor), prompts_of(samples)
    answerer = Answerer(model, processor, samples.store, reasoned=False, max_batch_tokens=999, max_new_tokens=1)
    lines = 0
    for index in range(len(samples)):
        item = samples[index]
        [row] = trained([item])["input_ids"].tolist()
        labels = trained([item])["labels"][0]
        asked = row[: int((labels != IGNORE).nonzero()[0])]
        assert rollout(processor, sampled[index])["input_ids"][0] == asked
        embeds = evaluation_embeds(answerer, samples.asked(index), item["sample_id"])
        words = model.get_input_embeddings()(torch.tensor(asked))
        text = asked.index(processor.tokenizer.convert_tokens_to_ids("<user>"))  # before it stand the frames
        assert len(embeds) == len(asked) and torch.equal(embeds[text:], words[text:])
        lines += processor.tokenizer.decode(asked[text:]).startswith(
            "<user> 16 s , frames every 0 . 5 s from 0 . 25 s : when"
        )
        assert processor.tokenizer.unk_token_id not in asked
    assert 0 < lines < len(samples), "a verification of seconds that are shown tells no time"


@pytest.mark.parametrize("most", LINES)
@pytest.mark.parametrize("architecture", params.QWEN)
def test_qwen_is_asked_alike_everywhere(tiny_data, qwen_bases, architecture, most):
    model = qwen_vl.load(qwen_bases[architecture])
    processor = qwen_vl.load_processor(qwen_bases[architecture], pixels=None)
    samples = opened(tiny_data, partial(qwen_vl.shown, most_frames=most))
    trained, sampled = qwen.Collate(processor), prompts_of(samples)
    limits = {"max_batch_tokens": 1, "max_new_tokens": 1}
    answerer = QwenAnswerer(model, processor, samples.store, most_frames=most, reasoned=False, **limits)
    lines = 0
    for index in range(len(samples)):
        item = samples[index]
        batch, rolled = trained([item]), rollout(processor, sampled[index])
        length = int((batch["labels"][0] != IGNORE).nonzero()[0])
        [prefix], [text] = answerer._laid_out(samples.asked(index), [item["sample_id"]])
        read, ids = prefix.inputs(), torch.tensor(processor.tokenizer([text])["input_ids"])
        behind = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": torch.zeros_like(ids)}
        evaluated = read | {name: torch.cat([read[name], values], 1) for name, values in behind.items()}
        asked = {"input_ids": batch["input_ids"][:, :length]}
        asked |= {name: batch[name] for name in ("pixel_values", "image_grid_thw")}
        for other in (evaluated, {name: torch.as_tensor(np.asarray(value)) for name, value in rolled.items()}):
            for name, value in asked.items():
                assert torch.equal(value, other[name].to(value.dtype)), name
            assert torch.equal(batch["position_ids"][..., :length], positions(model, other))
        lines += LINES[most] in processor.tokenizer.decode(asked["input_ids"][0])
    assert 0 < lines < len(samples)


def positions(model, inputs: dict) -> torch.Tensor:
    named = ("input_ids", "attention_mask", "mm_token_type_ids", "image_grid_thw")
    return model.model.get_rope_index(**{name: inputs[name] for name in named})[0]


def test_a_reasoned_question_is_asked_alike_everywhere_and_by_every_model(tiny_data, speaking):
    """The options stand behind their letters, and nothing else is asked for at the same time."""
    mixture = {"egore/qa/ego": 1.0}
    model, processor = speaking
    ours = opened(tiny_data, mixture=mixture, reasoned=True)
    foreign = opened(tiny_data, partial(qwen_vl.shown, most_frames=None), mixture=mixture, reasoned=True)
    answerer = Answerer(model, processor, ours.store, reasoned=True, max_batch_tokens=999, max_new_tokens=1)
    rolled = prompts_of(ours)
    for index in range(len(ours)):
        item = ours[index]
        question = item["turns"][0][0]
        assert foreign[index]["turns"][0] == item["turns"][0]
        assert rolled[index]["prompt"][0]["content"][-1]["text"] == question
        embeds = evaluation_embeds(answerer, ours.asked(index), item["sample_id"])
        asked = rollout(processor, rolled[index])["input_ids"][0]
        words = model.get_input_embeddings()(torch.tensor(asked))
        text = asked.index(processor.tokenizer.convert_tokens_to_ids("<user>"))
        assert len(embeds) == len(asked) and torch.equal(embeds[text:], words[text:])
        assert processor.tokenizer.unk_token_id not in asked
        lines = question.split("\n")[1:-1]
        assert [line.split(". ", 1)[1] for line in lines] == item["target"]["choices"]
        assert "letter of the right option" in question and "option alone" not in question.replace(
            "right option alone", ""
        )
