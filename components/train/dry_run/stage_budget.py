"""What one stage of a recipe needs: parameters by part, tokens, memory, work and disk.

No weight is allocated and no data read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from transformers import PretrainedConfig

from components import params
from components.models import hub_configs
from components.models.backbone import part_of
from components.models.configuration import EgoflowConfig
from components.train import checkpoints
from components.train.dry_run import connector_profile, memory_formulas
from components.train.dry_run.connector_profile import Profile
from components.train.dry_run.demand import Demand, demand
from components.train.dry_run.memory_formulas import States, Transformer
from components.train.safety import resumable
from components.train.sample_order import count_steps

# DeepSpeed's stage3_max_live_parameters: what ZeRO-3 may hold gathered at once
LIVE_PARAMETERS = 1_000_000_000


@dataclass(frozen=True)
class Budget:
    """The counts of a stage.

    Args:
        stage: of the recipe.
        parameters, trained: part of the model -> parameters, and those that are trained; adapters are in neither.
        adapters: parameters of the LoRA adapters.
        demand: tokens and frames of a sample.
        shapes: part of the model -> its transformer layers.
        vocabulary: words of the language model.
        embedding: parameters of the word embeddings; 0 where the head shares them.
        mapping, connector, ego_tokens: one pass of F on a grid, and of a connector and of ego-adaptive tokens on a
            video; zeros where the stage has none.
    """

    stage: params.Stage
    parameters: dict[str, int]
    trained: dict[str, int]
    adapters: int
    demand: Demand
    shapes: dict[str, Transformer]
    vocabulary: int
    embedding: int
    mapping: Profile
    connector: Profile
    ego_tokens: Profile

    @property
    def steps(self) -> int:
        """Optimiser steps; the last is a whole one."""
        return steps_of(self.stage)

    @property
    def total(self) -> int:
        """All parameters of the model, with adapters."""
        return sum(self.parameters.values()) + self.adapters

    @property
    def total_trained(self) -> int:
        """All parameters that are trained, with adapters."""
        return sum(self.trained.values()) + self.adapters

    def states(self, *, zero: int, gpus: int) -> States:
        """Return the weights, gradients and optimiser states of one GPU, by ZeRO stage and number of GPUs."""
        return memory_formulas.states(self.total, self.total_trained, zero=zero, gpus=gpus)

    def working(self, *, micro_batch: int, checkpointing: bool) -> float:
        """Return the bytes of a micro-batch's activations and logits, or of its key-value cache where that is more."""
        need, stage = self.demand, self.stage
        if stage.distill:  # nothing is kept for a gradient
            cache = memory_formulas.cache(self.shapes["language_model"], micro_batch * need.tokens)
            return cache + memory_formulas.logits(self.vocabulary, micro_batch)
        connector = self.connector.checkpointed if checkpointing else self.connector.activations
        tokens = self.ego_tokens.checkpointed if checkpointing else self.ego_tokens.activations
        kept = (need.mapped * self.mapping.activations + need.connected * connector + tokens) * micro_batch
        for part, (frames, tokens) in need.towers.items():
            # nothing trained lies before a tower, so a frozen one keeps nothing
            if self.trained.get(part):
                kept += memory_formulas.activations(
                    self.shapes[part], micro_batch * frames * tokens, checkpointing=checkpointing
                )
        language, tokens = self.shapes["language_model"], micro_batch * need.tokens
        kept += memory_formulas.activations(language, tokens, checkpointing=checkpointing)
        kept += memory_formulas.logits(self.vocabulary, micro_batch * need.sequences * need.scored_tokens)
        return max(kept, memory_formulas.cache(language, tokens) if stage.grpo else 0)

    def gathered(self, *, zero: int, gpus: int) -> float:
        """Return the bytes of other copies of weights: what ZeRO-3 gathers, and the reference model of grpo."""
        reference = 0.0
        if self.stage.grpo and self.stage.grpo.beta and not self.adapters:
            reference = memory_formulas.states(self.total, 0, zero=zero, gpus=gpus).weights
        live = memory_formulas.WEIGHT * min(self.total, LIVE_PARAMETERS) if zero == 3 and gpus > 1 else 0
        return reference + live

    def peak(self, *, zero: int, gpus: int, micro_batch: int, checkpointing: bool) -> float:
        """Return the bytes of one GPU at the highest point of a step.

        Args:
            zero: ZeRO stage, 0 to 3.
            gpus: of the stage.
            micro_batch: samples of a GPU at once.
            checkpointing: whether activations are computed again in the backward pass.
        """
        return (
            self.states(zero=zero, gpus=gpus).total
            + self.gathered(zero=zero, gpus=gpus)
            + self.working(micro_batch=micro_batch, checkpointing=checkpointing)
        )

    def step_flops(self) -> float:
        """Return the FLOPs of an optimiser step, without what gradient checkpointing computes again (as MFU counts).

        A step is a forward pass, as much work again for the gradients of activations, and as much again for those of
        trained weights. Grpo adds a forward pass for the rollouts and one for the reference model, and reads frames and
        prompt once for a group, whose row is masked, not cut: every token looks at all of it. Completions that begin
        alike, which are read once too, it does not count on. Distill has no other than its forward pass.
        """
        need, language = self.demand, self.shapes["language_model"]
        forwards = (1 + bool(self.stage.grpo.beta)) if self.stage.grpo else 0
        # looking words up in the embedding table is no work; where the head shares the table, the head's product is
        matrices = self.parameters["language_model"] - self.embedding
        forward = memory_formulas.linear_flops(matrices, need.tokens)
        forward += memory_formulas.attention_flops(language, need.tokens, need.tokens)
        moving = self.trained.get("language_model", 0) / self.parameters["language_model"]
        passes = forwards + (1 if self.stage.distill else 2) + moving
        work = forward * passes + 3 * memory_formulas.linear_flops(self.adapters, need.tokens)
        for part, (frames, tokens) in need.towers.items():
            seen = frames * tokens
            forward = memory_formulas.linear_flops(self.parameters[part], seen)
            forward += memory_formulas.attention_flops(self.shapes[part], seen, tokens)
            work += forward * (forwards + 1 + 2 * bool(self.trained.get(part)))
        both_ways = 1 if self.stage.distill else 3
        work += both_ways * need.mapped * self.mapping.flops
        work += both_ways * (need.connected * self.connector.flops + self.ego_tokens.flops)
        return float(work * self.stage.train_batch_size)

    def disk(self) -> tuple[int, int]:
        """Return the bytes of the finished checkpoint, and of the resumable ones at most.

        Two are kept, and the oldest is removed after the new one is whole.
        """
        if self.stage.distill:
            return 0, 0  # a table of text
        model = memory_formulas.WEIGHT * sum(self.parameters.values())
        return model, (resumable.KEPT + 1) * (
            memory_formulas.WEIGHT * self.total + memory_formulas.ADAM * self.total_trained
        )


