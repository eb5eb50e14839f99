"""The model of a checkpoint, ready to answer: on its device, in its dtype, with its processor and the frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from components import params

if TYPE_CHECKING:
    from components.evaluation.answer import Answerer, FrameSource
    from components.evaluation.qwen import QwenAnswerer


def answerer_of(
    folder: Path,
    stage: dict,
    store: FrameSource,
    *,
    max_batch_tokens: int,
    max_new_tokens: int,
    device: torch.device | None = None,
) -> Answerer | QwenAnswerer:
    """Load the model of a folder with its processor, for the frames of one store.

    Args:
        folder: of the model.
        stage: parameters of the stage that trained it, which say how samples are shown and asked.
        store: of the frames.
        max_batch_tokens: see `Answerer`.
        max_new_tokens: longest answer.
        device: as `opened` takes it.

    Returns:
        What answers samples by the model.
    """
    made = opened(folder, stage, device=device)
    return made(store=store, max_batch_tokens=max_batch_tokens, max_new_tokens=max_new_tokens)


def answer_tokens(stage: dict) -> int | None:
    """Return the longest answer that a stage allows, tokens; None where it leaves that to params/eval.yaml.

    Args:
        stage: parameters of the stage that trained a model, as its stage.json has them.
    """
    return stage["max_new_tokens"] or (stage["grpo"]["max_completion_length"] if stage["grpo"] else None)


def opened(folder: Path, stage: dict, *, device: torch.device | None = None) -> Callable[..., Answerer | QwenAnswerer]:
    """Load the model of a folder with its processor, for the frames of any store.

    Args:
        folder: of the model.
        stage: parameters of the stage that trained it, which say how samples are shown and asked.
        device: that it answers on, in bfloat16 on a GPU and in float32 on the CPU; None takes the first GPU, if any.

    Returns:
        Makes what answers samples by the model, of `store`, `max_batch_tokens` and `max_new_tokens`.

    Raises:
        ValueError: the model's configuration does not say what its stage showed: it was trained before it did.
    """
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    if json.loads((folder / "config.json").read_text())["model_type"].startswith(params.QWEN):
        from components.evaluation.qwen import QwenAnswerer
        from components.models import qwen_vl

        model, processor = qwen_vl.load(folder), qwen_vl.load_processor(folder, pixels=None)
        asked = {"most_frames": stage["max_frames"], "reasoned": stage["reasoned"]}
        return partial(QwenAnswerer, model.to(device, dtype), processor, **asked)
    from components.evaluation.answer import Answerer
    from components.models import build

    model, processor = build.load(folder), build.load_processor({"all": folder})
    if model.config.guidance != stage["guidance"]:
        raise ValueError(
            f"{folder}/config.json has guidance {model.config.guidance}, but its stage was trained with "
            f"{stage['guidance']}; allowed are equal ones: run the pipeline, which trains the stage again"
        )
    return partial(Answerer, model.to(device, dtype), processor, reasoned=stage["reasoned"])
