"""Text and frames to tensors: the special tokens, the layout of visual tokens, the processor that TRL calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import BatchFeature, PreTrainedTokenizerFast, ProcessorMixin
from transformers.image_processing_utils import BaseImageProcessor

from components.models.configuration import EgoflowConfig

SPECIAL_TOKENS = (
    "<pad>", "<unk>", "<bos>", "<eos>", "<user>", "<assistant>", "<frame>",
    "<ego>", "<exo>", "<guide>", "<ego_patch>", "<exo_patch>", "<guide_patch>",
)  # fmt: skip
# Place of an ego-adaptive token. Chat templates write this word for a frame, so in a prompt whose frames have become
# their tokens it is free; a word of its own would be a row more in the vocabulary of models without such tokens.
EGO_TOKEN = "<frame>"
# not "special": a decoder that skips special tokens must keep them, the rewards read them
ANSWER_TAGS = ("<think>", "</think>", "<answer>", "</answer>", "<frames>", "</frames>")
NUMBERS = tuple(str(number) for number in range(101))
_MORE = "##"  # before the digits of a number that follow its first piece: 1250 is "12" "##5" "##0"
_MORE_DIGITS = tuple(f"{_MORE}{digit}" for digit in range(10))
# one message of the user, in the order of `prompt`: its frames, each with its view, then its text
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<bos>"
    "{% if message['content'] is string %}<user>{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "{% if part['view'] == 'exo' %}<exo>{% endif %}<frame>{% endif %}{% endfor %}<user>"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{% else %}<assistant>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{{ message['content'][0]['text'] }}"
    "{% endif %}<eos>{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
_FRAMES = re.compile("(?:<frame>)+|(?:<exo><frame>)+")  # as the template writes the frames of one view


OUR_TURN = ("<user>", "<assistant>")


def template_of(turn_words: tuple[str, str]) -> str:
    """Return the template of a conversation in which these words stand around a question."""
    template = CHAT_TEMPLATE
    for ours, word in zip(OUR_TURN, turn_words, strict=True):
        if word != ours:  # as an expression: Jinja keeps its line breaks
            template = template.replace(ours, "{{ " + json.dumps(word, ensure_ascii=False) + " }}")
    return template


def context(visual: str) -> str:
    """Begin a prompt with the layout of its frames."""
    return f"<bos>{visual}"


def turn(question: str, turn_words: tuple[str, str] = OUR_TURN) -> str:
    """Ask a question, up to where its answer begins, in the words that the language model knows for that."""
    before, after = turn_words
    return f"{before}{question}{after}"


def prompt(visual: str, question: str) -> str:
    """Put the layout of the frames and a question together, up to where the answer begins: [video ; instruction]."""
    return context(visual) + turn(question)


def conversation(question: str, view: str, n_frames: int) -> list[dict]:
    """Return a question about frames as chat templates read it: an image for each frame, with its view, then the text.

    Args:
        question: text.
        view: "ego" or "exo".
        n_frames: frames of the sample; 0 for text alone.
    """
    images = [{"type": "image", "view": view} for _ in range(n_frames)]
    return [{"role": "user", "content": [*images, {"type": "text", "text": question}]}]


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Make a word tokenizer of all words in `texts`, the integers 0 to 100 and the special tokens.

    Longer numbers, as times of long videos have them, are written in pieces.
    """
    splitter = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    words = sorted({word for text in texts for word, _ in splitter.pre_tokenize_str(_plain(text))} - set(NUMBERS))
    pieces = (*SPECIAL_TOKENS, *ANSWER_TAGS, *NUMBERS, *words, *_MORE_DIGITS)
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>", continuing_subword_prefix=_MORE))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.WordPiece(prefix=_MORE, cleanup=False)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(tag, special=False) for tag in ANSWER_TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _plain(text: str) -> str:
    for tag in ANSWER_TAGS:
        text = text.replace(tag, " ")
    return text


