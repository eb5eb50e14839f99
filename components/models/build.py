"""Make a model and its processor: fresh and tiny from params, or from checkpoint folders, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPVisionConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from components import params
from components.models import qwen_ego_tokens
from components.models.backbone import PARTS, ego_tokens_of, part_of
from components.models.configuration import EgoflowConfig
from components.models.mappings import Guide, mapping_of
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import NUMBERS, SPECIAL_TOKENS, EgoflowImageProcessor, EgoflowProcessor
from components.models.typed_transformers import word_table


def register() -> None:
    """Tell transformers' Auto classes about our own, so that a folder is enough to load one (TRL's reference model)."""
    AutoConfig.register(EgoflowConfig.model_type, EgoflowConfig, exist_ok=True)
    AutoModelForImageTextToText.register(EgoflowConfig, EgoflowForConditionalGeneration, exist_ok=True)
    AutoProcessor.register(EgoflowConfig, EgoflowProcessor, exist_ok=True)
    AutoImageProcessor.register(EgoflowConfig, EgoflowImageProcessor, exist_ok=True)
    for config, model in qwen_ego_tokens.CLASSES.items():
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModelForImageTextToText.register(config, model, exist_ok=True)


def tiny_config(model: params.Model, tokenizer: PreTrainedTokenizerFast) -> EgoflowConfig:
    """Translate the recipe's `model` block into a configuration for this tokenizer."""
    vision = CLIPVisionConfig(
        hidden_size=model.vision_width,
        intermediate_size=4 * model.vision_width,
        num_hidden_layers=model.vision_layers,
        num_attention_heads=model.vision_heads,
        image_size=model.image_px,
        patch_size=model.patch_px,
        num_channels=3 * model.tubelet_frames,
        # one kernel; CLIP's "quick_gelu" is several: 13 ms against 4 for a layer of 64 images (one thread)
        hidden_act="gelu",
    )
    text = {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": model.text_width,
        "intermediate_size": 3 * model.text_width,
        "num_hidden_layers": model.text_layers,
        "num_attention_heads": model.text_heads,
        "num_key_value_heads": model.text_heads,
        "max_position_embeddings": 512,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},  # Qwen2's: words must match over any distance
        "initializer_range": model.text_width
        ** -0.5,  # the usual 0.02 is made for wide models and wastes a narrow one's time
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return EgoflowConfig(
        vision_config=vision,
        text_config=text,
        tubelet_frames=model.tubelet_frames,
        vision_feature_layer=-1,  # three layers are too few to give one away
        image_tokens=model.image_tokens,
        video_tokens=model.video_tokens,
        shared_encoder=model.shared_encoder,
        mapping=model.mapping,
        mapping_blocks=model.mapping_blocks,
        token_ids=dict(zip(SPECIAL_TOKENS, ids_of(tokenizer, SPECIAL_TOKENS), strict=True)),
        time_token_ids=ids_of(tokenizer, NUMBERS),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def ids_of(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[int]:
    """Return the number of each word."""
    found = tokenizer.convert_tokens_to_ids(list(words))
    return [found] if isinstance(found, int) else found


def processor_for(config: EgoflowConfig, tokenizer: PreTrainedTokenizerFast) -> EgoflowProcessor:
    """Make the processor that lays out prompts for this configuration."""
    return EgoflowProcessor(EgoflowImageProcessor(size_px=config.image_px), tokenizer, layout_config=config.to_dict())


def load_processor(parents: dict[str, Path]) -> EgoflowProcessor:
    """Load the processor of the checkpoint that gives the language model; others may give ego-adaptive tokens.

    Raises:
        ValueError: no parent gives it.
    """
    folder = parents.get("language_model", parents.get("all"))
    if folder is None:
        raise ValueError(f"parents {sorted(parents)} give no language model, so no tokenizer; mend the recipe")
    # not EgoflowProcessor.from_pretrained: transformers 5.23 looks for its image processor among its own modules
    config = EgoflowConfig.from_pretrained(folder)
    giver = parents.get("ego_tokens", parents.get("all"))
    config.ego_tokens = EgoflowConfig.from_pretrained(giver).ego_tokens if giver else 0
    return processor_for(config, PreTrainedTokenizerFast.from_pretrained(folder))


def config_of(processor: EgoflowProcessor) -> EgoflowConfig:
    """Return the model configuration that a processor lays prompts out for."""
    return EgoflowConfig(**processor.layout_config, attn_implementation=attention())


def has_bf16_cpu() -> bool:
    """Return whether this CPU multiplies bfloat16 matrices in hardware (AMX); without, float32 is faster (measured)."""
    return not torch.cuda.is_available() and bool(torch.cpu.get_capabilities().get("amx_bf16"))


def has_fp16() -> bool:
    """Return whether this machine multiplies float16 matrices in hardware: a GPU, or a CPU's AMX."""
    return torch.cuda.is_available() or bool(torch.cpu.get_capabilities().get("amx_fp16"))


def attention() -> str:
    """Choose the attention: in bfloat16 on a CPU the plain one is twice as fast, forward and backward (measured)."""
    return "eager" if has_bf16_cpu() else "sdpa"


def load(folder: Path) -> EgoflowForConditionalGeneration:
    """Load a whole model from a Hugging Face folder (safetensors only), in float32."""
    return EgoflowForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, attn_implementation=attention()
    )


def assemble(config: EgoflowConfig, parents: dict[str, Path], *, seed: int) -> EgoflowForConditionalGeneration:
    """Make a model whose parts come from the checkpoints of earlier stages; parts without a parent start fresh.

    Args:
        config: of the model.
        parents: part of the model (see backbone.PARTS), or "all", to the folder that gives it. A named part wins over
            "all".
        seed: of the fresh parts.

    Raises:
        ValueError: a name that is no part, or a checkpoint that lacks parameters of its part.
    """
    unknown = sorted(set(parents) - set(PARTS) - {"all"})
    if unknown:
        raise ValueError(f"parents name {unknown}, allowed are {['all', *PARTS]}; mend the recipe")
    torch.manual_seed(seed)
    model = EgoflowForConditionalGeneration(config)
    _order_numbers(model)
    own = model.state_dict()
    for part, prefixes in PARTS.items():
        folder = parents.get(part, parents.get("all"))
        if folder is None:
            continue
        with safe_open(folder / "model.safetensors", "pt") as file:
            theirs = {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefixes)}  # noqa: SIM118
        wanted = {name for name in own if part_of(name) == part}
        if wanted != set(theirs):
            raise ValueError(
                f"{folder} lacks {sorted(wanted - set(theirs))[:3]} of part {part!r}; retrain the stage it comes from"
            )
        model.load_state_dict(theirs, strict=False)
    return model


