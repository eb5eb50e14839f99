"""The block `distill` of a stage: how a frozen teacher is asked for what students learn."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from components.params.data import Llm
from components.params.strict import Strict


class Distill(Strict):
    """Sequence distillation (Ego2ExoVLM, systems §2.1): answers about ego clips become samples of exo clips."""

    queries: Literal["open", "kitchen"] = Field(
        default="open",
        description="wording of components/train/distill/queries.py; kitchen: in the words that the miniature knows",
    )
    views: tuple[Literal["ego", "exo"], ...] = Field(
        strict=False,
        default=("ego",),
        min_length=1,
        description="what the teacher is shown of a segment; answers about exo clips are for students without ego",
    )
    segments: int | None = Field(
        default=None, gt=0, description="most ego clips with an exo view that are asked about; null: all"
    )
    generation: Literal["greedy", "model"] = Field(
        default="greedy", description="greedy, or as the teacher's own generation_config.json says"
    )
    max_new_tokens: int = Field(default=1024, gt=0, description="longest answer, tokens")
    keep_cut: bool = Field(
        default=False, description="an answer that `max_new_tokens` ends is a sample too, as published; else a reject"
    )
    endpoint: Llm | None = Field(
        default=None,
        description="a teacher behind an OpenAI-compatible endpoint, which is sent the frames as images; null: the "
        "model of the stage's parents answers",
    )

    @model_validator(mode="after")
    def _an_endpoint_has_settings_of_its_own(self) -> Distill:
        if self.endpoint is None:
            return self
        if self.endpoint.generator != "openai":
            raise ValueError(
                f"`distill.endpoint.generator`: {self.endpoint.generator!r} came, allowed is openai: no rule sees video"
            )
        if self.generation != "greedy" or self.keep_cut:
            raise ValueError(
                f"`distill`: generation {self.generation!r} and keep_cut {self.keep_cut} came with `endpoint`, which "
                "samples as its own `temperature` and `top_p` say and gives no answer that was cut; leave them out"
            )
        return self

    @model_validator(mode="after")
    def _each_view_once(self) -> Distill:
        if len(set(self.views)) < len(self.views):
            raise ValueError(f"`distill.views`: {list(self.views)} came, allowed is each view once")
        return self