def budget(stage: params.Stage, config: PretrainedConfig, frames: params.Frames) -> Budget:
    """Count a stage on the meta device.

    Args:
        stage: of a recipe.
        config: the model's.
        frames: frame counts of the samples where the stage names none.

    Raises:
        ValueError: the stage lacks a value that counting needs, or names an unknown part.
    """
    steps_of(stage)
    model, parts = hub_configs.skeleton(config), hub_configs.parts_of(config)
    with torch.device("meta"):
        checkpoints.prepare(model, stage.learning_rates, stage.lora, parts)
    parameters, trained, adapters = dict.fromkeys(parts, 0), dict.fromkeys(parts, 0), 0
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            adapters += parameter.numel()
            continue
        part = part_of(name, parts)
        parameters[part] += parameter.numel()
        trained[part] += parameter.numel() * parameter.requires_grad
    needed = demand(stage, config, frames)
    table = model.get_input_embeddings().get_parameter("weight")
    tied = table is model.get_output_embeddings().get_parameter("weight")
    mapping, connector, ego_tokens = Profile(), Profile(), Profile()
    if isinstance(config, EgoflowConfig):
        mapping = connector_profile.mapping(model, config) if needed.mapped else mapping
        connector = connector_profile.connector(model, config, needed.steps) if needed.connected else connector
        if config.ego_tokens and needed.connected:
            ego_tokens = connector_profile.ego_tokens(model, needed.steps * config.vision_grid**2)
    elif getattr(config, "ego_tokens", 0):
        ego_tokens = connector_profile.ego_tokens(model, math.prod(needed.towers["vision_encoder"]))
    return Budget(
        stage=stage,
        parameters=parameters,
        trained=trained,
        adapters=adapters,
        demand=needed,
        shapes=_shapes(config),
        vocabulary=table.shape[0],
        embedding=0 if tied else table.numel(),
        mapping=mapping,
        connector=connector,
        ego_tokens=ego_tokens,
    )


def steps_of(stage: params.Stage) -> int:
    """Return the steps of a stage by its recipe alone, whose `dataset_samples` stand for the data.

    Raises:
        ValueError: it counts epochs and has no `dataset_samples`.
    """
    if stage.max_steps is None and stage.dataset_samples is None:
        raise ValueError(
            f"stage {stage.name!r} counts epochs, so a dry run needs `dataset_samples`; mend the recipe, or name the "
            "folder with the data by --data"
        )
    # how many questions a context has, only the data says: as many as may be asked of it
    contexts = (stage.dataset_samples or 0) / stage.questions_per_context
    return count_steps(stage.max_steps, stage.num_train_epochs, contexts=contexts, batch=stage.train_batch_size)


def _shapes(config: PretrainedConfig) -> dict[str, Transformer]:
    text, vision = config.text_config, config.vision_config
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    language = Transformer(
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        query_width=head * text.num_attention_heads,
        kv_width=head * text.num_key_value_heads,
        inner_width=text.intermediate_size,
        gated=True,
    )
    if isinstance(config, EgoflowConfig):
        width, layers = vision.hidden_size, vision.num_hidden_layers + 1 + config.vision_feature_layer
        tower = Transformer(layers, width, width, width, vision.intermediate_size, gated=False)
        return {"language_model": language, "ego_encoder": tower, "exo_encoder": tower}
    gated = config.model_type.startswith("qwen2_5_vl")
    width = vision.hidden_size if gated else vision.embed_dim
    inner = vision.intermediate_size if gated else int(width * vision.mlp_ratio)
    tower = Transformer(vision.depth, width, width, width, inner, gated)
    return {"language_model": language, "vision_encoder": tower}
