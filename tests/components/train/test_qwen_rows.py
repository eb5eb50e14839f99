"""Packed rows of a Qwen model teach what a row for each question teaches: same tokens, loss and gradients."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from components import params
from components.models import build, qwen_vl
from components.models.hub_configs import QWEN_PARTS
from components.train import checkpoints, qwen_rows
from components.train.qwen import Collate, losses
from tests.components.train.test_qwen import BOX, item, lora, plain, stage

ABOUT_CUP = [("what does C do?", "C picks up the red cup."), ("where is the blue bowl?", "the right hand"), ("C?", "a")]


def video(n_frames: int, turns: Sequence[tuple[str, str]], *, side: int = 64) -> dict:
    return item(n_frames, "", side=side) | {"turns": list(turns)}


BATCHES = {
    "mixed lengths": [video(n, ABOUT_CUP[:1]) for n in (1, 12, 2, 3)],
    "several questions over one video": [video(3, ABOUT_CUP)],
    "one video in several samples": [video(3, [turn]) for turn in ABOUT_CUP],
    "two videos in a row": [video(6, ABOUT_CUP[:2]), video(2, ABOUT_CUP[1:]), video(1, ABOUT_CUP, side=84)],
    "a picture, videos and text": [
        item(2, "<answer>[12, 32, 40, 56]</answer>", target=BOX, frame_kind="image", side=96),
        video(4, ABOUT_CUP), video(0, ABOUT_CUP[:1]), video(0, ABOUT_CUP[:2]),
    ],
    "text alone": [video(0, ABOUT_CUP[:2]), video(0, ABOUT_CUP[2:])],
}  # fmt: skip


@pytest.fixture(params=["sdpa", "eager"])
def attention(request, monkeypatch) -> str:
    monkeypatch.setattr(build, "attention", lambda: request.param)
    return request.param


@pytest.fixture(params=params.QWEN)
def base(request, qwen_bases):
    return qwen_bases[request.param]


@pytest.fixture
def processor(base):
    return qwen_vl.load_processor(base, pixels=None)


def loud(base) -> nn.Module:
    """A model in whose answers everything that it sees is heard: in a fresh one attention is nearly even."""
    model = qwen_vl.load(base)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    return model.train()


def taught(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    loss = losses({"vtg": 1.0})(model, batch)["total"]
    loss.backward()
    # a tower that no sample shows an image has no gradient in plain rows, and one of zeros where a blank one is shown
    moved = {name: one.grad for name, one in model.named_parameters() if one.grad is not None and one.grad.any()}
    return loss.detach(), {name: gradient.clone() for name, gradient in moved.items()}


def check_same(model: nn.Module, processor: qwen_vl.QwenProcessor, items: list[dict]) -> dict[str, Tensor]:
    """Hold the packed batch against the plain one; return it."""
    packed = Collate(processor)(items)
    (loss, gradients), (ours, moved) = taught(model, plain(processor, items)), taught(model, packed)
    assert gradients and set(moved) == set(gradients)
    torch.testing.assert_close(ours, loss, rtol=0, atol=1e-5)
    for name, gradient in gradients.items():
        largest = gradient.abs().max().item()
        torch.testing.assert_close(moved[name], gradient, rtol=1e-4, atol=1e-4 * largest, msg=lambda text: text)
    return packed


@pytest.mark.parametrize("kind", BATCHES)
def test_packed_rows_have_loss_and_gradients_of_plain_ones(base, processor, attention, kind):
    check_same(loud(base), processor, BATCHES[kind])


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "adapters"])
def test_they_have_under_checkpointing_and_through_adapters(base, processor, adapted):
    model = loud(base)
    rates = dict.fromkeys(QWEN_PARTS.keys() - {"ego_tokens"}, 1e-3)  # which this model has not
    if adapted:
        checkpoints.prepare(model, {}, stage(lora=lora(**rates)).lora, QWEN_PARTS)
        with torch.no_grad():
            for name, one in model.named_parameters():
                if "lora_B" in name:  # begins as zeros, which no gradient passes
                    one.normal_(std=0.1)
    else:
        checkpoints.prepare(model, rates, None, QWEN_PARTS)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    check_same(model, processor, BATCHES["two videos in a row"])


def test_without_mask_or_positions_the_loss_is_another(base, processor):
    """The controls of the tests above: what is compared there is heard."""
    model, batch = loud(base), Collate(processor)(BATCHES["two videos in a row"])
    compute = losses({"vtg": 1.0})
    with torch.no_grad():
        right = compute(model, batch)["vtg"].item()
        counted = torch.arange(batch["input_ids"].shape[1]).expand_as(batch["position_ids"])
        for wrong in (batch | {"attention_mask": None}, batch | {"position_ids": counted}):
            assert abs(compute(model, wrong)["vtg"].item() - right) > 1e-3


def test_frames_are_read_once_and_rows_are_no_longer_than_the_longest_sample(processor):
    once, apart = (Collate(processor)(BATCHES[kind]) for kind in BATCHES if "one video" in kind)
    for name, value in once.items():
        assert torch.equal(apart[name], value), name
    assert len(once["image_grid_thw"]) == 3 and len(once["input_ids"]) == 1
    lengths = [plain(processor, [one])["input_ids"].shape[1] for one in BATCHES["mixed lengths"]]
    packed = Collate(processor)(BATCHES["mixed lengths"])
    assert packed["input_ids"].shape[1] == max(lengths) and packed["input_ids"].shape[0] < len(lengths)
    assert (packed["labels"] != -100).sum() == (plain(processor, BATCHES["mixed lengths"])["labels"] != -100).sum()


def test_rows_of_a_sample_each_need_no_mask(base, processor):
    """Attention that may see all before it has kernels of its own, which read no mask from memory."""
    alike = [
        video(2, [turn]) | {"frames": video(2, [turn])["frames"] + number} for number, turn in enumerate(ABOUT_CUP)
    ]
    batch = Collate(processor)(alike)
    assert len(batch["input_ids"]) == 3 and "attention_mask" not in batch
    check_same(loud(base), processor, alike)


def test_positions_are_those_of_transformers(base, processor):
    model = qwen_vl.load(base)
    items = [video(3, ABOUT_CUP[:1]), item(2, "a", frame_kind="image", side=96), video(2, ABOUT_CUP[:1], side=84)]
    for one in items:
        batch = plain(processor, [one])
        named = {name: batch[name] for name in ("input_ids", "attention_mask", "mm_token_type_ids", "image_grid_thw")}
        theirs, deltas = model.model.get_rope_index(**named)
        ours, end = qwen_rows.positions_of(
            batch["mm_token_type_ids"][0].tolist(), batch["image_grid_thw"].tolist(), merge_size=2
        )
        assert torch.equal(torch.from_numpy(ours), theirs[:, 0]) and end == deltas.item() + ours.shape[1]
