"""Tiny random towers and a language model, saved as one finds downloaded ones."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

TEXTS = ["what does C do? C picks up the red cup with the right hand.", "Where is the cup? [12, 32, 40, 56] (3, 6)"]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "[INST] {{ message['content'] }} [/INST]{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
# as Qwen2 has them: a system's words first, no begin, and one word that ends a turn
CHATML = (
    "<|im_start|>system\nBe helpful.<|im_end|>\n{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
COLOURS = {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}


def save_tower(folder: Path, *, seed: int, image_px: int = 64) -> Path:
    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=image_px,
        patch_size=8,
    )  # fmt: skip
    CLIPVisionModel(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(COLOURS))
    return folder


def bytes_tokenizer(special: list[str], unk: str | None = None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token=unk))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def save_language_model(folder: Path) -> Path:
    words = PreTrainedTokenizerFast(
        tokenizer_object=bytes_tokenizer(["<unk>", "<s>", "</s>"], unk="<unk>"),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=TEMPLATE,
    )
    words.save_pretrained(folder)
    torch.manual_seed(2)
    config = MistralConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, bos_token_id=1, eos_token_id=2, max_position_embeddings=1024,
    )  # fmt: skip
    MistralForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def save_qwen2(folder: Path) -> Path:
    """With tied embeddings, and more rows than words, as Qwen2's are."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    words = PreTrainedTokenizerFast(
        tokenizer_object=bytes_tokenizer(special),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHATML,
    )
    words.save_pretrained(folder)
    torch.manual_seed(3)
    config = Qwen2Config(
        vocab_size=len(words) + 5, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, max_position_embeddings=1024,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def save_bases(folder: Path) -> dict[str, str]:
    """Give a recipe's `base`: two towers of unlike weights, and a language model."""
    return {
        "ego_encoder": str(save_tower(folder / "ego", seed=0)),
        "exo_encoder": str(save_tower(folder / "exo", seed=1)),
        "language_model": str(save_language_model(folder / "words")),
    }