def renew_mapping(model: EgoflowForConditionalGeneration, processor: EgoflowProcessor, kind: str, *, seed: int) -> None:
    """Put fresh F and G into a model in the place of its own, and say so in its configuration and its processor's.

    Args:
        model: changed in place.
        processor: changed in place.
        kind: see `parts.mapping_of`.
        seed: of their weights.
    """
    torch.manual_seed(seed)
    vision, text, blocks = model.config.vision_config, model.config.text_config, model.config.mapping_blocks
    model.model.mapping_f = Guide(mapping_of(kind, vision.hidden_size, blocks), text.hidden_size)
    model.model.mapping_g = mapping_of(kind, vision.hidden_size, blocks)
    model.config.mapping = kind
    processor.layout_config |= {"mapping": kind}


def renew_ego_tokens(
    model: EgoflowForConditionalGeneration, processor: EgoflowProcessor, count: int, *, seed: int
) -> None:
    """Put fresh ego-adaptive tokens into a model, and say so in its configuration and its processor's.

    Their attention begins as the self-attention of the tower of exo frames, which they are for, and their projector as
    the last layers of its connector where the shapes allow.

    Args:
        model: changed in place.
        processor: changed in place.
        count: N, how many a clip gets.
        seed: of their queries.
    """
    torch.manual_seed(seed)
    model.config.ego_tokens = count
    processor.layout_config |= {"ego_tokens": count}
    branch = model.config.branch("exo")
    tower, connector = (getattr(model.model, f"{branch}_{part}") for part in ("encoder", "connector"))
    model.model.ego_tokens = ego_tokens_of(model.config)
    model.model.ego_tokens.begin_as(tower, connector.projector)


@torch.no_grad()
def _order_numbers(model: EgoflowForConditionalGeneration) -> None:
    """Start number words as waves of their value beside what sets each apart: 31 lies near 32, and is not 32.

    A fresh table knows no order. Twice the usual scale, because a visual token is a sum in which its time and place
    must be heard.
    """
    ids = model.config.time_token_ids
    if not ids:
        return
    width = model.config.text_config.hidden_size
    value = torch.arange(len(ids)).unsqueeze(1) / len(ids)
    frequency = torch.exp(torch.linspace(0.0, 4.6, width // 2)).unsqueeze(0)
    waves = torch.cat([torch.sin(value * frequency * torch.pi), torch.cos(value * frequency * torch.pi)], dim=1)
    for table in (word_table(model.get_input_embeddings()), model.lm_head.weight):
        table[ids] = (table[ids] + waves * table.std() * 2**0.5) * 2**0.5
