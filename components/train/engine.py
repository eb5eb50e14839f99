"""From a stage of the recipe to a trainer that is ready to train: Hugging Face's, and for GRPO TRL's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn
from torch.utils.data import Dataset
from transformers import Trainer

from components import params
from components.models import published
from components.models.processing import EgoflowProcessor
from components.rewards import ACCURACY
from components.tracking import MetricLog
from components.train import gradients, stages, trainer, watch


@dataclass(frozen=True)
class Engine:
    """A trainer, and what its checkpoint will say.

    Args:
        stage: with its steps, where the recipe counts epochs.
        watch: pauses a GRPO run (components/train/watch); None: nothing does.
    """

    trainer: Trainer
    stage: params.Stage
    dataset: Dataset
    watch: watch.Watch | None = None


def make(
    recipe: params.Recipe,
    stage: params.Stage,
    data: params.Data,
    model: nn.Module,
    processor: EgoflowProcessor,
    *,
    parents: dict[str, Path],
    folder: Path,
    output: Path,
    log: MetricLog | None,
) -> Engine:
    """Compose the trainer of a stage.

    Args:
        parents: part of the model -> folder of the weights that it came from.
        folder: the data folder of the pipeline.
        output: checkpoint folder; the trainer's own files go into `trainer` below it.
        log: takes the curves; None on all ranks but the first.
    """
    callbacks = [gradients.GradientNorms(published.parts_of(model.config)), trainer.LogToTracking(log)] if log else []
    if stage.algorithm == "grpo":
        policy = parents.get("all", model.config._name_or_path)  # a downloaded model has no parent
        return _grpo(recipe, stage, data, model, processor, policy, folder, output, log, callbacks)
    wrapped, dataset, collate, losses, more = stages.ALGORITHMS[stage.algorithm](
        model, processor, stage, recipe.model, data, folder, output / "trainer", log
    )
    stage = stages.counted(stage, dataset)
    made = trainer.StageTrainer(
        model=wrapped,
        args=trainer.arguments_for(stage, output / "trainer"),
        train_dataset=dataset,
        data_collator=collate,
        losses=losses,
        groups=stages.groups(wrapped, stage, published.parts_of(model.config)),
        callbacks=[*callbacks, *more],
    )
    return Engine(made, stage, dataset)


def _grpo(recipe, stage, data, model, processor, policy: Path, folder, output, log, callbacks: list) -> Engine:
    from components.train import grpo, rollouts  # TRL costs every other stage a second and a half

    dataset = stages.samples(stage, data, folder, recipe.model)
    stage = stages.counted(stage, dataset)
    # TRL reloads the reference model from the folder that the policy came from
    model.config._name_or_path = str(policy)
    groups = stages.groups(model, stage, published.parts_of(model.config))
    made = grpo.trainer(model, processor, stage, dataset, groups=groups, output=output / "trainer", callbacks=callbacks)
    every, pages = stage.grpo.rollouts_every, output / "rollouts"
    made.add_callback(rollouts.Rollouts(made, stage=stage.name, every=every, folder=pages, log=log))
    watching = None
    if stage.grpo.watch is not None:
        watching = watch.Watch(ACCURACY & stage.grpo.rewards.keys(), stage.grpo.watch.model_dump())
        made.add_callback(watching)
    return Engine(made, stage, dataset, watching)
