"""Downloaded weights in the place of the miniature base stages: CLIP or SigLIP towers and a causal language model.

A base is a folder in transformers' layout (config.json, *.safetensors, tokenizer.json, preprocessor_config.json), or
the name of one on the Hugging Face Hub; with HF_HUB_OFFLINE, as training runs, it must have been downloaded before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast

import torch
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from tokenizers import AddedToken, Tokenizer
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from components import params
from components.models import build, hub_configs
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import SPECIAL_TOKENS, EgoflowProcessor, template_of
from components.models.typed_transformers import LoadingInfo, load_with_info, word_table

FILES = ("*.json", "*.safetensors", "*.jinja")  # no pickle, no code
_PROBE = "QUESTION"
# our word -> what tokenizers call their own of the same use
_SAME = {"<bos>": "bos_token", "<eos>": "eos_token", "<unk>": "unk_token", "<pad>": "pad_token"}


def folder_of(base: str) -> Path:
    """Return the folder of downloaded weights.

    Raises:
        ValueError: no such folder or name, or one whose weights are not in safetensors (a pickle may run code).
    """
    folder = Path(base)
    if not folder.is_dir():
        try:
            offline = constants.is_offline_mode()
            folder = Path(snapshot_download(base, allow_patterns=list(FILES), local_files_only=offline))
        except (LocalEntryNotFoundError, HfHubHTTPError, ValueError) as error:
            raise ValueError(
                f"base {base!r} is no folder, and no downloaded name of the Hugging Face Hub ({error}); download it "
                f"(`hf download {base}`), or name its folder in the recipe's `base`"
            ) from error
    if not any(folder.glob("*.safetensors")):
        others = sorted(path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".ckpt"))
        raise ValueError(
            f"base {base!r}: {folder} holds no *.safetensors but {others or 'no weights'}; a pickle may run code when "
            "it is read, so only safetensors are. Load it where you trust it and write it with `save_pretrained`"
        )
    return folder


def processor(model: params.Egoflow) -> EgoflowProcessor:
    """Make the processor of a stage that starts from downloaded weights: their tokenizer, with our words.

    Raises:
        ValueError: a base lacks a file, or two towers see colours differently.
    """
    folders = {part: folder_of(base) for part, base in model.base.items()}
    config = hub_configs.egoflow_config(
        model.model_copy(update={"base": {part: str(folder) for part, folder in folders.items()}})
    )
    tokenizer, config.turn_words = _tokenizer(folders["language_model"])
    if len(tokenizer) > config.text_config.vocab_size:
        raise ValueError(
            f"the tokenizer of {model.base['language_model']!r} has {len(tokenizer)} words with ours, its model "
            f"{config.text_config.vocab_size}; the two do not belong together, mend `base`"
        )
    config.token_ids = dict(zip(SPECIAL_TOKENS, build.ids_of(tokenizer, SPECIAL_TOKENS), strict=True))
    for each in (config, config.text_config):
        each.bos_token_id, each.eos_token_id, each.pad_token_id = (
            config.token_ids[name] for name in ("<bos>", "<eos>", "<pad>")
        )
    ego, exo = (_colours(folders[part]) for part in ("ego_encoder", "exo_encoder"))
    if ego != exo:
        raise ValueError(f"ego_encoder has mean and deviation {ego}, exo_encoder {exo}, allowed are equal ones")
    config.image_mean, config.image_std = ego
    tokenizer.chat_template = template_of(config.turn_words)
    return build.processor_for(config, tokenizer)


def _tokenizer(folder: Path) -> tuple[PreTrainedTokenizerFast, tuple[str, str]]:
    """Return the tokenizer with our special words, and the words around a question.

    Its own begin, end, unknown and padding words keep their numbers and take our names; the other special words follow
    behind its vocabulary. What stands around a question is read off its chat template; without one it is our own words.
    """
    if not (folder / "tokenizer.json").is_file():
        raise ValueError(f"{folder} has no tokenizer.json; write it with `save_pretrained` of a fast tokenizer")
    # by this class, too, checkpoints are read: the words of the file, whatever the model's class would make of them
    own = PreTrainedTokenizerFast.from_pretrained(folder)
    renamed = {}
    for ours, name in _SAME.items():
        if (word := getattr(own, name)) and word not in renamed:
            renamed[word] = ours
    rules = json.loads(own.backend_tokenizer.to_str())
    rules["post_processor"] = None  # begin and end are written where they belong (processing.prompt, packing.row)
    for added in rules["added_tokens"]:
        if added["content"] in renamed:
            added.update(content=renamed[added["content"]], special=True)
    vocabulary = rules["model"]["vocab"]
    if isinstance(vocabulary, dict):
        rules["model"]["vocab"] = {renamed.get(word, word): number for word, number in vocabulary.items()}
    else:  # of Unigram: pairs of word and score
        rules["model"]["vocab"] = [[renamed.get(word, word), score] for word, score in vocabulary]
    if rules["model"].get("unk_token") in renamed:
        rules["model"]["unk_token"] = renamed[rules["model"]["unk_token"]]
    words = Tokenizer.from_str(json.dumps(rules))
    words.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        **{name: ours for ours, name in _SAME.items()},
    )
    return tokenizer, _turn_words(own, renamed)


def _turn_words(own: PreTrainedTokenizerFast, renamed: Mapping[str, str]) -> tuple[str, str]:
    if not own.chat_template:
        return "<user>", "<assistant>"
    asked = [{"role": "user", "content": _PROBE}]
    # text, not ids, because of `tokenize`
    text = cast("str", own.apply_chat_template(asked, tokenize=False, add_generation_prompt=True))
    before, probe, after = text.removeprefix(own.bos_token or "").partition(_PROBE)
    if not probe:
        raise ValueError(f"the chat template of {own.name_or_path} leaves out the question; mend its chat template")
    for word, ours in renamed.items():
        before, after = before.replace(word, ours), after.replace(word, ours)
    return before, after


def _colours(folder: Path) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of the colours that a tower was trained on."""
    file = folder / "preprocessor_config.json"
    values = json.loads(file.read_text()) if file.is_file() else {}
    if not {"image_mean", "image_std"} <= values.keys():
        raise ValueError(f"{file} is missing or has no image_mean and image_std; the tower's release has it")
    return values["image_mean"], values["image_std"]


