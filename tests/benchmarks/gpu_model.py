"""The model and the samples of tests/benchmarks/gpu.py: as large as Qwen2-VL-7B, or tiny; weights are random.

Weights are made where they train, since a file of them would take longer to write and to read than a part may.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from components.models.qwen_vl import QwenProcessor

TEXT_7B = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "max_position_embeddings": 32768, "vocab_size": 152064,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
}  # fmt: skip
VISION_7B = {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "mlp_ratio": 4}


class Sizes(NamedTuple):
    """How large a part is: of the model, of a sample, of a group, and the steps, of which the first is not counted."""

    text: dict
    vision: dict
    size_px: int
    frames: int
    samples: int
    questions: int
    completions: int
    tokens: int
    steps: int


LARGE = Sizes(TEXT_7B, VISION_7B, 224, frames=22, samples=8, questions=4, completions=8, tokens=256, steps=6)
TINY = Sizes({}, {}, 56, frames=2, samples=2, questions=2, completions=2, tokens=4, steps=2)


def write_base(folder: Path, sizes: Sizes) -> Path:
    """Write configuration, tokenizer and processor of a model; its weights are made where they are needed."""
    from transformers import AutoConfig

    from tests.components import tiny_qwen

    tiny_qwen.write_base(folder, "qwen2_vl")
    config = AutoConfig.from_pretrained(folder)
    for part, values in ((config.text_config, sizes.text), (config.vision_config, sizes.vision)):
        for name, value in values.items():
            setattr(part, name, value)
    config.text_config.layer_types = ["full_attention"] * config.text_config.num_hidden_layers
    config.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    return folder


def loaded(base: Path) -> tuple[nn.Module, QwenProcessor]:
    """Make the model with random weights where it trains, and load its processor."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

    from components.models import build, qwen_vl

    on_gpu = torch.cuda.is_available()
    config = AutoConfig.from_pretrained(base)
    torch.manual_seed(0)
    with torch.device("cuda" if on_gpu else "cpu"):
        model = AutoModelForImageTextToText.from_config(
            config, dtype=torch.bfloat16 if on_gpu else torch.float32, attn_implementation=build.attention()
        )
    processor = qwen_vl.load_processor(base, pixels=None)
    ends = {"eos_token_id": processor.tokenizer.eos_token_id, "pad_token_id": processor.tokenizer.pad_token_id}
    # every completion has all its tokens
    never = [*qwen_vl.never_generated(model), processor.tokenizer.eos_token_id]
    model.generation_config = GenerationConfig(**ends, suppress_tokens=never)
    model.config._name_or_path = str(base)
    return model, processor


def film_frames(folder: Path, sizes: Sizes, count: int) -> np.ndarray:
    """Return frames of a film of the miniature world, uint8 [count, H, W, 3]."""
    from components import video
    from components.world import films, script

    film = films.Film(folder / "film.mp4", script.script_take(7, 0, take_s=16.0), 0.0, 16.0, 8)
    films.make(film, size_px=sizes.size_px)
    return video.decode(film.path, np.arange(count) % 128, size_px=sizes.size_px)


def items(folder: Path, sizes: Sizes, count: int) -> list[dict]:
    """Return samples as `qwen_vl.shown` gives them; each begins at a frame of its own, so that none is encoded once."""
    from tests.benchmarks.qwen_sft import WORDS

    rng = np.random.default_rng(0)
    shown = film_frames(folder, sizes, sizes.frames + count)
    return [
        {
            "frames": shown[number : number + sizes.frames], "view": "ego",
            "turns": [(" ".join(rng.choice(WORDS, 12)), " ".join(rng.choice(WORDS, 24)))
                      for _ in range(sizes.questions)],
        }
        for number in range(count)
    ]  # fmt: skip
