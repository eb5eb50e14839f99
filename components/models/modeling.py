"""The Egoflow model with its language-model head: loss, generation, and the grids that guidance compares."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from torch import LongTensor, Tensor, nn
from transformers import GenerationMixin
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast

from components.models import clip_features
from components.models.backbone import EgoflowModel, EgoflowPreTrainedModel
from components.models.configuration import EgoflowConfig


@dataclass
class EgoflowOutput(CausalLMOutputWithPast):
    """A causal language model's output, and with paired frames the feature grids that the guidance losses compare.

    `grids` holds, each [N, D, H, W]: x (ego), y (exo), fx = F(x), and where they are asked for gfx = G(F(x)) and
    `grids` holds, each [N, D, H, W]: x (ego), y (exo), fx = F(x), and where they are asked for gfx = G(F(x)) and
    fgy = F(G(y)). Where they are asked for, `features` is the mean visual token of each exo clip [clips, W], and
    `token_features` the mean ego-adaptive token of each clip, where the model has such tokens.
    """

    grids: dict[str, Tensor] | None = None
    features: Tensor | None = None
    token_features: Tensor | None = None


class EgoflowForConditionalGeneration(EgoflowPreTrainedModel, GenerationMixin):
    """The backbone with a language-model head."""

    _tied_weights_keys: dict[str, str] = {}

    def __init__(self, config: EgoflowConfig):
        super().__init__(config)
        self.model = EgoflowModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()
        self.generation_config.suppress_tokens = config.never_generated or None

    def get_input_embeddings(self) -> nn.Module:
        """The language model's word embeddings."""
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the word embeddings."""
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The head."""
        return self.lm_head

    def prepare_inputs_for_generation(
        self,
        input_ids: LongTensor,
        next_sequence_length: int | None = None,
        past_key_values: Cache | None = None,
        attention_mask: LongTensor | None = None,
        inputs_embeds: Tensor | None = None,
        is_first_iteration: bool | None = False,
        pixel_values: Tensor | None = None,
        **kwargs,
    ) -> dict[str, Any]:
        """Return the frames to the first forward only: later ones read them from the cache.

        Args:
            input_ids: int64 [B, L], the tokens so far.
            next_sequence_length: as transformers passes it on.
            past_key_values: the cache of the forwards before.
            attention_mask: int64 [B, L].
            inputs_embeds: as transformers passes it on.
            is_first_iteration: whether nothing is cached yet.
            pixel_values: frames, float [frames, 3, H, W].
            **kwargs: whatever else `generate` was given.
        """
        inputs = super().prepare_inputs_for_generation(  # ty: ignore[invalid-argument-type]  # its declared `self` fits no model
            input_ids,
            next_sequence_length,
            past_key_values,
            attention_mask,
            inputs_embeds,
            is_first_iteration,
            **kwargs,
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs["pixel_values"] = pixel_values
        return inputs

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        paired_pixel_values: Tensor | None = None,
        paired_grids: tuple[Tensor, Tensor] | None = None,
        round_trips: Collection[str] = (),
        exo_features: bool = False,
        facts: tuple[Tensor, Tensor] | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values: Cache | None = None,
        word_weights: Tensor | None = None,
        **kwargs,
    ) -> EgoflowOutput:
        """Predict the next tokens.

        Args:
            input_ids: [B, L] with the placeholders of `processing.layout`.
            attention_mask: [B, L], 1 for real tokens, or which token sees which (`EgoflowModel.forward`).
            pixel_values: frames [frames, 3, H, W] of the whole batch, in order.
            labels: [B, L], -100 where there is nothing to learn (vision, question).
            logits_to_keep: give only the logits of the last so many positions; 0 gives all.
            paired_pixel_values: frames of the same moments in an exo view, one for each ego frame: asks for `grids`.
            paired_grids: what is known of their features: bool [N], whether a step's are, and those [K, H * W, D];
                `paired_pixel_values` then holds the frames of the other steps, if there are any.
            round_trips: which of "gfx" and "fgy" the losses read; the others are not computed.
            exo_features: give `features` and `token_features` too; all clips are of the exo view.
            facts: instead of frames, words that stand for them; see `EgoflowModel.embed`.
            inputs_embeds: instead of tokens, embeddings [B, L, W].
            word_weights: what each word of the vocabulary counts in the loss [vocabulary]; None counts all alike.
            past_key_values: what was read before; named here, or `generate` would refuse a cache that it is given.
            kwargs: passed to the backbone (positions, whether to cache).

        Returns:
            `loss` (mean over answer tokens; None without labels), `logits` (with labels only those that predict an
            answer token [answer tokens, vocabulary], else [B, L, vocabulary]), `grids` with paired frames, and
            `features` and `token_features`.
        """
        grids = features = token_features = None
        if inputs_embeds is None:
            inputs_embeds, seen = self.model.embed(input_ids, pixel_values, facts)
            y = self._exo_grids(paired_pixel_values, paired_grids)
            if y is not None:
                grids = self._compared(seen["ego"], y, seen.get("guide"), round_trips)
            if exo_features and input_ids is not None:
                connector = getattr(self.model, f"{self.config.branch('exo')}_connector")
                steps = clip_features.steps_of(self.config, input_ids, "exo")
                features = clip_features.pooled(connector, self.config, seen["exo"], steps)
                token_features = clip_features.of_tokens(self.config, input_ids, inputs_embeds)
        output = self.model(
            attention_mask=attention_mask, inputs_embeds=inputs_embeds, past_key_values=past_key_values, **kwargs
        )
        hidden = output.last_hidden_state
        if labels is None:
            loss, logits = None, self.lm_head(hidden[:, -logits_to_keep:] if logits_to_keep else hidden)
        else:
            # most positions predict what is not learned: the head reads the others only
            following = nn.functional.pad(labels[:, 1:], (0, 1), value=-100).flatten()
            answering = (following != -100).nonzero()[:, 0]
            logits = self.lm_head(hidden.flatten(0, 1).index_select(0, answering))
            loss = nn.functional.cross_entropy(logits.float(), following[answering], weight=word_weights)
        return EgoflowOutput(
            loss=loss,
            logits=logits,
            past_key_values=output.past_key_values,
            grids=grids,
            features=features,
            token_features=token_features,
        )

    def _exo_grids(self, frames_NCHW: Tensor | None, known: tuple[Tensor, Tensor] | None) -> Tensor | None:
        """Encode the frames of the steps whose features are not known, and put all in order: [N, D, H, W].

        None where neither frames nor features came.
        """
        grids = None if frames_NCHW is None else self.model.encode(frames_NCHW, "exo")
        if known is None:
            return grids
        is_known, patches = known
        if grids is not None:
            encoded = grids.flatten(2).mT
            both = encoded.new_empty(len(is_known), *encoded.shape[1:])
            both[is_known], both[~is_known] = patches.to(encoded.dtype), encoded
            patches = both
        # channels come last in memory, as they do out of the tower: convolutions round by that
        return patches.mT.unflatten(2, (self.config.vision_grid, -1))

    def _compared(self, x: Tensor, y: Tensor, fx: Tensor | None, round_trips: Collection[str]) -> dict[str, Tensor]:
        """Map x to the exo view, and take the views there and back (systems §1.4)."""
        f, g = self.model.mapping_f, self.model.mapping_g
        grids = {"x": x, "y": y, "fx": f(x) if fx is None else fx}
        if "gfx" in round_trips:
            grids["gfx"] = g(grids["fx"])
        if "fgy" in round_trips:
            grids["fgy"] = f(g(y))
        return grids
