"""What a GPU makes of a step: Qwen2-VL-7B's classes with random weights in bfloat16, on real frames.

Run as: python -m tests.benchmarks.gpu [--parts sft grpo vllm]    (four minutes a part at most)

- sft: full training of the language model, tower frozen, by the trainer of a stage with DeepSpeed (ZeRO-2, gradient
  checkpointing): tokens a second, MFU by the dry run's count of operations, peak memory beside the dry run's formula.
- grpo: a step by adapters: completions sampled by transformers behind a prompt that is read once, log-probabilities,
  update: tokens a second of sampling, seconds of a step, peak memory beside the formula.
- vllm: the same prompts and completions sampled by vLLM, where it is installed, with random weights of its own.

Results go to results/bench_gpu.json. Without a GPU it says so and ends well; `tests/benchmarks/test_gpu.py` runs the
parts on the CPU with tiny sizes. A part has a process of its own, so that its peak is its own too.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from components import params
from tests.benchmarks import training
from tests.benchmarks.gpu_model import LARGE, Sizes, items, loaded, write_base

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from components.train.dry_run.stage_budget import Budget

RESULTS = training.ROOT / "results/bench_gpu.json"
LIMIT_S = 240  # of a part
PEAK_FLOPS = 989e12  # an H200's in bfloat16, dense, as its data sheet has it
PUBLISHED = {"MFU": 0.35, "vLLM tokens a second": 1175.0}  # the best of video models; an 8B at 256 frames, per GPU
COMMON = {"algorithm": "supervised", "warmup_ratio": 0.0, "weight_decay": 0.1, "save_steps": 10_000, "zero_stage": 2}


def sft(base: Path, folder: Path, sizes: Sizes) -> list[dict]:
    """Train some steps of a supervised stage; return rows of tokens a second, MFU and peak memory."""
    from transformers import TrainingArguments

    from components.models.hub_configs import QWEN_PARTS
    from components.train import algorithms, checkpoints, qwen
    from components.train.trainer import StageTrainer, arguments

    stage = params.Stage(
        **COMMON, name="sft", learning_rates={"language_model": 1e-5}, max_steps=sizes.steps,
        train_batch_size=sizes.samples, per_device_train_batch_size=max(1, sizes.samples // 2),
        gradient_checkpointing=True, max_frames=sizes.frames, max_pixels=sizes.size_px**2,
        questions_per_context=sizes.questions, max_text_tokens=64, mixture={"egore/qa/ego": 1.0},
    )  # fmt: skip
    model, processor = loaded(base)
    checkpoints.prepare(model, stage.learning_rates, None, QWEN_PARTS)
    given = items(folder, sizes, sizes.samples * sizes.steps)
    collate, clock = qwen.Collate(processor), training.clock(_now_s)
    tokens = int((collate(given[: sizes.samples])["input_ids"] != processor.tokenizer.pad_token_id).sum())
    trainer = StageTrainer(
        model=model, args=TrainingArguments(**arguments(stage, folder / "out") | {"save_strategy": "no"}),
        train_dataset=given, groups=algorithms.groups(model, stage, QWEN_PARTS), data_collator=collate,
        losses=qwen.losses(stage.loss_weights), callbacks=[clock],
    )  # fmt: skip
    trainer.train()
    needs = _budget(stage, model.config, tokens=tokens / sizes.samples)
    peak = needs.peak(zero=2, gpus=1, micro_batch=stage.per_device_train_batch_size, checkpointing=True)
    step_s = min(clock.seconds)
    return [
        _row("SFT tokens a second", tokens / step_s),
        _row("SFT MFU", needs.step_flops() / step_s / PEAK_FLOPS, "published", PUBLISHED["MFU"]),
        _row("SFT peak memory, GB", _peak_gb(), "dry run", peak / 1e9),
    ]


def grpo(base: Path, folder: Path, sizes: Sizes) -> list[dict]:
    """Sample, score and learn from the completions of one prompt; return rows of speed and peak memory."""
    import torch
    from transformers import GenerationConfig
    from trl.trainer.utils import add_fused_lm_head

    from components.models import qwen_vl
    from components.models.hub_configs import QWEN_PARTS
    from components.train import checkpoints
    from components.train.grpo import shared_prompt

    asked = params.Grpo(
        num_generations=sizes.completions, max_completion_length=sizes.tokens, beta=0.0, temperature=1.0,
        reward_weights={"format": 1.0},
    )  # fmt: skip
    stage = params.Stage(
        **COMMON | {"algorithm": "grpo"}, name="grpo", learning_rates={}, grpo=asked, max_steps=sizes.steps,
        lora=params.Lora(r=16, lora_alpha=32, lora_dropout=0.0, learning_rate=1e-5), train_batch_size=1,
        max_frames=sizes.frames, max_pixels=sizes.size_px**2, max_text_tokens=64, mixture={"egore/qa/ego": 1.0},
    )  # fmt: skip
    model, processor = loaded(base)
    needs = _budget(stage, model.config, tokens=None)
    checkpoints.prepare(model, stage.learning_rates, stage.lora, QWEN_PARTS)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=1e-5)
    item = items(folder, sizes, 1)[0]
    encoded = qwen_vl.encode(processor, [item | {"question": item["turns"][0][0]}])
    prompts = [list(encoded["input_ids"][0])] * sizes.completions
    like = {"dtype": model.dtype, "device": model.device}
    shown = {
        "pixel_values": torch.as_tensor(np.asarray(encoded["pixel_values"])).to(**like),
        "image_grid_thw": torch.as_tensor(np.asarray(encoded["image_grid_thw"])).to(model.device),
    }
    images, pad_id = [shown] * sizes.completions, processor.tokenizer.pad_token_id
    config = GenerationConfig(
        **model.generation_config.to_diff_dict() | {"do_sample": True, "max_new_tokens": sizes.tokens}
    )
    advantages = torch.linspace(-1, 1, sizes.completions, device=model.device).unsqueeze(1)
    seconds = []
    for _ in range(sizes.steps):
        began_s = _now_s()
        said = shared_prompt.sample(model, prompts, images, pad_id=pad_id, config=config)
        sampled_s = _now_s()
        assert all(len(ids) == sizes.tokens for ids in said), (
            "a completion ended early, so that rates would not compare"
        )
        logps, _ = shared_prompt.score(model, prompts, said, images, pad_id=pad_id, width=sizes.tokens)
        (-advantages * logps).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append((sampled_s - began_s, _now_s() - began_s))
    sample_s, step_s = np.min(seconds[1:], axis=0).tolist()
    many = sizes.completions * sizes.tokens
    peak = needs.peak(zero=2, gpus=1, micro_batch=1, checkpointing=False)
    return [
        _row(f"GRPO tokens a second sampled by transformers, {len(prompts[0])} prompt tokens", many / sample_s),
        _row("GRPO seconds of a step", step_s),
        _row("GRPO peak memory, GB", _peak_gb(), "dry run", peak / 1e9),
    ]


def vllm(base: Path, folder: Path, sizes: Sizes) -> list[dict]:
    """Sample the same completions by vLLM, whose weights are random too; nothing where it is not installed."""
    if importlib.util.find_spec("vllm") is None:
        print("vLLM is not installed here: its part is left out")
        return []
    from PIL import Image
    from vllm import LLM, SamplingParams

    from components.models import qwen_vl
    from components.models.processing import conversation

    processor, item = qwen_vl.load_processor(base, pixels=None), items(folder, sizes, 1)[0]
    chat = conversation(item["turns"][0][0], "ego", sizes.frames)
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    engine = LLM(
        str(base),
        load_format="dummy",
        dtype="bfloat16",
        max_model_len=4096,
        limit_mm_per_prompt={"image": sizes.frames},
    )
    asked = {"prompt": text, "multi_modal_data": {"image": [Image.fromarray(frame) for frame in item["frames"]]}}
    how = SamplingParams(n=sizes.completions, max_tokens=sizes.tokens, min_tokens=sizes.tokens, ignore_eos=True)
    seconds = []
    for _ in range(sizes.steps):
        began_s = time.perf_counter()
        engine.generate([asked] * sizes.samples, how)
        seconds.append(time.perf_counter() - began_s)
    many = sizes.samples * sizes.completions * sizes.tokens
    name = "vLLM tokens a second"
    return [_row(name, many / min(seconds[1:]), "published", PUBLISHED[name])]


PARTS = {"sft": sft, "grpo": grpo, "vllm": vllm}


def _row(name: str, measured: float, beside: str | None = None, value: float | None = None) -> dict:
    """Give one row; `beside` says what `value` is, to which what was measured is compared."""
    return {"name": name, "measured": measured, "beside": beside, "value": value}


def _budget(stage: params.Stage, config: PretrainedConfig, *, tokens: float | None) -> Budget:
    """Return the dry run's counts; with `tokens`, for samples as long as those that were measured."""
    from components.train.dry_run.stage_budget import budget

    frames = params.load(training.ROOT / "params/data.yaml", params.Data).frames
    needs = budget(stage, config, frames)
    if tokens is None:
        return needs
    text = max(1, round((tokens - needs.demand.visual_tokens) / stage.questions_per_context))
    return budget(stage.model_copy(update={"max_text_tokens": text}), config, frames)


