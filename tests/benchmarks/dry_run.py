"""What the formulas of the dry run say of tiny models, beside what PyTorch counts in a real step of them.

Run as: python -m tests.benchmarks.dry_run     (under a minute; writes results/dry_run.json, which the dry run quotes)

Operations are counted by torch.utils.flop_counter over forward and backward pass (for grpo over rollouts and the
reference model too); bytes are those of the tensors that DeepSpeed's ZeRO-2 holds in bfloat16, and of those that
autograd keeps for a layer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn
from torch.utils import flop_counter
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    CLIPVisionModel,
    GenerationConfig,
    MistralConfig,
    PreTrainedModel,
)
from trl.trainer.utils import add_fused_lm_head

from components import params
from components.models import build, hub_configs
from components.train import algorithms, checkpoints, supervised
from components.train.dataset import Collate
from components.train.dry_run import memory_formulas
from components.train.dry_run.stage_budget import Budget, budget
from components.train.grpo import shared_prompt
from tests.benchmarks import training
from tests.components.tiny_qwen import write_base

RESULTS = training.ROOT / "results/dry_run.json"
COMMON = {"max_steps": 1, "warmup_ratio": 0.0, "weight_decay": 0.0, "save_steps": 1}
# the counter knows the attention of GPUs alone
ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda *shapes, **named: flop_counter.sdpa_flop_count(
        *shapes[:3]
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda *shapes, **named: (
        flop_counter.sdpa_backward_flop_count(*shapes[:4])
    ),
}


def counted(step: Callable[[], object]) -> int:
    """Return the floating-point operations that PyTorch counts while a step runs."""
    with flop_counter.FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        step()
    return counter.get_total_flops()


def qwen(architecture: str, **changes) -> tuple[Budget, Callable[[], object]]:
    """Return the budget of a stage of a tiny Qwen model, and a step of it on a batch as long as the budget says."""
    stage = params.Stage(
        **COMMON
        | {
            "name": "step", "algorithm": "supervised", "train_batch_size": 2, "max_frames": 3, "max_pixels": 56 * 56,
            "max_text_tokens": 40, "mixture": {"egore/qa/ego": 1.0},
            "learning_rates": dict.fromkeys(("language_model", "vision_encoder", "merger"), 1e-3),
        }
        | changes
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        model = AutoModelForImageTextToText.from_pretrained(write_base(Path(folder), architecture))
    needs = budget(stage, model.config, data().frames)
    checkpoints.prepare(model, stage.learning_rates, stage.lora, hub_configs.parts_of(model.config))
    if stage.grpo:
        add_fused_lm_head(model)
    frames, patches = needs.demand.towers["vision_encoder"]
    vision, sequences = model.config.vision_config, stage.train_batch_size
    frame = [model.config.vision_start_token_id]
    frame += [model.config.image_token_id] * (patches // vision.spatial_merge_size**2)
    frame += [model.config.vision_end_token_id]
    words = np.random.default_rng(0).integers(10, 200, (sequences, needs.demand.text_tokens))
    ids = torch.tensor([[*frame * frames, *row] for row in words.tolist()])
    side = int(patches**0.5)
    values = 3 * vision.temporal_patch_size * vision.patch_size**2
    batch = {
        "input_ids": ids,
        "labels": ids,
        "mm_token_type_ids": (ids == model.config.image_token_id).int(),
        "pixel_values": torch.randn(sequences * frames * patches, values),
        "image_grid_thw": torch.tensor([[1, side, side]] * (sequences * frames)),
    }
    return needs, (lambda: grpo_step(model, stage, batch)) if stage.grpo else (lambda: train_step(model, batch))


def train_step(model: PreTrainedModel, batch: dict) -> None:
    """Pass a batch forward and backward."""
    model(**batch, use_cache=False).loss.backward()


def grpo_step(model: PreTrainedModel, stage: params.Stage, batch: dict) -> None:
    """Do what a step of GRPO does: write the completions, pass them through the reference model, and train on them."""
    many, group = stage.grpo.max_completion_length, stage.grpo.num_generations
    prompts = batch["input_ids"][:, :-many].repeat_interleave(group, dim=0).tolist()
    frames = len(batch["image_grid_thw"]) // stage.train_batch_size
    images = [
        shown for shown in shared_prompt.images_by_row(batch, [frames] * stage.train_batch_size) for _ in range(group)
    ]
    ends = {name: getattr(model.generation_config, name) for name in ("eos_token_id", "pad_token_id")}
    # of all words, for the formula counts on no completions that begin alike; an image in a completion stands for none
    frames_only = [model.config.image_token_id, model.config.video_token_id, model.config.vision_start_token_id]
    length = {"max_new_tokens": many, "min_new_tokens": many}
    config = GenerationConfig(do_sample=True, top_k=0, suppress_tokens=frames_only, **length, **ends)
    said = shared_prompt.sample(model, prompts, images, pad_id=ends["pad_token_id"], config=config)
    read = partial(shared_prompt.score, model, prompts, said, images, pad_id=ends["pad_token_id"], width=many)
    with torch.no_grad():
        read()
    read()[0].sum().backward()


def miniature(name: str) -> tuple[Budget, Callable[[], object]]:
    """Return the budget of a stage of the miniature, and a step of it on a batch as long as the budget says."""
    recipe = params.load(training.ROOT / "params/recipes/miniature.yaml", params.Recipe)
    stage = next(stage for stage in recipe.stages if stage.name == name)
    processor = algorithms.fresh_processor(recipe.model, data())
    config = build.config_of(processor)
    config.guidance = stage.guidance
    model = build.assemble(config, {}, seed=0)
    checkpoints.prepare(model, stage.learning_rates, stage.lora)
    [view] = {key.split("/")[2] for key in stage.mixture}
    shown = data().frames.window_frames if name == "stage3" else data().frames.clip_frames
    # frames that are alike would be encoded once
    shape = (2, 2, shown, recipe.model.image_px, recipe.model.image_px, 3)
    seen, paired = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    turns = [("what does C do?", "C picks up the red cup.")]
    items = [
        {"view": view, "frames": frames, "turns": turns} | ({"paired_frames": other} if stage.compares_views else {})
        for frames, other in zip(seen, paired, strict=True)
    ]
    batch = Collate(config, processor)(items)
    stage = stage.model_copy(update={"train_batch_size": 2, "max_text_tokens": 0})
    visual = budget(stage, config, data().frames).demand.visual_tokens
    stage = stage.model_copy(update={"max_text_tokens": batch["input_ids"].shape[1] - visual})
    compute = supervised.losses(stage.loss_weights, None)

    def step() -> None:
        # in float32 on a CPU the mappings' convolutions go by waves (models/reflect_conv.py), which GPUs do not
        with torch.autocast("cpu", torch.bfloat16):
            total = compute(model, batch)["total"]
        total.backward()

    return budget(stage, config, data().frames), step


def data() -> params.Data:
    """Return params/data.yaml."""
    return params.load(training.ROOT / "params/data.yaml", params.Data)


GRPO = {
    "algorithm": "grpo",
    "grpo": {
        "num_generations": 4, "beta": 0.04, "temperature": 1.0, "max_completion_length": 24,
        "reward_weights": {"format": 1.0},
    },
}  # fmt: skip
STEPS: dict[str, Callable[[], tuple[Budget, Callable[[], object]]]] = {
    "FLOPs of a step, tiny Qwen2-VL, all trained": lambda: qwen("qwen2_vl"),
    "FLOPs of a step, tiny Qwen2.5-VL, tower frozen": lambda: qwen(
        "qwen2_5_vl", learning_rates={"language_model": 1e-3}
    ),
    "FLOPs of a GRPO step, tiny Qwen2-VL, each prompt read once": lambda: qwen("qwen2_vl", **GRPO),
    "FLOPs of a step, miniature's Initialization": lambda: miniature("init_exo"),
    "FLOPs of a step, miniature's Stage 2": lambda: miniature("stage2"),
    "FLOPs of a step, miniature's Stage 3 with adapters": lambda: miniature("stage3"),
}


def flops(name: str) -> dict:
    """Return the row of a step in STEPS: its operations by formula and counted."""
    needs, step = STEPS[name]()
    return {"name": name, "by": "counted by PyTorch", "measured": counted(step), "formula": needs.step_flops()}


def kept_by(model: nn.Module, inputs: dict) -> int:
    """Return the bytes that a forward keeps for the backward pass, each storage once, without the parameters."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(**inputs).last_hidden_state
    assert output.requires_grad
    return sum(sizes.values())


