"""The `model` block of a recipe: which classes, and where their weights come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from components.params.strict import Strict

# the parts of an Egoflow model and of a Qwen model: the words of `parents`, `learning_rates` and `lora` in a stage
EGOFLOW_PARTS = (
    "language_model", "ego_encoder", "exo_encoder", "ego_connector", "exo_connector", "mapping_f", "mapping_g",
    "ego_tokens",
)  # fmt: skip
QWEN_PARTS = ("merger", "vision_encoder", "language_model", "ego_tokens")


class Model(Strict):
    """The tiny architecture that plays CLIP and Mistral/Qwen2; its base stages train what others download."""

    architecture: Literal["miniature"] = Field(default="miniature", description="trained from nothing, by base stages")
    image_px: int = Field(gt=0, description="side of the square input frames, pixels")
    patch_px: int = Field(gt=0, description="side of the encoders' square patches, pixels")
    tubelet_frames: int = Field(ge=1, description="frames stacked into the channels of one encoder input")
    vision_width: int = Field(gt=0, description="length of the vectors of a vision encoder")
    vision_layers: int = Field(gt=0, description="transformer layers of a vision encoder")
    vision_heads: int = Field(gt=0, description="attention heads of a vision layer; they divide the width")
    image_tokens: int = Field(gt=0, description="most visual tokens of a still image")
    video_tokens: int = Field(gt=0, description="most visual tokens of a video; the grid per step shrinks to fit")
    shared_encoder: bool = Field(default=False, description="one encoder, ego's, for both views (systems §7, X3)")
    mapping: Literal["resnet", "fc"] = Field(default="resnet", description="F and G; fc: each patch by itself")
    mapping_blocks: int = Field(ge=1, description="residual blocks of F and of G, where they are resnet")
    text_width: int = Field(gt=0, description="length of the vectors of the language model")
    text_layers: int = Field(gt=0, description="transformer layers of the language model")
    text_heads: int = Field(gt=0, description="attention heads of a layer; they divide the width")

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that a stage may name; with one encoder for both views, the branch of both is ego's."""
        return tuple(part for part in EGOFLOW_PARTS if not (self.shared_encoder and part.startswith("exo_")))

    @model_validator(mode="after")
    def _sizes_divide(self) -> Model:
        wrong = [
            f"{whole} {getattr(self, whole)} is no multiple of {part} {getattr(self, part)}"
            for whole, part in (
                ("image_px", "patch_px"), ("vision_width", "vision_heads"), ("text_width", "text_heads"),
            )
            if getattr(self, whole) % getattr(self, part)
        ]  # fmt: skip
        if wrong:
            raise ValueError(f"{'; '.join(wrong)}; allowed are sizes that divide")
        return self


class Egoflow(Strict):
    """The same classes around downloaded towers and a downloaded language model (systems §1.3)."""

    architecture: Literal["egoflow"] = Field(description="Egoflow around downloaded weights")
    base: dict[Literal["ego_encoder", "exo_encoder", "language_model"], str] = Field(
        min_length=3, description="part -> where its weights come from: a name on the Hugging Face Hub, or a folder"
    )
    tubelet_frames: int = Field(ge=1, description="frames stacked into the channels of one encoder input")
    vision_layer: int = Field(lt=0, description="hidden layer of the towers that is read")
    connector: Literal["pool", "stc", "mlp"] = Field(
        default="pool",
        description="pool: within token limits; stc: VideoLLaMA2's and mlp: VideoLLaMA3's, whose tokens follow from "
        "the frames",
    )
    image_tokens: int | None = Field(default=None, gt=0, description="pool: most visual tokens of a still image")
    video_tokens: int | None = Field(default=None, gt=0, description="pool: most of a video; the grid shrinks to fit")
    shared_encoder: bool = Field(default=False, description="one encoder, ego's, for both views (systems §7, X3)")
    mapping: Literal["resnet", "fc"] = Field(default="resnet", description="F and G; fc: each patch by itself")
    mapping_blocks: int = Field(ge=1, description="residual blocks of F and of G, where they are resnet")

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that a stage may name; with one encoder for both views, the branch of both is ego's."""
        return tuple(part for part in EGOFLOW_PARTS if not (self.shared_encoder and part.startswith("exo_")))

    @model_validator(mode="after")
    def _limits_belong_to_pool(self) -> Egoflow:
        limits = {"image_tokens": self.image_tokens, "video_tokens": self.video_tokens}
        wrong = [name for name, limit in limits.items() if (limit is None) == (self.connector == "pool")]
        if wrong:
            raise ValueError(f"connector {self.connector!r} with {limits}; `pool` needs both limits, others take none")
        return self


QWEN = ("qwen2_vl", "qwen2_5_vl")  # the words of `Qwen.architecture`, as in transformers' model_type


class Qwen(Strict):
    """A Qwen vision-language model by transformers' own classes.

    Its parts: vision_encoder, merger, language_model, and ego_tokens where a stage begins them.
    """

    architecture: Literal["qwen2_vl", "qwen2_5_vl"] = Field(description="`model_type` of the weights in transformers")
    base: str = Field(
        min_length=1, description="where its weights come from: a name on the Hugging Face Hub, or a folder"
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that a stage may name."""
        return QWEN_PARTS


def _architecture(model: object) -> str | None:
    if isinstance(model, dict):
        return model.get("architecture", "miniature")
    return model.architecture if isinstance(model, Model | Egoflow | Qwen) else None


AnyModel = Annotated[
    Annotated[Model, Tag("miniature")]
    | Annotated[Egoflow, Tag("egoflow")]
    | Annotated[Qwen, Tag("qwen2_vl")]
    | Annotated[Qwen, Tag("qwen2_5_vl")],
    Discriminator(_architecture),
]
