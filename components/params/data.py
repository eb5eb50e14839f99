"""params/data.yaml: every number that changes the data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from components.params.strict import Strict


class World(Strict):
    """The miniature world (components/world)."""

    takes: int = Field(gt=0, description="takes in all; some are validation, test, dropped or without narrations")
    take_s: float = Field(gt=0, description="length of a take, seconds")
    fps: int = Field(gt=0, description="frames per second of every video")
    size_px: int = Field(gt=0, description="side of the square videos, pixels")
    val_fraction: float = Field(gt=0, lt=1, description="share of takes in Ego-Exo4D's val split")
    test_fraction: float = Field(ge=0, lt=1, description="share of takes in its test split (no annotations)")
    downscaled_takes: bool = Field(
        default=False, description="whether Ego-Exo4D's videos are those of its part downscaled_takes/448"
    )
    web_videos: int = Field(ge=0, description="films of the web corpora that `sources` names (htm_aa, interlink7m)")


class Sources(Strict, strict=False):
    """Where the source datasets lie, relative to the project root (or absolute); what is left out is not read."""

    # corpora of takes
    egoexo4d: Path | None = Field(default=None, description="Ego-Exo4D: takes in both views and their narrations")
    visor: Path | None = Field(default=None, description="VISOR: outlines of objects in EPIC-KITCHENS videos")
    egoexolearn: Path | None = Field(default=None, description="EgoExoLearn: intervals of actions in both views")
    epic100: Path | None = Field(default=None, description="EPIC-KITCHENS-100: narrated actions in kitchens")
    ego4d: Path | None = Field(default=None, description="Ego4D: narrations of egocentric videos")
    charades_ego: Path | None = Field(default=None, description="Charades-Ego: actions acted out once in each view")
    lemma: Path | None = Field(default=None, description="LEMMA: actions of daily tasks in synchronized views")
    # corpora of captions, questions and narrations whose media are not takes
    egoclip: Path | None = Field(default=None, description="EgoClip: captions of clips of Ego4D")
    egtea: Path | None = Field(default=None, description="EGTEA Gaze+: labels of cooking actions")
    ssv2: Path | None = Field(default=None, description="Something-Something-V2: labels of actions with objects")
    egotimeqa: Path | None = Field(default=None, description="EgoTimeQA: questions about times of Ego4D videos")
    openeqa: Path | None = Field(default=None, description="OpenEQA: questions about walks through rooms")
    htm_aa: Path | None = Field(default=None, description="HTM-AA: speech of HowTo100M videos, by its time")
    interlink7m: Path | None = Field(default=None, description="Howto-Interlink7M: captions of clips of HowTo100M")
    panda70m: Path | None = Field(default=None, description="Panda-70M: captions of clips of web videos")
    webvid: Path | None = Field(default=None, description="WebVid: captions of stock videos")
    internvid: Path | None = Field(default=None, description="InternVid: captions of clips of web videos")
    vidal: Path | None = Field(default=None, description="VIDAL-10M: captions of short web videos")
    cc3m: Path | None = Field(default=None, description="Conceptual Captions 3M: captions of web images")
    dci: Path | None = Field(default=None, description="Densely Captioned Images: long captions of images")
    general: Path | None = Field(default=None, description="conversations about images and videos, also your own")

    def given(self) -> dict[str, Path]:
        """Return the folders of the sources that are not left out, by name."""
        return {name: path for name, path in self if path is not None}


class Annotations(Strict):
    """Reading the sources."""

    most_rejected_share: float = Field(
        gt=0,
        le=1,
        description="a source that loses a larger share of its rows stops the graph; so does one without rows",
    )


class Clips(Strict):
    """Ego-ExoClip (systems §1.1)."""

    rule: Literal["fixed", "centred", "neighbours", "beta", "beta_over_alpha"] = Field(
        description="window around a narration; the formulas are in components/data/clips/window_rules.py"
    )
    clamp: bool = Field(description="cut a window at the neighbouring narrations (Exo2Ego does, EgoVLP does not)")
    length_s: float | None = Field(
        gt=0, description="length of fixed and centred windows, seconds; null takes alpha, the mean narration distance"
    )
    annotators: Literal["merged", "per_annotator"] = Field(description="one timeline for all annotators, or one each")
    min_frames: int = Field(ge=1, description="shorter clips are rejected")


class Funnel(Strict):
    """EgoRe's filter funnel on web video (systems §4.1); its thresholds are in components/data/funnel/filters.py."""

    features: str = Field(description="of the ego/exo classifier: grid, or the folder of a Hugging Face vision encoder")
    hand_detector: str = Field(
        default="learned",
        description="learned (from VISOR's boxes), or the folder of a Hugging Face object detection model whose labels "
        "name hands",
    )
    clip_frames: int = Field(ge=2, description="frames that are looked at in each clip")
    size_px: int = Field(gt=0, description="side of these frames")
    train_takes: int = Field(gt=0, description="takes that classifier and detector learn from")
    test_takes: int = Field(gt=0, description="held-out takes that they are judged by")
    shard_rows: int = Field(gt=0, description="sentences and captions in one part, what a kill can cost")
    timeout_s: float = Field(gt=0, description="of decoding one video, before it is rejected")


