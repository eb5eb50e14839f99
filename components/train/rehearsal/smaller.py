"""The same parameters with smaller numbers: what a rehearsal runs. Pure functions, parameters to parameters.

A number of size becomes smaller: steps, samples at once, completions, widths, frames, limits. Everything else is what
the recipe says: algorithms, parts, learning rates, mixtures, losses, rewards, tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from components import params
from components.params.strict import Strict
from components.train.judge.stages import MUON_ZERO_STAGE

Block = TypeVar("Block", bound=Strict)

STEPS = 3
SAVE_STEPS = 2  # one resumable checkpoint is written before the stage ends
SAMPLES_AT_ONCE = 2  # losses between the samples of a batch need two
GENERATIONS = 2
COMPLETION_TOKENS = 16
SEGMENTS = 4  # that a teacher is asked about
# of evaluation, which refuses a budget that right answers do not fit: those of the world are known, and random weights
# hardly ever end before it
ANSWER_TOKENS = {"world": 48, "data": 128}
LORA_RANK = 4
WIDTH, LAYERS, HEADS, MAPPING_BLOCKS = 32, 2, 2, 2
RENDERED_IMAGES = 8
TIMEOUT_MINUTES = 60.0
# with fewer samples of a task, all may come from one take, and the control by other frames needs another
EVALUATED = 8
CONTROLLED = 2  # samples of a task that each control answers
RESAMPLES = 50
WORLD = {"takes": 8, "size_px": 96, "val_fraction": 0.25, "test_fraction": 0.125, "web_videos": 12}
FRAMES = {"size_px": 64, "clip_frames": 4, "window_frames": 32, "shard_frames": 1000}


def recipe(
    whole: params.Recipe,
    *,
    bases: Mapping[str, Path],
    frames: params.Frames,
    ranks: int,
    zero_stage: int | None,
    has_gpus: bool,
    on: Literal["world", "data"],
) -> params.Recipe:
    """Return a recipe with smaller numbers and tiny weights in the place of its bases.

    Args:
        whole: the recipe that is rehearsed.
        bases: each base of it -> folder of tiny weights.
        frames: of the data that the rehearsal trains on.
        ranks: training processes of every stage.
        zero_stage: of every stage, with Muon at most 2; None keeps each stage's own.
        has_gpus: whether completions may be sampled by vLLM, where the recipe asks for it.
        on: whose answers an evaluation must leave room for, those of the small world or of the project's data.
    """
    stages = [
        _stage(stage, whole.model, frames=frames, ranks=ranks, has_gpus=has_gpus, answer_tokens=ANSWER_TOKENS[on])
        | {"zero_stage": stage.zero_stage if zero_stage is None else _zero_stage(stage, zero_stage)}
        for stage in whole.stages
    ]
    model = _model(whole.model, bases, size_px=frames.size_px)
    return params.Recipe.model_validate(whole.model_dump() | {"model": model, "stages": stages})


def _zero_stage(stage: params.Stage, asked: int) -> int:
    return min(asked, MUON_ZERO_STAGE) if stage.muon_learning_rate else asked


def _stage(
    stage: params.Stage,
    model: params.AnyModel,
    *,
    frames: params.Frames,
    ranks: int,
    has_gpus: bool,
    answer_tokens: int,
) -> dict[str, Any]:
    share = max(1, stage.train_batch_size // stage.ranks)
    micro = min(SAMPLES_AT_ONCE, stage.per_device_train_batch_size or share)
    accumulated = min(2, max(1, share // (stage.per_device_train_batch_size or share)))
    length = {} if stage.distill else {"max_steps": STEPS, "num_train_epochs": None}
    values: dict[str, Any] = stage.model_dump() | {
        **length,
        "save_steps": SAVE_STEPS,
        "train_batch_size": ranks * micro * accumulated,
        "per_device_train_batch_size": micro if stage.per_device_train_batch_size else None,
        "ranks": ranks,
        "threads_per_rank": 1,
        "timeout_minutes": min(stage.timeout_minutes, TIMEOUT_MINUTES),
        "rendered_images": min(stage.rendered_images, RENDERED_IMAGES),
    }
    if stage.max_frames is not None:
        # Egoflow's towers are shown every frame of the data, a Qwen model at most as many as it has
        is_qwen = model.architecture in params.QWEN
        values["max_frames"] = min(stage.max_frames, frames.window_frames) if is_qwen else None
    if stage.answer_tokens is not None:
        values["max_new_tokens"] = min(stage.answer_tokens, answer_tokens)
    if stage.lora is not None:
        rank = min(stage.lora.r, LORA_RANK)
        alpha = max(1, round(stage.lora.lora_alpha * rank / stage.lora.r))
        values["lora"] = stage.lora.model_dump() | {"r": rank, "lora_alpha": alpha}
    if stage.distill is not None:
        # what random weights say hardly ever ends
        values["distill"] = stage.distill.model_dump() | {
            "segments": min(stage.distill.segments or SEGMENTS, SEGMENTS),
            "max_new_tokens": min(stage.distill.max_new_tokens, COMPLETION_TOKENS),
            "keep_cut": True,
        }
    if stage.grpo is not None:
        values["grpo"] = (
            stage.grpo.model_dump()
            | {
                "num_generations": min(stage.grpo.num_generations, GENERATIONS),
                "max_completion_length": min(stage.grpo.max_completion_length, COMPLETION_TOKENS),
            }
            | ({} if has_gpus else {"vllm": None})
        )
    return values


def _model(model: params.AnyModel, bases: Mapping[str, Path], *, size_px: int) -> dict[str, Any]:
    values = model.model_dump()
    if isinstance(model, params.Qwen):
        return values | {"base": str(bases[model.base])}
    values["mapping_blocks"] = min(model.mapping_blocks, MAPPING_BLOCKS)
    if isinstance(model, params.Egoflow):
        return values | {"base": {part: str(bases[base]) for part, base in model.base.items()}}
    for part in ("vision", "text"):
        most = {"width": WIDTH, "layers": LAYERS, "heads": HEADS}
        values |= {f"{part}_{name}": min(values[f"{part}_{name}"], limit) for name, limit in most.items()}
    return values | {"image_px": size_px}


def data(whole: params.Data) -> params.Data:
    """Return the parameters of a small world that writes every layout, so that every mixture has samples."""
    sources = params.Sources(**{name: Path("data/raw") / name for name in params.Sources.model_fields})
    now = whole.frames.model_dump()
    frames = {name: min(now[name], most) for name, most in FRAMES.items()}
    return _changed(
        whole,
        world=_changed(whole.world, **WORLD),
        sources=sources,
        frames=_changed(whole.frames, **frames),
        llm=_changed(whole.llm, generator="rules"),
        quality=_changed(whole.quality, benchmarks={}),
    )


def evaluation(whole: params.Eval, *, on: Literal["world", "data"]) -> params.Eval:
    """Return the parameters of an evaluation of a few samples of each task, with a few draws under its intervals.

    Args:
        whole: params/eval.yaml as the project has it.
        on: as `recipe` takes it.
    """
    return _changed(
        whole,
        bootstrap_resamples=min(whole.bootstrap_resamples, RESAMPLES),
        max_new_tokens=min(whole.max_new_tokens, ANSWER_TOKENS[on]),
        limits={task: min(limit, EVALUATED) for task, limit in whole.limits.items()},
        controls={control: min(limit, CONTROLLED) for control, limit in whole.controls.items()},
    )


def _changed(block: Block, **values: object) -> Block:
    return block.model_copy(update=values)


def changes(whole: Strict, small: Strict) -> list[tuple[str, Any, Any]]:
    """Return every value that differs, as (key, before, after); stages stand under their names.

    Args:
        whole: a block of parameters.
        small: the same block with smaller numbers.
    """
    before, after = dict(_flat(whole.model_dump(mode="json"))), dict(_flat(small.model_dump(mode="json")))
    keys = dict.fromkeys([*before, *after])
    return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
        value = {each["name"]: each for each in value}
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value
