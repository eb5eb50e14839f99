"""Qwen2-VL and Qwen2.5-VL by transformers' own classes: their weights, their processor, and what they are shown.

Frames go in as images, each by itself: transformers' video processors need torchvision, TRL has no video column, and
training, rollouts and evaluation must show the same. Positions of images hold no time (a video's would, by its
`second_per_grid_ts`): the prompt alone says when they were taken (components/prompts/frame_times.py). Boxes stay in
percent of the frame (systems §4.2), so an answer means the same at whatever size the processor shows it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from huggingface_hub import constants, errors, snapshot_download
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    BatchFeature,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    Qwen2VLProcessor,
)
from transformers.image_processing_utils import BaseImageProcessor
from transformers.image_utils import make_flat_list_of_images

from components.models import build
from components.models.frame_choice import evenly
from components.models.hub_configs import READING
from components.models.processing import conversation
from components.models.qwen_ego_setup import PLACE
from components.models.qwen_ego_tokens import CLASSES, SUFFIX
from components.models.typed_transformers import load_with_info
from components.prompts import spelled_out, taught_answer

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2VLForConditionalGeneration

    QwenModel = Qwen2VLForConditionalGeneration | Qwen2_5_VLForConditionalGeneration

# what a folder must hold, each in one of these ways
_NEEDED = (
    ("config.json",),
    ("model.safetensors", "model.safetensors.index.json"),
    ("tokenizer.json", "vocab.json"),
    ("preprocessor_config.json", "processor_config.json"),
)


def folder_of(base: str | Path) -> Path:
    """Return the local folder of weights in transformers' layout.

    Args:
        base: a folder, or a name on the Hugging Face Hub; with HF_HUB_OFFLINE=1, as the processes of stages have it,
            one that was downloaded before. Only safetensors are fetched, never pickles.

    Raises:
        ValueError: there is no such folder or download, or it lacks files.
    """
    folder = Path(base)
    if not folder.is_dir():
        patterns = ["*.safetensors", "*.json", "*.txt", "*.jinja"]
        try:
            folder = Path(
                snapshot_download(str(base), allow_patterns=patterns, local_files_only=constants.HF_HUB_OFFLINE)
            )
        except (errors.LocalEntryNotFoundError, errors.HFValidationError, errors.RepositoryNotFoundError) as error:
            raise ValueError(
                f"base {str(base)!r} came, allowed are a folder, or a name on the Hugging Face Hub whose weights are "
                f"in the local cache: `hf download {base}` brings them there; or mend `base` in the recipe"
            ) from error
    if lacking := _lacking(folder):
        pickled = " Pickled weights are never read: save them again as safetensors." * any(folder.glob("*.bin"))
        raise ValueError(f"{folder} lacks {'; '.join(lacking)}: download it again, or mend `base`.{pickled}")
    return folder


def _lacking(folder: Path) -> list[str]:
    lacking: list[str] = [
        " or ".join(names) for names in _NEEDED if not any((folder / name).is_file() for name in names)
    ]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        lacking += [name for name in shards if not (folder / name).is_file()]
    return lacking


def load(folder: Path, *, architecture: str | None = None) -> QwenModel:
    """Load a model by transformers' own class: bfloat16 on a GPU, where DeepSpeed keeps float32 copies, else float32.

    Args:
        folder: with safetensors.
        architecture: the `model_type` that it must have, ego-adaptive tokens aside; None takes any.

    Raises:
        ValueError: another architecture, or parameters are missing or unknown.
    """
    build.register()
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    loaded, found = load_with_info(
        AutoModelForImageTextToText,
        folder,
        dtype=dtype,
        local_files_only=True,
        attn_implementation=build.attention(),
    )
    model = cast("QwenModel", loaded)  # what the Auto class makes of the architectures that a recipe may name
    if architecture not in (None, model.config.model_type.removesuffix(SUFFIX)):
        raise ValueError(
            f"{folder} is a {model.config.model_type!r}, the recipe's architecture is {architecture!r}; mend the recipe"
        )
    if wrong := sorted(found["missing_keys"]) + sorted(found["unexpected_keys"]):
        raise ValueError(f"{folder} has not the parameters of {type(model).__name__}: {wrong[:3]}, {len(wrong)} in all")
    # the published chat models sample with top_k 1 and a repetition penalty: GRPO's groups would have no spread, and
    # greedy answers would not be greedy
    habits = model.generation_config
    ends = {name: getattr(habits, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(**ends, suppress_tokens=never_generated(model))
    return model


def never_generated(model: PreTrainedModel) -> list[int]:
    """Return the tokens that no answer may hold: a sampled placeholder would ask for frames that are not there."""
    names = ["image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"]
    if isinstance(model.config, tuple(CLASSES)):
        names.append("ego_token_id")
    return sorted(getattr(model.config, name) for name in names)


class QwenProcessor(Qwen2VLProcessor):
    """The published processor without its video half, which needs torchvision; both architectures have the same.

    Args:
        image_processor, tokenizer, chat_template: of the folder.
    """

    def __init__(
        self, image_processor: BaseImageProcessor, tokenizer: PreTrainedTokenizerBase, chat_template: str | dict
    ):
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id, self.video_token_id = build.ids_of(tokenizer, (self.image_token, self.video_token))
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)
        self.folder: Path | None = None
        self.published_template = chat_template

    @property
    def ego_tokens(self) -> int:
        """How many places of ego-adaptive tokens the chat template writes behind the frames of a clip."""
        return str(self.chat_template).count(PLACE)

    def _process_images(self, images, **kwargs):
        # transformers' own step; images that are alike are cut into patches once: GRPO shows a group the same
        flat = cast(list, make_flat_list_of_images(images))  # declared as anything that images may come as
        kept: dict[tuple, int] = {}
        places = [kept.setdefault(_look(image), len(kept)) for image in flat]
        if len(kept) == len(flat):
            return super()._process_images(images, **kwargs)
        made, words = super()._process_images([flat[places.index(place)] for place in range(len(kept))], **kwargs)
        sizes = np.asarray(made["image_grid_thw"]).prod(axis=1)
        rows = np.split(np.arange(sizes.sum()), sizes.cumsum()[:-1])
        made["pixel_values"] = made["pixel_values"][np.concatenate([rows[place] for place in places])]
        made["image_grid_thw"] = made["image_grid_thw"][np.array(places)]
        return made, [words[place] for place in places]

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs) -> None:
        """Keep the files that it was read from, with its own limits of pixels, for transformers' own processor.

        Raises:
            ValueError: the processor was not read from a folder.
        """
        if self.folder is None:
            raise ValueError("this processor has no folder to copy from; read it by qwen_vl.load_processor")
        output, size = Path(save_directory), dict(self.image_processor.size)
        for path in sorted({path for pattern in READING for path in self.folder.glob(pattern)}):
            shutil.copy(path, output / path.name)
        if self.chat_template != self.published_template:
            # first, for transformers reads the older file before the newer
            (output / "chat_template.json").unlink(missing_ok=True)
            (output / "chat_template.jinja").write_text(str(self.chat_template))
        limits = {"size": size, "min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
        for file in filter(Path.is_file, (output / "preprocessor_config.json", output / "processor_config.json")):
            values = json.loads(file.read_text())
            of = values if file.name == "preprocessor_config.json" else values.get("image_processor", {})
            of.update(limits if of else {})
            file.write_text(json.dumps(values, indent=2) + "\n")


def _look(image) -> tuple:
    pixels = np.asarray(image)
    return pixels.shape, pixels.dtype.str, hashlib.sha256(pixels.tobytes()).digest()


def load_processor(folder: Path, *, pixels: int | None) -> QwenProcessor:
    """Load the processor of a folder.

    Args:
        folder: with the files of tokenizer and image processor.
        pixels: most pixels of a frame; None leaves the folder's own limits.

    Raises:
        ValueError: the folder has no chat template.
    """
    # the backend without torchvision everywhere, or a GPU machine would show other pixels
    images = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    if pixels is not None:
        limits = dict(images.size)
        images.size = {"shortest_edge": min(limits["shortest_edge"], pixels), "longest_edge": pixels}
    # any folder that is loaded has a tokenizer: without one transformers raises
    tokenizer = cast(
        "PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(folder, padding_side="left", local_files_only=True)
    )
    template, file = tokenizer.chat_template, folder / "chat_template.json"
    if template is None and file.is_file():
        template = json.loads(file.read_text())["chat_template"]
    if template is None:
        raise ValueError(f"{folder} has no chat template: take an instruct model, or add chat_template.json")
    processor = QwenProcessor(images, tokenizer, chat_template=template)
    processor.folder = folder
    return processor


def shown(item: dict, *, most_frames: int | None, asked: Sequence[dict] | None = None) -> dict:
    """Return an item of the samples as this model is shown it.

    A still image stands once, not repeated as for a model that stacks frames; of more frames than may be shown, some at
    equal distances; a question says when they were taken where it asks for time, and how it is to be answered.

    Args:
        item: a row of `records.SAMPLE` with `frames` (uint8 [T, H, W, 3]), `times_s` (float [T], or None), when they
            were taken, and `reasoned`: whether closed questions are asked for a thought.
        most_frames: of a sample; None shows all that the sampling contract gives.
        asked: rows of all samples that are asked about its frames, each with `reasoned`; None: the item's own alone.
    """
    frames, times_s = item["frames"], item["times_s"]
    if len(frames):
        chosen = evenly(len(frames), 1 if item["frame_kind"] == "image" else most_frames)
        frames, times_s = frames[chosen], None if times_s is None else times_s[chosen]
    turns = [(spelled_out(each, times_s, reasoned=each["reasoned"]), taught_answer(each)) for each in asked or [item]]
    return {**item, "frames": frames, "times_s": times_s, "question": turns[0][0], "turns": turns}


def encode(processor: QwenProcessor, items: Sequence[dict]) -> BatchFeature:
    """Lay out the prompts of items by the model's own chat template, up to where the answer begins.

    Args:
        processor: of the model.
        items: as `shown` gives them; one without frames is text alone.

    Returns:
        Lists without padding: `input_ids`, `attention_mask`, `mm_token_type_ids`; and where there are frames
        `pixel_values` [patches, values] and `image_grid_thw` [frames, 3], sample after sample.
    """
    texts = []
    for item in items:
        chat = conversation(item["question"], item["view"], len(item["frames"]))
        texts.append(processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
    frames = [frame for item in items for frame in item["frames"]]
    return processor(images=frames or None, text=texts)