@torch.no_grad()
def fill(model: EgoflowForConditionalGeneration, base: Mapping[str, str], parts: Collection[str]) -> None:
    """Put downloaded weights into some parts of a model.

    Rows of words that the language model does not know get the mean of those it knows: what they say is then nothing.

    Args:
        model: changed in place.
        base: part -> folder or name.
        parts: which of them to fill.

    Raises:
        ValueError: weights are missing, or have other shapes than the model's.
    """
    for part in sorted(set(parts) & set(base)):
        folder = folder_of(base[part])
        if part == "language_model":
            theirs, found = load_with_info(AutoModelForCausalLM, folder, dtype=torch.float32)
            own = model.model.language_model
            own_words = word_table(own.get_input_embeddings())
            words = {name for name, value in own.named_parameters() if value is own_words}
            _take(own, theirs.base_model, folder, found, leave=words)
            for table, known in (
                (own_words, word_table(theirs.get_input_embeddings())),
                (model.lm_head.weight, word_table(theirs.get_output_embeddings())),
            ):
                table[: len(known)], table[len(known) :] = known, known.mean(0)
        elif not (part == "exo_encoder" and model.config.shared_encoder):
            own = getattr(model.model, part)
            theirs, found = load_with_info(type(own), folder, dtype=torch.float32)
            _take(own, theirs, folder, found)


def _take(own: nn.Module, their: nn.Module, folder: Path, found: LoadingInfo, *, leave: Collection[str] = ()) -> None:
    """Copy all weights but those to leave."""
    weights = their.state_dict()
    wanted = {name: value.shape for name, value in own.state_dict().items() if name not in leave}
    wrong = sorted(name for name in wanted if name not in weights or weights[name].shape != wanted[name])
    if wrong or found["missing_keys"]:
        raise ValueError(
            f"{folder} lacks {(wrong or sorted(found['missing_keys']))[:3]}, or has it in another shape; download it "
            "again, or mend `base` and `tubelet_frames` (1 for a tower that sees single frames)"
        )
    own.load_state_dict({name: weights[name] for name in wanted}, strict=False)
