"""Tiny random weights in the place of downloaded ones: the published classes and layouts, with small numbers."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import cast

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from transformers import (
    CONFIG_MAPPING,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    CLIPVisionConfig,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from components import params
from components.models import hub_configs
from components.models.configuration import TowerConfig
from components.train import plan
from components.train.rehearsal.outcome import TinyBase
from components.train.rehearsal.smaller import HEADS, LAYERS, WIDTH
from components.train.rehearsal.twin_tokenizers import TWINS, world_texts

# published with CLIP, whose towers Exo2Ego takes, and with Qwen's vision-language models
CLIP_COLOURS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
SIGLIP_COLOURS = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
QWEN_IMAGES = CLIP_COLOURS | {
    "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor", "min_pixels": 3136,
    "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
}  # fmt: skip
GRID = 8  # patches on a side of a tower's frames, at least
SPARE_WORDS = 8  # published models have more rows of words than their tokenizers have words


def write(model: params.AnyModel, folder: Path, data: params.Data) -> list[TinyBase]:
    """Write a folder for each base of a recipe's model; one that is there is kept.

    Args:
        model: block of the recipe.
        folder: where the folders go.
        data: parameters of the data: the size of its frames, for CLIP's towers read no other, and of the world whose
            words a twin learns.

    Returns:
        The bases, each once; none for the miniature's model, whose base stages are trained.

    Raises:
        ValueError: the sizes of a base are not known, or no tokenizer can be made for its class.
    """
    if isinstance(model, params.Model):
        return []
    if isinstance(model, params.Qwen):
        return [_written(model.base, folder, "qwen", data)]
    towers = dict.fromkeys([model.base["ego_encoder"], model.base["exo_encoder"]])
    made = [_written(base, folder, "tower", data) for base in towers]
    return [*made, _written(model.base["language_model"], folder, "language_model", data)]


def _written(base: str, folder: Path, kind: str, data: params.Data) -> TinyBase:
    local = local_folder(base)
    known = str(local) if local and (local / "config.json").is_file() else base
    sizes = hub_configs.sizes(known)
    reading = _reading(local, kind) if local else []
    files = {path.name: path.read_bytes() for path in reading}
    size_px = data.frames.size_px
    digest = hashlib.sha256(json.dumps([kind, sizes, size_px, plan.world_values(data)]).encode())
    for name, content in files.items():
        digest.update(name.encode() + content)
    made = folder / f"{Path(base).name}-{digest.hexdigest()[:8]}"
    if not made.is_dir():
        partial = made.with_name(f"{made.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, content in files.items():
            (partial / name).write_bytes(content)
        torch.manual_seed(0)
        if kind == "tower":
            _write_tower(partial, hub_configs.vision_config(known), size_px)
        else:
            _write_speaking(partial, sizes, kind, data)
        partial.rename(made)
    return TinyBase(base, str(made), "published" if files else "twin")


def local_folder(base: str) -> Path | None:
    """Return the folder of a base on this machine, or of what the local cache has of it; None where it has nothing."""
    if Path(base).is_dir():
        return Path(base)
    try:
        return Path(snapshot_download(base, allow_patterns=list(hub_configs.READING), local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def _reading(folder: Path, kind: str) -> list[Path]:
    """Return the files that say how texts and frames are read; none where they are not all there."""
    found = sorted({path for pattern in hub_configs.READING for path in folder.glob(pattern)})
    names = {path.name for path in found}
    images = bool(names & {"preprocessor_config.json", "processor_config.json"})
    whole = {
        "tower": images,
        "language_model": "tokenizer.json" in names,
        "qwen": images and bool(names & {"tokenizer.json", "vocab.json"}),
    }
    return found if whole[kind] else []


def _write_tower(folder: Path, config: TowerConfig, size_px: int) -> None:
    patch_px = cast("int", config.patch_size)  # patches are square in every published tower
    # F and G halve the grid twice, and their convolutions look beyond the edge of what is left
    config.patch_size, config.image_size = min(patch_px, size_px // GRID), size_px
    config.hidden_size, config.intermediate_size, config.num_attention_heads = WIDTH, 2 * WIDTH, HEADS
    config.num_hidden_layers = LAYERS + 1  # a recipe may read the last layer but one
    AutoModel.from_config(config).save_pretrained(folder)
    if not (folder / "preprocessor_config.json").is_file():
        colours = CLIP_COLOURS if isinstance(config, CLIPVisionConfig) else SIGLIP_COLOURS
        (folder / "preprocessor_config.json").write_text(json.dumps(colours))


def _write_speaking(folder: Path, sizes: dict, kind: str, data: params.Data) -> None:
    """Write a language model, or a Qwen vision-language model."""
    architecture = sizes["model_type"]
    if not any(folder.iterdir()):
        if architecture not in TWINS:
            raise ValueError(
                f"no tokenizer of {architecture!r} is on this machine, and twins are known of {sorted(TWINS)}: bring "
                "its files to the local cache (`hf download NAME --include '*.json' '*.txt' '*.jinja'`; no weights)"
            )
        TWINS[architecture](world_texts(data)).save_pretrained(folder)
    # by the class by which training reads it
    reader = AutoTokenizer if kind == "qwen" else PreTrainedTokenizerFast
    tokenizer = cast("PreTrainedTokenizerBase", reader.from_pretrained(folder, local_files_only=True))
    config = CONFIG_MAPPING[architecture](**_without_type(sizes))
    _shrink_text(config.text_config if kind == "qwen" else config, tokenizer)
    if kind == "qwen":
        _shrink_qwen(config, tokenizer)
        if not (folder / "preprocessor_config.json").is_file():
            (folder / "preprocessor_config.json").write_text(json.dumps(QWEN_IMAGES))
    made = (AutoModelForImageTextToText if kind == "qwen" else AutoModelForCausalLM).from_config(config)
    made.save_pretrained(folder)


def _without_type(sizes: dict) -> dict:
    return {name: value for name, value in sizes.items() if name not in ("model_type", "dtype", "torch_dtype")}


def _shrink_text(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a language model few and narrow layers; which heads share keys, and whether words are tied, stays."""
    shared = config.num_key_value_heads < config.num_attention_heads
    config.hidden_size, config.intermediate_size, config.num_hidden_layers = WIDTH, 2 * WIDTH, LAYERS
    config.num_attention_heads, config.num_key_value_heads = 2 * HEADS, HEADS if shared else 2 * HEADS
    config.vocab_size = len(tokenizer) + SPARE_WORDS
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    if config.to_dict().get("layer_types"):  # of architectures whose layers differ
        config.layer_types = config.layer_types[:LAYERS]


def _shrink_qwen(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    text, vision = config.text_config, config.vision_config
    half = WIDTH // text.num_attention_heads // 2  # of a head, shared out among time, height and width
    text.rope_parameters = text.rope_parameters | {
        "rope_type": "default", "mrope_section": [half - 2 * (half // 4), half // 4, half // 4]
    }  # fmt: skip
    vision.depth, vision.num_heads = LAYERS, HEADS
    if config.model_type == "qwen2_vl":
        vision.embed_dim, vision.hidden_size = WIDTH, text.hidden_size
    else:
        vision.hidden_size, vision.out_hidden_size, vision.intermediate_size = WIDTH, text.hidden_size, 2 * WIDTH
        vision.fullatt_block_indexes = [LAYERS - 1]
    for name in ("image", "video"):
        setattr(config, f"{name}_token_id", tokenizer.convert_tokens_to_ids(f"<|{name}_pad|>"))
    for name in ("start", "end"):
        setattr(config, f"vision_{name}_token_id", tokenizer.convert_tokens_to_ids(f"<|vision_{name}|>"))
