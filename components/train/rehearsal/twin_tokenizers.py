"""Tokenizers in the place of those that are not on this machine: same class, special tokens and chat format.

Their words are learned from texts that are given, so they count tokens about as the published ones would, not exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPVisionConfig, PreTrainedTokenizerFast, Qwen2Tokenizer

from components import params
from components.models.configuration import EgoflowConfig
from components.train.pretraining import language

TEXTS = 300
WORDS = 2000  # of a vocabulary, at most
# as the published tokenizers have them
QWEN2 = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN_VL = (
    *("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
_SYSTEM = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
)
_END = "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
CHATML = _SYSTEM + "{{ message['content'] }}" + _END
CHATML_WITH_IMAGES = (
    _SYSTEM + "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}" + _END
)
MISTRAL_INSTRUCT = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "[INST] {{ message['content'] }} [/INST]{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


def world_texts(data: params.Data) -> list[str]:
    """Return questions and answers about the miniature world, for a twin to learn its words from.

    Args:
        data: parameters of the data, which fix how answers are written.
    """
    draft = EgoflowConfig(
        vision_config=CLIPVisionConfig(image_size=64, patch_size=8), tubelet_frames=2, image_tokens=16, video_tokens=16
    )
    samples = language.held_out(draft, data, TEXTS, seed=0)
    return [f"{turn.question} {turn.answer}" for sample in samples for turn in sample.turns]


def qwen(texts: Iterable[str], *, images: bool) -> Qwen2Tokenizer:
    """Learn a tokenizer of Qwen2's class: merges over bytes.

    Args:
        texts: that its words are learned from.
        images: whether it is that of a vision-language model.
    """
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, initial_alphabet=alphabet, show_progress=False)
    learned.train_from_iterator(texts, trainer)
    made = json.loads(learned.to_str())["model"]
    special = [*QWEN2, *(QWEN_VL if images else ())]
    return Qwen2Tokenizer(
        vocab=made["vocab"] | {"<|endoftext|>": len(made["vocab"])},
        merges=[tuple(pair) for pair in made["merges"]],  # ty: ignore[invalid-argument-type] - pairs are taken too
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=special[1:],
        chat_template=CHATML_WITH_IMAGES if images else CHATML,
    )


def mistral(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Learn a tokenizer as SentencePiece's: merges over letters, a mark for spaces, bytes for letters it has not."""
    learned = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    learned.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learned.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    # a piece is a word with the mark before it, as SentencePiece splits; only in training, as in the published file
    learned.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learned.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=WORDS, special_tokens=first, show_progress=False))
    learned.pre_tokenizer = None
    rules = json.loads(learned.to_str())
    rules["added_tokens"] = rules["added_tokens"][:3]  # bytes are plain words: they stay when special ones are left out
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(rules)),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=MISTRAL_INSTRUCT,
    )


# model_type -> learns a tokenizer from texts
TWINS: dict[str, Callable[[Iterable[str]], PreTrainedTokenizerFast | Qwen2Tokenizer]] = {
    "mistral": mistral,
    "qwen2": lambda texts: qwen(texts, images=False),
    "qwen2_vl": lambda texts: qwen(texts, images=True),
    "qwen2_5_vl": lambda texts: qwen(texts, images=True),
}
