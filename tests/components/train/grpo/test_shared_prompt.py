"""Sharing a prompt changes what is computed, not what comes out: TRL's own readers give the truth."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head, pad

from components.models import build
from components.models.processing import layout, prompt
from components.train.grpo.shared_prompt import SharedPromptTrainer, same_prompt, sample, score

FRAMES = (2, 4, 2)  # of each prompt
QUESTIONS = ("where is the red cup?", "what does C do?", "where is the left hand?")
# rows in an order that TRL's shuffling may give: prompts apart, groups of unlike size, completions of unlike length
ROWS = ((1, 5), (0, 2), (2, 4), (0, 6), (1, 3), (1, 1))
WIDTH = 7


@pytest.fixture(params=[0, 3], ids=["plain", "with ego-adaptive tokens"])
def model(model, processor, request):
    if request.param:
        told = build.processor_for(build.config_of(processor), processor.tokenizer)
        build.renew_ego_tokens(model, told, request.param, seed=0)
    return model


@pytest.fixture
def rows(model, processor):
    generator = torch.Generator().manual_seed(3)
    # channels last in memory, as `normalise` leaves them
    shown = [torch.randn(count, 64, 64, 3, generator=generator).permute(0, 3, 1, 2) for count in FRAMES]
    texts = [
        prompt(layout(model.config, "ego", count), question) for count, question in zip(FRAMES, QUESTIONS, strict=True)
    ]
    ids = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    said = [torch.randint(20, 60, (length,), generator=generator).tolist() for _, length in ROWS]
    return [ids[which] for which, _ in ROWS], said, [{"pixel_values": shown[which]} for which, _ in ROWS]


def trainer_like(processor):
    accelerator = SimpleNamespace(autocast=nullcontext, device="cpu", is_main_process=False)
    return SimpleNamespace(accelerator=accelerator, _tokenizer=processor.tokenizer)


def test_rows_of_one_prompt_are_found_wherever_they_stand(rows):
    prompts, _, frames = rows
    assert same_prompt(prompts, frames) == [[0, 4, 5], [1, 3], [2]]
    # the same question about other frames
    other = [*frames[:4], {"pixel_values": frames[4]["pixel_values"] + 1e-6}, frames[5]]
    assert same_prompt(prompts, other) == [[0, 5], [1, 3], [2], [4]]


@pytest.mark.parametrize("batch_size", [None, 4])
def test_log_probabilities_and_gradients_are_those_of_separate_rows(model, processor, rows, batch_size):
    add_fused_lm_head(model, temperature=0.7, outputs=("log_probs", "entropy"))
    prompts, said, frames = rows
    sides = (prompts, "left", 0), (said, "right", WIDTH)
    ids, masks = [], []
    for lists, side, least in sides:
        width = max(least, *map(len, lists))
        blank = [torch.zeros(width)]  # so that both are padded to the width
        ids.append(pad([torch.tensor(row) for row in lists] + blank, processor.tokenizer.pad_token_id, side)[:-1])
        masks.append(pad([torch.ones(len(row)) for row in lists] + blank, 0, side)[:-1])
    ids, mask = torch.cat(ids, 1).long(), torch.cat(masks, 1).long()
    given = {
        "pixel_values": torch.cat([shown["pixel_values"] for shown in frames]),
        "num_images": [len(shown["pixel_values"]) for shown in frames],
        "compute_entropy": True, "batch_size": batch_size,
    }  # fmt: skip
    weights = torch.randn(len(ROWS), WIDTH, generator=torch.Generator().manual_seed(5)) * mask[:, -WIDTH:]
    results = []
    for owner in (GRPOTrainer, SharedPromptTrainer):
        model.zero_grad()
        logps, entropies, _ = owner._get_per_token_logps_and_entropies(
            trainer_like(processor), model, ids, mask, WIDTH, **given
        )
        (logps * weights).sum().backward()
        gradients = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
        results.append((logps.detach() * mask[:, -WIDTH:], entropies.detach() * mask[:, -WIDTH:], gradients))
    (logps, entropies, gradients), (packed_logps, packed_entropies, packed_gradients) = results
    torch.testing.assert_close(packed_logps, logps, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(packed_entropies, entropies, rtol=1e-4, atol=1e-5)
    assert gradients.keys() == packed_gradients.keys()
    for name, value in gradients.items():
        torch.testing.assert_close(packed_gradients[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_what_is_right_of_a_completion_is_zero(model, processor, rows):
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    prompts, said, frames = rows
    logps, entropies = score(model, prompts, said, frames, pad_id=0, width=WIDTH)
    real = torch.tensor([[column < len(row) for column in range(WIDTH)] for row in said])
    assert (logps[real] < 0).all() and (logps[~real] == 0).all() and (entropies[~real] == 0).all()


def test_a_masked_completion_is_left_out(model, processor, rows):
    # TRL empties the mask of a completion that was cut off, where it is asked to
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    prompts, said, frames = rows
    whole, _ = score(model, prompts, said, frames, pad_id=0, width=WIDTH)
    cut, _ = score(model, prompts, [[], *said[1:]], frames, pad_id=0, width=WIDTH)
    assert (cut[0] == 0).all()
    torch.testing.assert_close(cut[1:], whole[1:], rtol=1e-4, atol=1e-5)


def test_greedy_completions_are_those_of_separate_rows(model, processor, rows):
    prompts, _, frames = rows
    model.generation_config.update(
        max_new_tokens=12, do_sample=False, eos_token_id=processor.tokenizer.eos_token_id,
        pad_token_id=processor.tokenizer.pad_token_id,
    )  # fmt: skip
    made = sample(model, prompts, frames, pad_id=processor.tokenizer.pad_token_id, config=model.generation_config)
    for row, (ids, shown) in enumerate(zip(prompts, frames, strict=True)):
        ids = torch.tensor([ids])
        alone = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **shown)
        alone = alone[0, ids.shape[1] :]
        end = (alone == processor.tokenizer.eos_token_id).nonzero().flatten()
        assert made[row] == alone[: end[0] + 1 if len(end) else None].tolist()
    assert made[0] == made[4] == made[5]
