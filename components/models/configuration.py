"""The configuration of an Egoflow model: two vision towers, connectors, the mappings F and G, a language model."""

from __future__ import annotations

from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, CLIPVisionConfig, PretrainedConfig, SiglipVisionConfig

TowerConfig = CLIPVisionConfig | SiglipVisionConfig
TOWERS = {kind.model_type: kind for kind in (CLIPVisionConfig, SiglipVisionConfig)}


class EgoflowConfig(PretrainedConfig):
    """Everything that fixes the architecture (Exo2Ego §3; systems §1.3).

    The same class describes the tiny default and the paper scale (CLIP-L/14-336 twice, Mistral-7B; or SigLIP once).

    Args:
        vision_config: values of both towers' config, CLIP's where `model_type` does not say SigLIP's; `num_channels`
            is 3 * `tubelet_frames`.
        text_config: values of a causal language model's config, with its `model_type`.
        tubelet_frames: frames stacked into the channels of one encoder input; one frame cannot tell "picks up" from
            "puts down". 1 at paper scale.
        vision_feature_layer: hidden layer of the tower that is read, CLS dropped (-2 at paper scale); of SigLIP -1 is
            behind its last norm.
        image_tokens, video_tokens: most visual tokens of an image (one step) and of a video (more), for "pool" alone.
        connector: how grids become tokens: "pool" (parts.Connector), "stc" (stc_connector.STCConnector, VideoLLaMA2's)
            or "mlp" (parts.MergeConnector, VideoLLaMA3's).
        shared_encoder: one tower and one connector, those of ego, take both views.
        guidance: put F(x) beside x in front of the language model, as the stage that trained the model did.
        mapping: what F and G are: "resnet", or "fc" for patches by themselves (an ablation).
        mapping_blocks: residual blocks of F and G.
        ego_tokens: learned tokens that stand behind the frames of a clip (ego_tokens.EgoTokens); 0: none.
        token_ids: ids of the special tokens by name, see processing.SPECIAL_TOKENS.
        image_mean, image_std: by which the towers were trained to see colours in 0..1; None: frames stay in -1..1.
        turn_words: what stands before a question, and between it and its answer.
        time_token_ids: ids of the words "0", "1", ...: the embedding of word k is added to the tokens of step k, so
            that the words of an answer "(3, 6)" mean something. Empty: no such positions.
    """

    model_type = "egoflow"
    sub_configs = {"vision_config": AutoConfig}
    keys_to_ignore_at_inference = ["past_key_values"]

    def __init__(
        self,
        vision_config: dict[str, Any] | TowerConfig | None = None,
        text_config: dict[str, Any] | PretrainedConfig | None = None,
        tubelet_frames: int = 1,
        vision_feature_layer: int = -2,
        image_tokens: int | None = 64,
        video_tokens: int | None = 32,
        connector: str = "pool",
        shared_encoder: bool = False,
        guidance: bool = False,
        mapping: str = "resnet",
        mapping_blocks: int = 9,
        ego_tokens: int = 0,
        token_ids: dict[str, int] | None = None,
        image_mean: list[float] | None = None,
        image_std: list[float] | None = None,
        turn_words: tuple[str, str] = ("<user>", "<assistant>"),
        time_token_ids: list[int] | None = None,
        **kwargs,
    ):
        if not isinstance(vision_config, TowerConfig):
            own: dict[str, Any] = dict(vision_config or {})
            vision_config = TOWERS[own.pop("model_type", CLIPVisionConfig.model_type)](**own)
        if not isinstance(text_config, PretrainedConfig):
            values: dict[str, Any] = dict(text_config or {"model_type": "qwen2"})
            text_config = CONFIG_MAPPING[values.pop("model_type")](**values)
        self.vision_config = vision_config
        self.text_config = text_config
        self.tubelet_frames = tubelet_frames
        self.vision_feature_layer = vision_feature_layer
        self.image_tokens = image_tokens
        self.video_tokens = video_tokens
        self.connector = connector
        self.shared_encoder = shared_encoder
        self.guidance = guidance
        self.mapping = mapping
        self.mapping_blocks = mapping_blocks
        self.ego_tokens = ego_tokens
        self.token_ids = token_ids or {}
        self.image_mean = image_mean
        self.image_std = image_std
        self.turn_words = tuple(turn_words)
        self.time_token_ids = time_token_ids or []
        kwargs.setdefault("tie_word_embeddings", False)
        super().__init__(**kwargs)

    @property
    def image_token_id(self) -> int | None:
        """The placeholder that a generation must never produce (TRL suppresses it)."""
        return self.token_ids.get("<ego_patch>")

    @property
    def never_generated(self) -> list[int]:
        """Special tokens that no answer may hold: a sampled placeholder would ask for frames that are not there."""
        return sorted(number for token, number in self.token_ids.items() if token != "<eos>")

    def branch(self, view: str) -> str:
        """Say whose tower and connector a view takes, "ego" or "exo"; guidance is in the language of exo."""
        return "ego" if self.shared_encoder or view == "ego" else "exo"

    @property
    def vision_grid(self) -> int:
        """Side of the encoder's patch grid: 8 for 64 px in patches of 8, 24 for 336 px in patches of 14."""
        return self.image_px // _side(self.vision_config.patch_size)

    @property
    def tower_tokens(self) -> int:
        """Tokens of one encoder input: its patches, and of CLIP the class token."""
        return self.vision_grid**2 + isinstance(self.vision_config, CLIPVisionConfig)

    @property
    def image_px(self) -> int:
        """Side of the square frames that the towers read."""
        return _side(self.vision_config.image_size)

    def grid(self, steps: int) -> int:
        """Side of the token grid of a marked group (`markers`).

        For "pool" the largest halving of the encoder's grid that fits the token limit; for "stc" side // 2 + 1; for
        "mlp" side // 2.

        Raises:
            ValueError: "pool" without a limit.
        """
        if self.connector == "stc":
            return self.vision_grid // 2 + 1
        if self.connector == "mlp":
            return self.vision_grid // 2
        limit = self.image_tokens if steps == 1 else self.video_tokens
        if limit is None:
            raise ValueError(
                "connector 'pool' came without image_tokens or video_tokens, it needs both; mend the config"
            )
        side = self.vision_grid
        while side > 1 and steps * side * side > limit:
            side //= 2
        return side

    def markers(self, steps: int) -> list[int]:
        """Say how many steps each group of tokens stands for, each of them marked: all steps, in order.

        For "pool" and "mlp" one; for "stc" the steps that a place of its convolution sees: the first, then two, the
        last alone where one is left (`stc_connector.STCConnector`).

        >>> EgoflowConfig(connector="stc").markers(16)
        [1, 2, 2, 2, 2, 2, 2, 2, 1]
        """
        if self.connector != "stc":
            return [1] * steps
        return [1, *[2] * ((steps - 1) // 2), *[1] * ((steps - 1) % 2)]


def _side(size: int | list[int] | tuple[int, int] | None) -> int:
    if not isinstance(size, int):
        raise ValueError(f"size {size!r} of the vision towers came, allowed is one number: frames are square")
    return size
