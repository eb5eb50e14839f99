"""What a Qwen model is trained on: labels on answers alone, batches of videos, images and text, parts that move."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from components import params
from components.models import qwen_vl
from components.models.backbone import part_of
from components.models.hub_configs import QWEN_PARTS
from components.train import algorithms, checkpoints
from components.train.packing import IGNORE
from components.train.qwen import Collate, encode_once, losses
from components.train.trainer import optimiser_groups

BOX = {"kind": "box", "box_xyxy": [12.0, 32.0, 40.0, 56.0]}


def item(n_frames: int, answer: str, *, side: int = 64, **changes) -> dict:
    frames = np.random.default_rng(n_frames).integers(0, 255, (n_frames, side, side, 3), dtype=np.uint8)
    plain = {"question": "what does C do?", "question_type": "caption", "target": {"kind": "text"}, "reasoned": False}
    made = {
        **plain,
        "answer": answer,
        "frame_kind": "clip",
        "view": "ego",
        "frames": frames,
        "times_s": None,
        **changes,
    }
    return qwen_vl.shown(made, most_frames=None)


MIXED = [
    item(2, "C picks up the red cup."),
    item(5, "the blue bowl"),
    item(2, "<think>left</think><answer>[12, 32, 40, 56]</answer>", target=BOX, frame_kind="image", side=96),
    item(0, "a helpful assistant"),
]


def plain(processor: qwen_vl.QwenProcessor, items: list[dict]) -> dict[str, torch.Tensor]:
    """Give each question a row with its own frames, padded on the right, the model to find positions and mask."""
    asked = [one | {"question": question, "answer": answer} for one in items for question, answer in one["turns"]]
    prompts = qwen_vl.encode(processor, asked)
    end = processor.tokenizer.eos_token_id
    answers = [[*processor.tokenizer(one["answer"])["input_ids"], end] for one in asked]
    pairs = list(zip(prompts["input_ids"], answers, strict=True))
    rows = {
        "input_ids": ([[*ids, *said] for ids, said in pairs], processor.tokenizer.pad_token_id),
        "labels": ([[IGNORE] * len(ids) + said for ids, said in pairs], IGNORE),
        "attention_mask": ([[1] * (len(ids) + len(said)) for ids, said in pairs], 0),
        "mm_token_type_ids": (prompts["mm_token_type_ids"], 0),
    }
    length = max(map(len, rows["input_ids"][0]))
    batch = {
        name: torch.tensor([[*row, *[fill] * (length - len(row))] for row in values])
        for name, (values, fill) in rows.items()
    }
    return batch | {
        name: torch.as_tensor(prompts[name]) for name in ("pixel_values", "image_grid_thw") if name in prompts
    }


@pytest.fixture(params=params.QWEN)
def base(request, qwen_bases):
    return qwen_bases[request.param]


@pytest.fixture
def processor(base):
    return qwen_vl.load_processor(base, pixels=None)


@pytest.fixture
def model(base):
    return qwen_vl.load(base)


def test_labels_are_the_answer_and_its_end_and_nothing_else(processor):
    for one in MIXED:
        batch = Collate(processor)([one])
        [ids], [labels] = batch["input_ids"], batch["labels"]
        learned = labels != IGNORE
        assert torch.equal(labels[learned], ids[learned])
        assert processor.tokenizer.decode(labels[learned]) == one["answer"] + "<|im_end|>"
        places = learned.nonzero()[:, 0]
        assert len(places) == places[-1] - places[0] + 1, "the answer stands in one piece"
        assert processor.tokenizer.decode(ids[: places[0]]).endswith("<|im_start|>assistant\n")
        blank = not len(one["frames"])
        assert len(ids) == places[-1] + 1 + blank, "and nothing follows it, but the blank image behind text alone"


@pytest.mark.parametrize("pixels", [None, 3136])
def test_a_box_is_taught_in_percent_at_any_size(base, pixels):
    batch = Collate(qwen_vl.load_processor(base, pixels=pixels))(MIXED[2:3])
    said = qwen_vl.load_processor(base, pixels=pixels).tokenizer.decode(batch["labels"][batch["labels"] != IGNORE])
    assert "<answer>[12, 32, 40, 56]</answer>" in said


def test_a_mixed_batch_teaches_what_its_samples_teach_alone(model, processor):
    collate, compute = Collate(processor), losses({"vtg": 1.0})
    with torch.no_grad():
        together = compute(model, collate(MIXED))["vtg"]
        alone = torch.stack([compute(model, collate([one]))["vtg"] for one in MIXED])
    tokens = torch.stack([(collate([one])["labels"] != IGNORE).sum() for one in MIXED])
    assert together.item() == pytest.approx(((alone * tokens).sum() / tokens.sum()).item(), rel=1e-5)


def test_the_loss_is_that_of_transformers_own_head(model, processor):
    batch = Collate(processor)(MIXED)
    with torch.no_grad():
        assert losses({"vtg": 1.0})(model, batch)["total"].item() == pytest.approx(model(**batch).loss.item(), rel=1e-5)


def test_text_alone_runs_the_vision_tower_and_learns_nothing_there(model, processor):
    batch = Collate(processor)(MIXED[3:])
    losses({"vtg": 1.0})(model, batch)["total"].backward()
    tower = {name: one.grad for name, one in model.named_parameters() if part_of(name, QWEN_PARTS) != "language_model"}
    # a gradient that is there and zero: the rank takes part in every exchange
    assert tower and all(grad is not None and not grad.any() for grad in tower.values())
    real = batch["input_ids"].shape[1] - 1
    with torch.no_grad():
        plain = model(input_ids=batch["input_ids"][:, :real]).logits
        blank = model(**{name: value for name, value in batch.items() if name != "labels"}).logits[:, :real]
    torch.testing.assert_close(blank, plain)


def test_another_loss_is_refused():
    with pytest.raises(ValueError, match=r"names \['kl', 'vtg'\], allowed for this model is \['vtg'\]"):
        losses({"vtg": 1.0, "kl": 1.0})


def stage(**changes) -> params.Stage:
    plain = {
        "name": "sft",
        "algorithm": "supervised",
        "max_steps": 1,
        "train_batch_size": 1,
        "warmup_ratio": 0.0,
        "weight_decay": 0.1,
    }
    return params.Stage(**{**plain, "save_steps": 1, **changes})


def lora(**rates: float) -> dict:
    return {"r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "learning_rate": rates}


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rates": {"language_model": 4e-5, "vision_encoder": 2e-5, "merger": 1e-4}},
        {"learning_rates": {"merger": 1e-4}},
        {"learning_rates": {"language_model": 1e-6}},
        {"learning_rates": {"merger": 1e-4}, "lora": lora(language_model=2e-5, vision_encoder=1e-5)},
        {"lora": lora(language_model=2e-5, vision_encoder=1e-5, merger=3e-5)},
        {
            "learning_rates": {"vision_encoder": 1e-5},
            "lora": {"r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "learning_rate": 2e-5},
        },
    ],
    ids=["full", "merger", "language", "merger and adapters", "adapters", "tower and adapters"],
)
def test_each_part_is_full_frozen_or_adapted_at_its_own_rate(model, processor, changes):
    asked = stage(**changes)
    full, adapted = asked.learning_rates, asked.lora.learning_rates if asked.lora else {}
    checkpoints.prepare(model, asked.learning_rates, asked.lora, QWEN_PARTS)
    groups = algorithms.groups(model, asked, QWEN_PARTS)
    rate = {id(one): group["lr"] for group in groups for one in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rate), "a parameter is in one group"
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    # B starts as zeros, so that A has no gradient before B has moved
    optimiser = torch.optim.AdamW(groups)
    for _ in range(2):
        optimiser.zero_grad()
        losses({"vtg": 1.0})(model, Collate(processor)(MIXED))["total"].backward()
        optimiser.step()
    for name, one in model.named_parameters():
        part = part_of(name, QWEN_PARTS)
        wanted = adapted.get(part) if "lora_" in name else full.get(part)
        assert rate.get(id(one)) == wanted and one.requires_grad == (wanted is not None), name
        assert torch.equal(one, before[name]) == (wanted is None), name
    have = {part_of(name, QWEN_PARTS) for name, _ in model.named_parameters() if "lora_" in name}
    assert have == set(adapted)


def test_merged_adapters_change_the_layers_and_not_the_answers(model, processor):
    checkpoints.prepare(
        model, {}, stage(lora=lora(language_model=1e-3, vision_encoder=1e-3, merger=1e-3)).lora, QWEN_PARTS
    )
    with torch.no_grad():
        for name, one in model.named_parameters():
            if "lora_B" in name:
                one.normal_(std=0.1)
        compute, batch = losses({"vtg": 1.0}), Collate(processor)(MIXED)
        adapted = compute(model, batch)["vtg"]
        checkpoints.merge_adapters(model)
        assert not any("lora" in name or "base_layer" in name for name, _ in model.named_parameters())
        torch.testing.assert_close(compute(model, batch)["vtg"], adapted)


def test_a_part_is_not_trained_beside_its_adapters(model):
    asked = stage(lora=lora(vision_encoder=1e-5)).lora
    with pytest.raises(ValueError, match="`lora` and `learning_rates: vision_encoder` exclude one another"):
        checkpoints.prepare(model, {"vision_encoder": 1e-5}, asked, QWEN_PARTS)
    with pytest.raises(ValueError, match=r"names \['ego_encoder'\], allowed are \['ego_tokens', 'language_model', "):
        checkpoints.prepare(model, {"ego_encoder": 1e-5}, None, QWEN_PARTS)


def test_one_rate_for_all_adapters_stays_allowed(model):
    checkpoints.prepare(model, {}, stage(lora=lora(language_model=1e-5)).lora, QWEN_PARTS)
    groups = optimiser_groups(model, {}, lora_rate=1e-5, weight_decay=0.0, parts=QWEN_PARTS)
    assert {group["lr"] for group in groups} == {1e-5}


def test_images_that_stand_twice_are_encoded_once_with_the_same_gradients(model, processor):
    again = [MIXED[0], MIXED[1], MIXED[0], MIXED[2], MIXED[1]]
    batch, compute = plain(processor, again), losses({"vtg": 1.0})
    once = copy.deepcopy(model)
    seen: list[int] = []
    once.model.visual.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["grid_thw"])), with_kwargs=True
    )
    encode_once(once)
    values = []
    for one in (model, once):
        loss = compute(one, batch)["total"]
        loss.backward()
        values.append((loss.detach(), {name: parameter.grad for name, parameter in one.named_parameters()}))
    assert seen == [2 + 5 + 1] and len(batch["image_grid_thw"]) == 2 + 5 + 2 + 1 + 5
    torch.testing.assert_close(values[1], values[0], rtol=1e-4, atol=1e-6)


def test_more_frames_than_the_contract_has_are_refused(tmp_path):
    architecture = params.Qwen(architecture="qwen2_vl", base="Qwen/Qwen2-VL-7B-Instruct")
    data = params.load(Path("params/data.yaml"), params.Data)
    with pytest.raises(ValueError, match=r"`max_frames` 64 came, allowed is 32 at most.*run `dvc repro`"):
        algorithms.samples(stage(max_frames=64), data, tmp_path, architecture)