def layout(config: EgoflowConfig, view: str, n_frames: int, *, guidance: bool | None = None) -> str:
    """Write the visual tokens of one sample: for each group of steps their markers and patches; then F(x) likewise.

    Behind them stand the places of the model's ego-adaptive tokens, if it has any.

    Whatever shows frames to the model has their tokens from here: training, rollouts, evaluation and serving.

    Args:
        config: of the model.
        view: "ego" or "exo".
        n_frames: frames of the sample, a multiple of `tubelet_frames`; 0 is text alone, which has no visual tokens.
        guidance: whether the tokens of F(x) follow those of the ego view; None: where the config says so.

    >>> config = EgoflowConfig(vision_config={"image_size": 32, "patch_size": 8}, tubelet_frames=2, video_tokens=8)
    >>> layout(config, "exo", 4)
    '<exo><exo_patch><exo_patch><exo_patch><exo_patch><exo><exo_patch><exo_patch><exo_patch><exo_patch>'

    Raises:
        ValueError: the frames do not fill whole tubelets, or guidance is asked of another view than ego.
    """
    if n_frames == 0:
        return ""
    if guidance is None:
        guidance = config.guidance and view == "ego"
    steps, rest = divmod(n_frames, config.tubelet_frames)
    if rest:
        raise ValueError(
            f"{n_frames} frames came, allowed are multiples of tubelet_frames={config.tubelet_frames}; see `frames` in "
            "params/data.yaml"
        )
    if guidance and view != "ego":
        raise ValueError(f"guidance maps ego to exo, a sample of view {view!r} cannot have it")
    patches = config.grid(steps) ** 2
    segments = (view, "guide") if guidance else (view,)
    # with one patch a step the patch is its own marker: half the tokens of a long window
    marked = patches > 1 or config.connector == "stc"
    steps_of_views = "".join(
        f"<{name}>" * marked * group + f"<{name}_patch>" * patches
        for name in segments
        for group in config.markers(steps)
    )
    return steps_of_views + EGO_TOKEN * config.ego_tokens


def normalise(frames_THWC: np.ndarray) -> torch.Tensor:
    """Turn uint8 frames [T, H, W, 3] into float32 [T, 3, H, W] in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(frames_THWC)).permute(0, 3, 1, 2).float() / 127.5 - 1


class EgoflowImageProcessor(BaseImageProcessor):
    """Frames arrive at the model's size (the frame shards hold them so); what is left is to normalise."""

    model_input_names = ["pixel_values"]

    def __init__(self, size_px: int = 64, **kwargs):
        super().__init__(**kwargs)
        self.size_px = size_px

    def preprocess(self, images, return_tensors: str | None = None, **kwargs) -> BatchFeature:
        """Stack images (PIL or uint8 arrays, nested by sample or flat) to `pixel_values` [images, 3, H, W].

        Raises:
            ValueError: an image is not `size_px` square.
        """
        flat = [image for group in images for image in (group if isinstance(group, list | tuple) else [group])]
        arrays = [np.asarray(image) for image in flat]
        wrong = sorted({array.shape for array in arrays} - {(self.size_px, self.size_px, 3)})
        if wrong:
            raise ValueError(
                f"images of shape {wrong} came, allowed is ({self.size_px}, {self.size_px}, 3); frames come from "
                "data/frames"
            )
        return BatchFeature({"pixel_values": normalise(np.stack(arrays))})


class EgoflowProcessor(ProcessorMixin):
    """Tokenizer and image processor behind one call, as TRL wants it; frames become their visual tokens."""

    attributes = ["image_processor", "tokenizer"]
    tokenizer_class = "PreTrainedTokenizerFast"

    def __init__(
        self, image_processor=None, tokenizer=None, chat_template=None, layout_config: dict | None = None, **kwargs
    ):
        self.layout_config = layout_config or {}
        self.turn_words = tuple(self.layout_config.get("turn_words", OUR_TURN))
        super().__init__(image_processor, tokenizer, chat_template=chat_template or template_of(self.turn_words))
        self.image_token = "<ego_patch>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token) if tokenizer is not None else None

    def __call__(
        self,
        images=None,
        text: str | Sequence[str] | None = None,
        padding=False,
        return_tensors=None,
        padding_side=None,
        **kwargs,
    ) -> BatchFeature:
        """Tokenize prompts that hold `<frame>`, or of the exo view `<exo><frame>`, per image; normalise the images.

        Raises:
            ValueError: no text came, or an image or a number of frames that the model does not take.
        """
        if text is None:
            raise ValueError("no text came, allowed are one prompt or several; mend the call of the processor")
        texts = [text] if isinstance(text, str) else list(text)
        config = EgoflowConfig(**self.layout_config)

        def visual(frames: re.Match[str]) -> str:
            view = "exo" if frames[0].startswith("<exo>") else "ego"
            return layout(config, view, frames[0].count("<frame>"))

        expanded = [_FRAMES.sub(visual, prompt) for prompt in texts]
        how = {"padding": padding, "padding_side": padding_side, "return_tensors": return_tensors}
        out = dict(self.tokenizer(expanded, add_special_tokens=False, **how))
        out.pop("token_type_ids", None)
        if images is not None:
            out.update(self.image_processor(images))
        return BatchFeature(out)
