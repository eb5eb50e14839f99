"""A tiny Qwen model of random weights with ego-adaptive tokens, and prompts of clips of several frames."""

from pathlib import Path

import numpy as np
import torch

from components.models import qwen_ego_setup, qwen_vl
from tests.components.tiny_qwen import write_base

COUNT = 3


def write_places(folder: Path, architecture: str) -> Path:
    """As `write_base`, with the word for the places of the tokens, which the published tokenizers have."""
    return write_base(folder, architecture, more=(qwen_ego_setup.PLACE,))


def loaded(base: Path, *, loud: bool = True, count: int = COUNT, pixels: int | None = None) -> tuple:
    """Return the model of a base with tokens, in evaluation mode, and its processor.

    Args:
        base: as `write_places` writes it.
        loud: give all matrices larger weights: what a fresh model sees makes too small a difference to be told.
        count: of the tokens.
        pixels: most of a frame.
    """
    model, processor = qwen_vl.load(base), qwen_vl.load_processor(base, pixels=pixels)
    model = qwen_ego_setup.renewed(model, processor, count, seed=0)
    if loud:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1 and "embed_tokens" not in name:
                    parameter.normal_(std=0.2, generator=generator)
    return model.eval(), processor


def clip(frames: int, *, side: int = 112, question: str = "what does C do?", seed: int = 0) -> dict:
    """Return an item of random frames; of 112 px they are four windows of Qwen2.5's first layer."""
    shape = (frames, side, side, 3)
    drawn = np.random.default_rng([seed, frames]).integers(0, 255, shape, dtype=np.uint8)
    return {"question": question, "view": "exo", "frames": drawn}


def inputs(processor, items: list[dict]) -> dict[str, torch.Tensor]:
    """Lay prompts out as evaluation does: padded on the left."""
    prompts = qwen_vl.encode(processor, items)
    length = max(map(len, prompts["input_ids"]))
    blanks = {"input_ids": processor.tokenizer.pad_token_id, "attention_mask": 0, "mm_token_type_ids": 0}
    rows = {
        name: torch.tensor([[blank] * (length - len(row)) + list(row) for row in prompts[name]])
        for name, blank in blanks.items()
    }
    images = ("pixel_values", "image_grid_thw")
    return rows | {name: torch.as_tensor(np.asarray(prompts[name])) for name in images if name in prompts}