def mistral(layers: int) -> int:
    """Return what a tiny Mistral keeps of 512 tokens."""
    config = MistralConfig(
        hidden_size=256, intermediate_size=896, num_hidden_layers=layers, num_attention_heads=8, num_key_value_heads=2,
        vocab_size=100,
    )  # fmt: skip
    model = AutoModel.from_config(config, attn_implementation="sdpa", dtype=torch.bfloat16)
    embeds = torch.randn(2, 256, 256, dtype=torch.bfloat16, requires_grad=True)
    return kept_by(model, {"inputs_embeds": embeds, "use_cache": False})


def clip(layers: int) -> int:
    """Return what a tiny CLIP tower keeps of 8 images of 17 tokens."""
    config = CLIPVisionConfig(
        hidden_size=256, intermediate_size=1024, num_hidden_layers=layers, num_attention_heads=4, image_size=56,
        patch_size=14,
    )  # fmt: skip
    model = CLIPVisionModel._from_config(config, attn_implementation="sdpa", dtype=torch.bfloat16)
    return kept_by(model, {"pixel_values": torch.randn(8, 3, 56, 56, dtype=torch.bfloat16)})


LAYERS = {
    "bytes kept by a Mistral layer": (mistral, memory_formulas.Transformer(1, 256, 256, 64, 896, gated=True), 2 * 256),
    "bytes kept by a CLIP layer": (clip, memory_formulas.Transformer(1, 256, 256, 256, 1024, gated=False), 8 * 17),
}


