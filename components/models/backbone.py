"""The Egoflow model: [x ; F(x) ; text] into a causal language model (Exo2Ego §3; systems §1.3), HF-native.

Shapes: N steps (a step is one tubelet of frames), D vision width, H x W encoder grid, B samples, L tokens,
W text width. Which tower a step takes, and where its tokens go, is said by the placeholders in `input_ids`
(processing.layout), so that any mixture of images, clips, windows and text in one batch is one forward.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast

from components.models import towers, zero3_dummies
from components.models.configuration import EgoflowConfig
from components.models.ego_tokens import check_places, ego_tokens_of, places_of
from components.models.mappings import Guide, mapping_of
from components.models.parts import connector_of
from components.models.places import time_and_place
from components.models.private_api import attention_of

# part -> prefixes of its parameters: the words of the recipes' freeze tables
PARTS = {
    "language_model": ("model.language_model.", "model.grid_rows.", "model.grid_cols.", "lm_head."),
    "ego_encoder": ("model.ego_encoder.",),
    "exo_encoder": ("model.exo_encoder.",),
    "ego_connector": ("model.ego_connector.",),
    "exo_connector": ("model.exo_connector.",),
    "mapping_f": ("model.mapping_f.",),
    "mapping_g": ("model.mapping_g.",),
    "ego_tokens": ("model.ego_tokens.",),
}


def part_of(parameter: str, parts: dict[str, tuple[str, ...]] = PARTS) -> str:
    """Name the part that a parameter belongs to: the first whose prefix fits.

    Raises:
        ValueError: the parameter belongs to no part (every one must be in exactly one).
    """
    for part, prefixes in parts.items():
        if parameter.startswith(prefixes):
            return part
    raise ValueError(
        f"parameter {parameter!r} belongs to no part of {sorted(parts)}; add it in components/models/backbone.py"
    )


class EgoflowPreTrainedModel(PreTrainedModel):
    """Weights' initialisation and what transformers must know."""

    config: EgoflowConfig
    config_class = EgoflowConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    supports_gradient_checkpointing = True  # of the towers and the language model
    _no_split_modules = ["Connector", "STCConnector", "MergeConnector", "Mapping", "PatchMapping", "EgoTokens"]

    def _init_weights(self, module: nn.Module) -> None:
        # connectors and mappings keep torch's own initialisation; the towers initialise themselves
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)