class LlmBudget(Strict):
    """What the replies in one ledger may cost over all runs; null sets no limit."""

    calls: int | None = Field(ge=0, description="replies in the ledger, and failed calls of this run")
    tokens: int | None = Field(ge=0, description="tokens in and out, as the server counts them")


class Llm(Strict):
    """Text generation (components/llm). Where the endpoint is and its key come from the environment."""

    generator: Literal["rules", "openai"] = Field(
        description="deterministic rules, or the OpenAI-compatible endpoint at OPENAI_BASE_URL"
    )
    model: str = Field(description="name of the model at the endpoint; rules need none")
    temperature: float | None = Field(ge=0, description="null leaves it to the server, here and below")
    top_p: float | None = Field(
        gt=0, le=1, description="sample from the likeliest tokens whose probabilities sum to this"
    )
    seed: int | None = Field(description="of the server's sampling; a second try adds one")
    max_tokens: int = Field(gt=0, description="longest answer, tokens; with reasoning, where a model reasons")
    concurrency: int = Field(gt=0, description="calls under way at once")
    requests_per_minute: float | None = Field(gt=0, description="null for no limit")
    timeout_s: float = Field(gt=0, description="of one call, to its last byte")
    tries: int = Field(gt=0, description="most calls for one request; what is wrong then is rejected")
    backoff_s: float = Field(ge=0, description="first wait after a failed call; it doubles, up to a minute")
    budget: LlmBudget

    @model_validator(mode="after")
    def _an_endpoint_has_a_model(self) -> Llm:
        if self.generator == "openai" and not self.model:
            raise ValueError("generator openai needs `model`, the name that the endpoint knows it by; it is empty")
        return self


class EgoIT(Strict):
    """Instruction templating (systems §1.2)."""

    instructions_per_dataset: int = Field(ge=1, description="instructions asked for of each task and source")
    open_share: float = Field(
        ge=0, le=1, description="share of the labelled clips whose action is asked without options"
    )
    rates: dict[str, float] = Field(description="source -> share of its records that is kept; 1.0 where none is given")


class EgoRe(Strict):
    """EgoRe QA generation (systems §4.1)."""

    short_per_clip: int = Field(ge=0, description="short-term questions drawn for each ego clip")
    long_min_s: float = Field(ge=0, description="shorter windows of long-term questions are rejected, seconds")
    long_max_s: float = Field(gt=0, description="consecutive events are joined to windows of at most this, seconds")
    long_per_window: int = Field(ge=0, description="long-term questions drawn for each window")
    cot_fraction: float = Field(
        ge=0, le=1, description="share of short-term questions that also get a chain of thought"
    )
    choices: int = Field(ge=2, description="options of a multiple-choice question")
    box_grid: int = Field(ge=1, description="box answers are multiples of this percentage")
    time_step_s: float = Field(gt=0, description="interval answers are multiples of this, seconds")
    window_max_s: float = Field(gt=0, description="longest window that is shown when it is asked when an event happens")
    windows_per_event: int = Field(ge=1, description="windows that are cut for each event of a longer video")
    rationale_share: float = Field(
        ge=0,
        le=1,
        description="share of the events whose questions in both views get rationales too (View30K)",
    )
    rationale_words: int = Field(ge=1, description="most words of a rationale")
    box_min_percent: float = Field(ge=0, description="boxes whose shorter side is below this are rejected")


class Quality(Strict, strict=False):
    """What the samples are measured against (components/data/quality)."""

    benchmarks: dict[str, Path | None] = Field(
        description="benchmark -> text file with a video or take on each line (id, name or path), relative to the "
        "project root, beside those of components/data/quality/benchmark_videos or in place of one, null for none; "
        "nothing trained on may stand in one"
    )


class Dataset(Strict):
    """Mixture: samples kept per `corpus/task`, as a share; 1.0 keeps all."""

    rates: dict[str, float] = Field(description="`corpus/task` -> share of its samples that is kept, from 0 to 1")


class Frames(Strict):
    """The sampling contract and the frame shards."""

    size_px: int = Field(gt=0, description="side of the stored square frames")
    image_frames: int = Field(ge=1, description="frames of an image sample (the same frame, repeated)")
    clip_frames: int = Field(ge=1, description="frames of a short clip")
    window_frames: int = Field(ge=1, description="frames of a long window")
    jpeg_quality: int = Field(ge=1, le=100, description="quality of the stored frames, on the scale of JPEG encoders")
    shard_frames: int = Field(gt=0, description="frames in one shard file")


class Data(Strict):
    """params/data.yaml."""

    seed: int = Field(description="of every random draw in the data")
    world: World
    sources: Sources
    annotations: Annotations
    clips: Clips
    funnel: Funnel
    llm: Llm
    egoit: EgoIT
    egore: EgoRe
    dataset: Dataset
    quality: Quality
    frames: Frames
