"""Qwen models that read a prompt once for its completions say and learn what they do by TRL's own readers."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import GenerationConfig
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head, pad

from components import params
from components.models import qwen_shared_prefix, qwen_vl
from components.models.hub_configs import QWEN_PARTS
from components.train import checkpoints
from components.train.grpo.shared_prompt import SharedPromptTrainer, images_by_row, same_prompt, sample, score
from tests.components.train.test_qwen import item

SHOWN = (item(2, ""), item(3, "", side=96, question="where is the red cup?"), item(0, "", question="what is a bowl?"))
# rows in an order that TRL's shuffling may give: prompts apart, groups of unlike size, completions of unlike length
ROWS = ((1, 5), (0, 2), (2, 4), (0, 6), (1, 3), (1, 1), (2, 2))
WIDTH = 7
ADAPTERS = {"r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "learning_rate": {"language_model": 1e-5, "merger": 1e-5}}


@pytest.fixture(params=params.QWEN)
def base(request, qwen_bases):
    return qwen_bases[request.param]


@pytest.fixture
def processor(base):
    return qwen_vl.load_processor(base, pixels=None)


@pytest.fixture
def model(base):
    return loud(base)


def loud(base: Path):
    """The model with other weights: what a fresh one sees makes too small a difference to be told."""
    model = qwen_vl.load(base)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "embed_tokens" not in name:
                parameter.normal_(std=0.2, generator=generator)
    return model


@pytest.fixture
def prompts(processor):
    return asked(processor)


def asked(processor) -> tuple[list[list[int]], dict[str, torch.Tensor], list[int]]:
    """Token ids of each row's prompt, the fields of all images in the rows' order, and the images of each row."""
    encoded = [qwen_vl.encode(processor, [SHOWN[which]]) for which, _ in ROWS]
    fields = {
        name: torch.cat([torch.as_tensor(np.asarray(one[name])) for one in encoded if name in one])
        for name in ("pixel_values", "image_grid_thw")
    }
    return [one["input_ids"][0] for one in encoded], fields, [len(SHOWN[which]["frames"]) for which, _ in ROWS]


def said() -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(20, 250, (length,), generator=generator).tolist() for _, length in ROWS]


def trainer_like(processor) -> SimpleNamespace:
    accelerator = SimpleNamespace(autocast=nullcontext, device="cpu", is_main_process=False)
    return SimpleNamespace(accelerator=accelerator, _tokenizer=processor.tokenizer)


def read_by(
    owner: type, model, processor, prompts, *, batch_size: int | None = None, backward=torch.Tensor.backward
) -> tuple:
    """Log-probabilities, entropies and gradients, by a trainer's own reader."""
    lists, fields, counts = prompts
    ids, masks = [], []
    for rows, side, least in ((lists, "left", 0), (said(), "right", WIDTH)):
        blank = [torch.zeros(max(least, *map(len, rows)))]  # so that both are padded to the width
        ids.append(pad([torch.tensor(row) for row in rows] + blank, processor.tokenizer.pad_token_id, side)[:-1])
        masks.append(pad([torch.ones(len(row)) for row in rows] + blank, 0, side)[:-1])
    ids, mask = torch.cat(ids, 1).long(), torch.cat(masks, 1).long()
    given = {**fields, "num_images": counts, "mm_token_type_ids": (ids == processor.image_token_id).int()}
    model.zero_grad()
    logps, entropies, _ = owner._get_per_token_logps_and_entropies(
        trainer_like(processor), model, ids, mask, WIDTH, compute_entropy=True, batch_size=batch_size, **given
    )
    real = mask[:, -WIDTH:]
    weights = torch.randn(real.shape, generator=torch.Generator().manual_seed(5)) * real
    backward((logps * weights).sum())
    gradients = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    return logps.detach() * real, entropies.detach() * real, gradients


@pytest.mark.parametrize("how", ["full", "adapters", "gradient checkpointing", "sdpa", "in batches"])
def test_log_probabilities_and_gradients_are_those_of_trl(model, processor, prompts, how):
    if how == "adapters":
        checkpoints.prepare(model, {"vision_encoder": 1e-5}, params.Lora(**ADAPTERS), QWEN_PARTS)
        with torch.no_grad():
            for name, one in model.named_parameters():
                if "lora_B" in name:
                    one.normal_(std=0.1)
    if how == "gradient checkpointing":
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
    model.set_attn_implementation("sdpa" if how == "sdpa" else "eager")
    add_fused_lm_head(model, temperature=0.7, outputs=("log_probs", "entropy"))
    size = 4 if how == "in batches" else None
    wanted, found = (
        read_by(owner, model, processor, prompts, batch_size=size) for owner in (GRPOTrainer, SharedPromptTrainer)
    )
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[1], wanted[1], rtol=0, atol=1e-4)
    assert found[2].keys() == wanted[2].keys()
    largest = max(one.abs().max() for one in wanted[2].values())
    for name, one in wanted[2].items():
        torch.testing.assert_close(found[2][name] / largest, one / largest, rtol=0, atol=1e-4, msg=name)
    if how == "adapters":
        assert {name for name in found[2] if "lora_" in name} and not any("embed_tokens" in name for name in found[2])


def test_a_completion_sees_no_other_and_stands_where_its_prompt_ends(model, processor, prompts, monkeypatch):
    add_fused_lm_head(model, outputs=("log_probs",))
    lists, fields, counts = prompts
    images = images_by_row(fields, counts)
    assert same_prompt(lists, images) == [[0, 4, 5], [1, 3], [2, 6]]
    whole, _ = score(model, lists, said(), images, pad_id=0, width=WIDTH)
    alone, _ = score(model, lists[:1], said()[:1], images[:1], pad_id=0, width=WIDTH)
    torch.testing.assert_close(whole[:1], alone, rtol=0, atol=1e-5)
    right = qwen_shared_prefix.three_axes
    for wrong in (lambda model, ids, places, grids: places, lambda *of: right(*of) + (of[2] > len(lists[0]))):
        monkeypatch.setattr(qwen_shared_prefix, "three_axes", wrong)
        off, _ = score(model, lists[:1], said()[:1], images[:1], pad_id=0, width=WIDTH)
        assert (off - alone).abs().max() > 1e-3, "positions of one axis, or one place too far, would be told"


def test_greedy_completions_are_those_of_each_prompt_alone(model, processor, prompts):
    lists, fields, counts = prompts
    ends = {"eos_token_id": processor.tokenizer.eos_token_id, "pad_token_id": processor.tokenizer.pad_token_id}
    config = GenerationConfig(max_new_tokens=12, do_sample=False, **ends)
    made = sample(model, lists, images_by_row(fields, counts), pad_id=processor.tokenizer.pad_token_id, config=config)
    for row, (which, _) in enumerate(ROWS):
        asked = qwen_vl.encode(processor, [SHOWN[which]])
        inputs = {name: torch.as_tensor(np.asarray(one)) for name, one in asked.items()}
        alone = model.generate(**inputs, generation_config=config)[0, len(lists[row]) :]
        end = (alone == ends["eos_token_id"]).nonzero().flatten()
        assert made[row] == alone[: end[0] + 1 if len(end) else None].tolist()
    assert made[0] == made[4] == made[5] and made[0] != made[1]