class EgoflowModel(EgoflowPreTrainedModel):
    """Backbone: vision towers, connectors, mappings, ego-adaptive tokens and the headless language model."""

    def __init__(self, config: EgoflowConfig):
        super().__init__(config)
        vision, text = config.vision_config, config.text_config
        attention = {"attn_implementation": attention_of(config)}
        self.ego_encoder = AutoModel.from_config(vision, **attention)
        if not config.shared_encoder:
            self.exo_encoder = AutoModel.from_config(vision, **attention)
        self.ego_connector = connector_of(config.connector, vision.hidden_size, text.hidden_size)
        if not config.shared_encoder:
            self.exo_connector = connector_of(config.connector, vision.hidden_size, text.hidden_size)
        kind, blocks = config.mapping, config.mapping_blocks
        self.mapping_f = Guide(mapping_of(kind, vision.hidden_size, blocks), text.hidden_size)
        self.mapping_g = mapping_of(kind, vision.hidden_size, blocks)
        # the place of a patch is said by number words, through a map for each axis: an answer "[12, 32, 40, 56]" is
        # then made of the very words that the patches of the object carry
        self.grid_rows = nn.Linear(text.hidden_size, text.hidden_size, bias=False)
        self.grid_cols = nn.Linear(text.hidden_size, text.hidden_size, bias=False)
        self.language_model = AutoModel.from_config(text, **attention)
        if config.ego_tokens:
            self.ego_tokens = ego_tokens_of(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The language model's word embeddings."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the word embeddings."""
        self.language_model.set_input_embeddings(value)

    def encode(self, frames_NCHW: Tensor, view: str) -> Tensor:
        """Run a vision tower.

        Args:
            frames_NCHW: frames [frames, 3, H, W] in -1..1, steps in order, `tubelet_frames` for each.
            view: "ego" or "exo".

        Returns:
            Feature grids [steps, D, grid, grid].
        """
        return self._read(frames_NCHW, view, below=False)[0]

    def _read(self, frames_NCHW: Tensor, view: str, *, below: bool) -> list[Tensor]:
        tower = getattr(self, f"{self.config.branch(view)}_encoder")
        return towers.read(tower, frames_NCHW, self.config, below=below)

    def embed(
        self, input_ids: Tensor | None, pixel_values: Tensor | None = None, facts: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Put visual tokens where the placeholders of `input_ids` [B, L] are.

        Args:
            input_ids: tokens with the placeholders of `processing.layout`.
            pixel_values: frames [frames, 3, H, W] of all steps of all samples, in order.
            facts: instead of frames, for the pre-training of the language model on text: word ids and their weights,
                both [placeholders, K]; a placeholder's token is the weighted sum of its words' embeddings.

        Returns:
            Embeddings [B, L, W], and the feature grids [N, D, H, W] of the views that came ("ego", "exo", "guide").

        Raises:
            ValueError: no tokens came, as in a forward that has no embeddings either.
        """
        if input_ids is None:
            raise ValueError("neither input_ids nor inputs_embeds came, allowed is one of them; mend the model's call")
        if facts is None and (views := zero3_dummies.absent(self.config, input_ids, always=self._learning())):
            return self._embed_beside(views, input_ids, pixel_values)
        return self._embed(input_ids, pixel_values, facts)

    def _learning(self) -> list[str]:
        """Return the views whose own parts learn under ZeRO-3 (`ranks`); none under another stage."""
        if not hasattr(self.ego_connector.marker, "ds_id"):  # how ZeRO-3 marks what it has partitioned
            return []
        parts = {
            "ego": ("ego_encoder", "ego_connector"),
            "exo": ("exo_encoder", "exo_connector", "ego_tokens"),  # any view serves the tokens, and exo is theirs
            "guide": ("mapping_f",),
        }
        modules = dict(self.named_children())
        return [
            view
            for view, names in parts.items()
            if any(value.requires_grad for name in names if name in modules for value in modules[name].parameters())
        ]

    def _embed_beside(
        self, views: list[str], input_ids: Tensor, pixel_values: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Embed, and take part in what other ranks do for the views that only they see."""
        count, length = input_ids.shape
        input_ids, pixel_values, added = zero3_dummies.fill(self.config, views, input_ids, pixel_values)
        embeds, grids = self._embed(input_ids, pixel_values, None)
        own = {view: len(grid) - added[view] for view, grid in grids.items()}
        grids = {view: grids[view][:steps] for view, steps in own.items() if steps}
        return embeds[:count, :length] + 0 * embeds[count:].sum(), grids

    def _embed(
        self, input_ids: Tensor, pixel_values: Tensor | None, facts: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        embeds = self.get_input_embeddings()(input_ids)
        ids = self.config.token_ids
        is_patch = {view: input_ids == ids[f"<{view}_patch>"] for view in zero3_dummies.VIEWS}
        step_views = {view: input_ids == ids[f"<{view}>"] for view in is_patch}
        for view, marked in step_views.items():  # one patch a step: the patch is the step (processing.layout)
            step_views[view] = torch.where(marked.any(1, keepdim=True), marked, is_patch[view])
        if pixel_values is None and facts is None:
            return embeds, {}
        is_token = places_of(self.config, input_ids)
        # only the placeholders are worked on, [P, W]: a fifth of the tokens of a text about a window
        is_visual = torch.stack([*step_views.values(), *is_patch.values(), is_token]).any(0)
        visual, grids = embeds.new_zeros(int(is_visual.sum()), embeds.shape[-1]), {}
        if facts is not None:
            words, weights = facts
            bags = (self.get_input_embeddings()(words) * weights.unsqueeze(-1)).sum(1)
            any_patch = is_patch["ego"] | is_patch["exo"] | is_patch["guide"]
            visual = visual.masked_scatter(any_patch[is_visual].unsqueeze(-1), bags.to(visual.dtype))
        elif pixel_values is not None:
            grids, layers = self._grids(step_views, pixel_values)
            if self.config.ego_tokens:
                steps = (step_views["ego"] | step_views["exo"]).sum(1)
                check_places(self.config, is_token, steps)
                tokens = self.ego_tokens(layers, steps[steps > 0].tolist())
                visual = visual.masked_scatter(is_token[is_visual].unsqueeze(-1), tokens.to(visual.dtype))
            for view, grid_NDHW in grids.items():
                tokens = self._tokens(view, grid_NDHW, step_views[view])
                visual = visual.masked_scatter(is_patch[view][is_visual].unsqueeze(-1), tokens.to(visual.dtype))
        for view, is_step in step_views.items():
            marker = (
                self.mapping_f.marker
                if view == "guide"
                else getattr(self, f"{self.config.branch(view)}_connector").marker
            )
            mine = is_step | is_patch[view]
            marked = torch.where(is_step[mine].unsqueeze(-1), marker, 0) + self._positions(is_step, is_patch[view])
            visual = visual.index_add(0, mine[is_visual].nonzero()[:, 0], marked.to(visual.dtype))
        places = is_visual.flatten().nonzero()[:, 0]
        return embeds.flatten(0, 1).index_copy(0, places, visual).view_as(embeds), grids

    def _grids(self, step_views: dict[str, Tensor], pixel_values: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Encode the steps of each view, and map ego steps to guidance where the layout asks for it.

        Returns:
            The grids of the views; and for ego-adaptive tokens the layers' outputs [steps, patches, D], in the order of
            the steps whatever their view.
        """
        is_step = step_views["ego"] | step_views["exo"]
        wanted = int(is_step.sum()) * self.config.tubelet_frames
        if pixel_values.shape[0] != wanted:
            raise ValueError(
                f"{pixel_values.shape[0]} frames came for {wanted} in the prompts' layout; both come from processing.py"
            )
        order = step_views["exo"][is_step]  # in the order of the steps: is it exo?
        frames = pixel_values.unflatten(0, (-1, self.config.tubelet_frames))
        grids, below, layers = {}, [], []
        for view, chosen in (("ego", ~order), ("exo", order)):
            if chosen.any():
                grids[view], *layers = self._encode_once(frames[chosen], view)
                below.append(layers)
        if len(below) == 2:
            place = torch.cat([(~order).nonzero(), order.nonzero()])[:, 0].argsort()
            layers = [torch.cat(both)[place] for both in zip(*below, strict=True)]
        guided = step_views["guide"].any(1)
        if guided.any():
            rows = step_views["ego"].nonzero()[:, 0]  # the sample of each ego step
            grids["guide"] = self.mapping_f(grids["ego"][guided[rows]])
        return grids, layers

    def _encode_once(self, tubelets: Tensor, view: str) -> list[Tensor]:
        """Encode tubelets [N, T, 3, H, W], those that stand there twice once: GRPO shows a group the same frames.

        Returns:
            Their grids, and with ego-adaptive tokens the layers' outputs.
        """
        sums = tubelets.flatten(1).sum(1)
        places = None
        if len(sums.unique()) < len(sums):  # comparing all pixels costs more, and is needed only here
            tubelets, places = tubelets.unique(dim=0, return_inverse=True)
        frames = tubelets.flatten(0, 1)
        read = self._read(frames, view, below=True) if self.config.ego_tokens else [self.encode(frames, view)]
        return read if places is None else [each[places] for each in read]

    def _tokens(self, view: str, grid_NDHW: Tensor, is_step: Tensor) -> Tensor:
        """Connect the grids of one view; give the tokens of its placeholders, in order [placeholders, W]."""
        connector = getattr(self, f"{self.config.branch(view)}_connector")
        steps = [steps for steps in is_step.sum(1).tolist() if steps]
        if self.config.connector == "stc":
            return connector(grid_NDHW, steps)
        return connector(grid_NDHW, [self.config.grid(n) for n in steps for _ in range(n)])

    def _positions(self, is_step: Tensor, is_patch: Tensor) -> Tensor:
        axes = (self.grid_rows, self.grid_cols)
        return time_and_place(self.config, self.get_input_embeddings(), axes, is_step, is_patch)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        facts: tuple[Tensor, Tensor] | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values: Cache | None = None,
        position_ids: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPast:
        """Embed and run the language model; `last_hidden_state` is [B, L, W].

        `attention_mask` is [B, L] with 1 for real tokens, or bool [B, 1, L, L]: which token sees which (packing.pad).
        """
        if inputs_embeds is None:
            inputs_embeds, _ = self.embed(input_ids, pixel_values, facts)
        if attention_mask is not None and attention_mask.ndim == 4 and attention_of(self.config) == "eager":
            # plain attention adds its mask to the scores, sdpa takes it as it is
            hidden = torch.finfo(inputs_embeds.dtype).min
            attention_mask = torch.zeros_like(attention_mask, dtype=inputs_embeds.dtype).masked_fill(
                ~attention_mask, hidden
            )
        return self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
            use_cache=use_cache,
        )
