"""Architectures whose weights are downloaded: their sizes, and the model itself without weights (meta device)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CONFIG_MAPPING,
    AutoModelForImageTextToText,
    PretrainedConfig,
    PreTrainedModel,
)

from components import params
from components.models import build
from components.models.backbone import PARTS
from components.models.configuration import TOWERS, EgoflowConfig, TowerConfig
from components.models.processing import SPECIAL_TOKENS

# What the `config.json` of each repository on the Hugging Face Hub says, as far as sizes go. Qwen writes its vision
# sizes as differences to transformers' defaults; here they stand in full.
_QWEN2_VISION = {
    "depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4,
    "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
_QWEN2_5_VISION = {
    "depth": 32, "hidden_size": 1280, "num_heads": 16, "intermediate_size": 3420,
    "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
_QWEN_7B = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "vocab_size": 152064,
}  # fmt: skip
_QWEN_3B = {
    "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
    "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
}  # fmt: skip
SIZES: dict[str, dict[str, Any]] = {
    "openai/clip-vit-large-patch14-336": {
        "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
        "num_attention_heads": 16, "image_size": 336, "patch_size": 14,
    },
    "google/siglip-so400m-patch14-224": {
        "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
        "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
    },
    "Qwen/Qwen2.5-7B-Instruct": {
        **_QWEN_7B, "model_type": "qwen2", "max_position_embeddings": 32768, "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    },
    "mistralai/Mistral-7B-Instruct-v0.2": {
        "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 32768,
        "sliding_window": None, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    },
    "Qwen/Qwen2-VL-7B-Instruct": {
        "model_type": "qwen2_vl", "text_config": _QWEN_7B, "vision_config": _QWEN2_VISION | {"hidden_size": 3584},
        "tie_word_embeddings": False,
    },
    "Qwen/Qwen2.5-VL-7B-Instruct": {
        "model_type": "qwen2_5_vl", "text_config": _QWEN_7B,
        "vision_config": _QWEN2_5_VISION | {"out_hidden_size": 3584}, "tie_word_embeddings": False,
    },
    "Qwen/Qwen2.5-VL-3B-Instruct": {
        "model_type": "qwen2_5_vl", "text_config": _QWEN_3B,
        "vision_config": _QWEN2_5_VISION | {"out_hidden_size": 2048}, "tie_word_embeddings": True,
    },
}  # fmt: skip
# the files of a folder that say how text and frames are read; weights and their configuration are written anew
READING = (
    "tokenizer*.json", "*processor_config.json", "special_tokens_map.json", "added_tokens.json", "*.jinja",
    "chat_template.json", "vocab.json", "*.txt",
)  # fmt: skip
# part -> prefixes of its parameters, the first that fits: the merger lies inside the tower
QWEN_PARTS = {
    "merger": ("model.visual.merger.",),
    "vision_encoder": ("model.visual.",),
    "language_model": ("model.language_model.", "lm_head."),
    "ego_tokens": ("model.ego_tokens.",),
}


def sizes(base: str) -> dict[str, Any]:
    """Return the configuration values of downloaded weights.

    Args:
        base: a folder with a `config.json`, or a name in `SIZES`; nothing is downloaded.

    Raises:
        ValueError: neither of the two.
    """
    file = Path(base) / "config.json"
    if file.is_file():
        values = json.loads(file.read_text())
        # what it was saved in is not what it is trained in
        return {name: value for name, value in values.items() if name not in ("dtype", "torch_dtype")}
    if base not in SIZES:
        raise ValueError(
            f"base {base!r} came, allowed are a folder with a config.json or one of {sorted(SIZES)}; "
            "add its sizes in components/models/hub_configs.py, or mend the recipe"
        )
    return copy.deepcopy(SIZES[base])


def config_of(model: params.Egoflow | params.Qwen) -> PretrainedConfig:
    """Translate the `model` block of a recipe into a configuration.

    Raises:
        ValueError: a base of another architecture than the block names, or two towers of unlike sizes.
    """
    if isinstance(model, params.Qwen):
        values = sizes(model.base)
        if (given := values.pop("model_type", None)) != model.architecture:
            raise ValueError(f"base {model.base!r} is a {given!r}, the recipe's architecture is {model.architecture!r}")
        return CONFIG_MAPPING[model.architecture](**values)
    return egoflow_config(model)


def egoflow_config(model: params.Egoflow) -> EgoflowConfig:
    """Translate the `model` block of Egoflow around downloaded weights into a configuration.

    Raises:
        ValueError: two towers of unlike sizes.
    """
    channels = 3 * model.tubelet_frames
    ego, exo = (vision_config(model.base[part], num_channels=channels) for part in ("ego_encoder", "exo_encoder"))
    if ego.to_dict() != exo.to_dict():
        raise ValueError(f"ego_encoder {ego} and exo_encoder {exo} must have the same sizes; mend `base`")
    text = sizes(model.base["language_model"])
    first = text["vocab_size"]  # the special tokens follow the words that were downloaded
    text["vocab_size"] += len(SPECIAL_TOKENS)
    return EgoflowConfig(
        vision_config=ego,
        text_config=text,
        tubelet_frames=model.tubelet_frames,
        vision_feature_layer=model.vision_layer,
        image_tokens=model.image_tokens,
        video_tokens=model.video_tokens,
        connector=model.connector,
        shared_encoder=model.shared_encoder,
        mapping=model.mapping,
        mapping_blocks=model.mapping_blocks,
        token_ids={token: first + number for number, token in enumerate(SPECIAL_TOKENS)},
    )


def vision_config(base: str, **changes: int) -> TowerConfig:
    """Return the configuration of a downloaded vision tower.

    Args:
        base: as `sizes` takes it; a folder of CLIP or SigLIP holds the text tower's sizes too.
        changes: other values than its own.

    Raises:
        ValueError: another architecture.
    """
    values = sizes(base)
    kind = values["model_type"].removesuffix("_vision_model") + "_vision_model"
    if kind not in TOWERS:
        raise ValueError(
            f"base {base!r} is a {values['model_type']!r}, vision towers are {sorted(TOWERS)}; mend the recipe's `base`"
        )
    values = values.get("vision_config", values)
    own: dict[str, Any] = {
        name: value for name, value in values.items() if name not in ("model_type", "dtype", "torch_dtype")
    }
    if kind == "siglip_vision_model":
        own["vision_use_head"] = False  # it pools an image to one vector, which nothing here reads
    own |= changes
    return TOWERS[kind](**own)


def skeleton(config: PretrainedConfig) -> PreTrainedModel:
    """Build the model of a configuration on the meta device: every parameter with its shape, and no memory."""
    build.register()
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)


def parts_of(config: PretrainedConfig) -> dict[str, tuple[str, ...]]:
    """Return the parts that a recipe may name for this architecture, with the prefixes of their parameters."""
    return PARTS if isinstance(config, EgoflowConfig) else QWEN_PARTS