def _now_s() -> float:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _peak_gb() -> float | None:
    import torch

    return torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None


def run(part: str, sizes: Sizes) -> list[dict]:
    """Run one part in this process, as the only rank of a run."""
    import torch

    if not torch.cuda.is_available():
        training.rank()
    else:
        os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
        os.environ["MASTER_PORT"] = "29511"
    with TemporaryDirectory() as folder:
        return PARTS[part](write_base(Path(folder) / "base", sizes), Path(folder), sizes)


def main() -> None:
    """Run the parts, print the rows and write them; say so where there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--alone", choices=PARTS, help="run this part in this process, print its rows as JSON")
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(run(given.alone, LARGE)))
        return
    import torch

    if not torch.cuda.is_available():
        print("No GPU here: nothing was measured. Run this where torch.cuda.is_available() is true.")
        return
    machine, made = torch.cuda.get_device_name(), []
    for part in given.parts:
        words = [sys.executable, "-m", "tests.benchmarks.gpu", "--alone", part]
        try:
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            print(f"part {part}: {error}", file=sys.stderr)  # the other parts are measured all the same
            continue
        made += [row | {"machine": machine} for row in json.loads(done.stdout.splitlines()[-1])]
    if made:
        RESULTS.write_text(json.dumps(made, indent=2) + "\n")
    for row in made:
        print(f"{row['name']:70} {row['measured']:14.4g}   {row['beside'] or '':10} {row['value'] or ''}")
    if len({row["name"].split()[0] for row in made}) < len(given.parts):
        sys.exit(1)


if __name__ == "__main__":
    main()