def activations(name: str) -> dict:
    """Return the row of a layer in LAYERS: what it keeps by formula and really."""
    measure, shape, tokens = LAYERS[name]
    formula = memory_formulas.layer_activations(shape, tokens)
    return {"name": name, "by": "kept by autograd", "measured": measure(3) - measure(2), "formula": formula}


def states() -> list[dict]:
    """Return rows for the bytes that ZeRO-2 holds of a tiny Qwen2-VL in bfloat16 on one rank, after a step."""
    training.rank()
    import deepspeed

    with TemporaryDirectory() as folder:
        model = AutoModelForImageTextToText.from_pretrained(write_base(Path(folder), "qwen2_vl"))
    rates = {"language_model": 1e-3}  # the tower is frozen
    checkpoints.prepare(model, rates, None, hub_configs.parts_of(model.config))
    groups = [{"params": [weight for weight in model.parameters() if weight.requires_grad], "lr": 1e-3}]
    settings = {
        "train_micro_batch_size_per_gpu": 1,
        "bf16": {"enabled": True},
        "zero_optimization": {"stage": 2},
        "zero_allow_untested_optimizer": True,
    }
    engine, *_ = deepspeed.initialize(model=model, optimizer=torch.optim.AdamW(groups[0]["params"]), config=settings)
    ids = torch.randint(10, 200, (1, 16))
    engine.backward(engine(input_ids=ids, labels=ids, use_cache=False).loss)
    gradients = sum(each.nbytes for group in engine.optimizer.averaged_gradients.values() for each in group)
    engine.step()
    masters = engine.optimizer.single_partition_of_fp32_groups
    moments = [
        value for state in engine.optimizer.optimizer.state.values() for value in state.values() if value.numel() > 1
    ]
    total = sum(weight.numel() for weight in engine.module.parameters())
    trained = sum(weight.numel() for weight in engine.module.parameters() if weight.requires_grad)
    formula = memory_formulas.states(total, trained, zero=2, gpus=1)
    found = {
        "weights": (sum(weight.nbytes for weight in engine.module.parameters()), formula.weights),
        "gradients": (gradients, formula.gradients),
        "optimiser states": (sum(each.nbytes for each in [*masters, *moments]), formula.optimiser),
    }
    return [
        {"name": f"bytes of {what}, tiny Qwen2-VL, ZeRO-2", "by": "held by DeepSpeed", "measured": one, "formula": two}
        for what, (one, two) in found.items()
    ]


def main() -> None:
    """Measure everything and write the file."""
    build.register()
    torch.manual_seed(0)
    rows = [*map(flops, STEPS), *map(activations, LAYERS), *states()]
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print(f"{row['name']:60} {row['measured']:16,.0f} {row['formula']:16,.0f}")


if __name__ == "__main__":
    main()
