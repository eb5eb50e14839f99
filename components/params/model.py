"""The `model` block of a recipe: which classes, and where their weights come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from components.params.strict import Strict


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


class Egoflow(Strict):
    """The same classes around downloaded towers and a downloaded language model (systems §1.3)."""

    architecture: Literal["egoflow"] = Field(description="Egoflow around downloaded weights")
    base: dict[Literal["ego_encoder", "exo_encoder", "language_model"], str] = Field(
        min_length=3, description="part -> where its weights come from: a name on the Hugging Face Hub, or a folder"
    )
    tubelet_frames: int = Field(ge=1, description="frames stacked into the channels of one encoder input")
    vision_layer: int = Field(lt=0, description="hidden layer of the towers that is read")
    connector: Literal["pool", "stc"] = Field(
        default="pool", description="pool: within token limits; stc: VideoLLaMA2's, whose tokens follow from the frames"
    )
    image_tokens: int | None = Field(default=None, gt=0, description="pool: most visual tokens of a still image")
    video_tokens: int | None = Field(default=None, gt=0, description="pool: most of a video; the grid shrinks to fit")
    shared_encoder: bool = Field(default=False, description="one encoder, ego's, for both views (systems §7, X3)")
    mapping: Literal["resnet", "fc"] = Field(default="resnet", description="F and G; fc: each patch by itself")
    mapping_blocks: int = Field(ge=1, description="residual blocks of F and of G, where they are resnet")

    @model_validator(mode="after")
    def _limits_belong_to_pool(self) -> Egoflow:
        limits = {"image_tokens": self.image_tokens, "video_tokens": self.video_tokens}
        wrong = [name for name, limit in limits.items() if (limit is None) == (self.connector == "pool")]
        if wrong:
            raise ValueError(f"connector {self.connector!r} with {limits}; `pool` needs both limits, `stc` takes none")
        return self


QWEN = ("qwen2_vl", "qwen2_5_vl")  # the words of `Qwen.architecture`, as in transformers' model_type


class Qwen(Strict):
    """A Qwen vision-language model by transformers' own classes; its parts: vision_encoder, merger, language_model."""

    architecture: Literal["qwen2_vl", "qwen2_5_vl"] = Field(description="`model_type` of the weights in transformers")
    base: str = Field(description="where its weights come from: a name on the Hugging Face Hub, or a folder")


def _architecture(model: dict[str, Any] | Model | Egoflow | Qwen) -> str:
    return model.get("architecture", "miniature") if isinstance(model, dict) else model.architecture


AnyModel = Annotated[
    Annotated[Model, Tag("miniature")]
    | Annotated[Egoflow, Tag("egoflow")]
    | Annotated[Qwen, Tag("qwen2_vl")]
    | Annotated[Qwen, Tag("qwen2_5_vl")],
    Discriminator(_architecture),
]
