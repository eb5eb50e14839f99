"""Random Qwen models of some ten thousand parameters, in folders laid out as the published ones are."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText, Qwen2Tokenizer

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TEXTS = (
    "You are a helpful assistant. what does C do? C picks up the red cup with the right hand. where is the blue bowl?",
    "Reason inside <think></think>, then give the box [x1, y1, x2, y2] in percent inside <answer></answer>",
)
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IMAGES = {
    "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor", "min_pixels": 3136,
    "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25],
}  # fmt: skip
TEXT = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]},
}  # fmt: skip
VISION = {
    "qwen2_vl": {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
    "qwen2_5_vl": {
        "depth": 2, "hidden_size": 32, "out_hidden_size": 32, "num_heads": 2, "intermediate_size": 48,
        "window_size": 56, "fullatt_block_indexes": [1],
    },
}  # fmt: skip


def tokenizer(more: tuple[str, ...] = ()) -> Qwen2Tokenizer:
    """Bytes and some merges learned from TEXTS, with the special tokens of the chat format, and more of them."""
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learned.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    )
    made = json.loads(learned.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=made["vocab"] | {"<|endoftext|>": len(made["vocab"])},
        merges=[tuple(pair) for pair in made["merges"]],
        eos_token="<|im_end|>",
        additional_special_tokens=[*SPECIAL, *more],
        chat_template=TEMPLATE,
    )


def write_base(
    folder: Path, architecture: str, *, text: dict | None = None, vision: dict | None = None, more: tuple[str, ...] = ()
) -> Path:
    """Write weights, tokenizer and processor files; Qwen2.5's words are tied to its head, as in the 3B model.

    Args:
        folder: takes the files.
        architecture: a key of VISION.
        text: values of the language model that differ from TEXT.
        vision: of the vision tower, that differ from VISION.
        more: special tokens that the published tokenizers have beside SPECIAL.
    """
    words = tokenizer(more)
    ids = dict(zip(SPECIAL, words.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    ends = {"bos_token_id": None, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = CONFIG_MAPPING[architecture](
        text_config=TEXT | ends | {"vocab_size": len(words)} | (text or {}),
        vision_config=VISION[architecture] | (vision or {}),
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=architecture == "qwen2_5_vl",
    )
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    # the habits of the published chat models
    model.generation_config.update(**ends, do_sample=True, top_k=1, repetition_penalty=1.05)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(IMAGES))
    return folder
