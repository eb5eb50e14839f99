"""From a stage of the recipe to a trainer that is ready to train: Hugging Face's, and for GRPO TRL's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, ProcessorMixin, Trainer, TrainerCallback

from components import params
from components.models import hub_configs
from components.rewards import ACCURACY
from components.tracking import MetricLog
from components.train import algorithms, ego_queries, gradient_norms, private_api, trainer
from components.train.grpo.pause_callback import PauseCallback
from components.train.grpo.pause_rules import COMMON, repetition
from components.train.grpo.rollout_files import Half
from components.train.judge import mixture, samples
from components.train.ordered_dataset import OrderedDataset
from components.train.safety.finite_checks import FiniteChecks


class CheckedStageTrainer(FiniteChecks, trainer.StageTrainer):
    """The trainer of a supervised stage, whose numbers are checked."""


@dataclass(frozen=True)
class Training:
    """A stage that is ready to train.

    Args:
        trainer: not yet started.
        stage: with its steps, where the recipe counts epochs.
        dataset: what it trains on.
        pause: pauses a GRPO run by its rules (components/train/grpo/pause_rules.py); None: nothing does.
    """

    trainer: Trainer
    stage: params.Stage
    dataset: OrderedDataset
    pause: PauseCallback | None = None


def make(
    recipe: params.Recipe,
    stage: params.Stage,
    data: params.Data,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    *,
    parents: dict[str, Path],
    folder: Path,
    distilled: Path | None = None,
    output: Path,
    log: MetricLog | None,
    half: Half | None = None,
) -> Training:
    """Compose the trainer of a stage.

    Args:
        recipe: gives the model's architecture.
        stage: of the recipe.
        data: the content of params/data.yaml.
        model: with its frozen parts marked.
        processor: of the model.
        parents: part of the model -> folder of the weights that it came from.
        folder: the data folder of the pipeline.
        distilled: table of the samples that a stage of algorithm distill wrote for this one.
        output: checkpoint folder; the trainer's own files go into `trainer` below it.
        log: takes the curves; None on all ranks but the first.
        half: of a GRPO step, which alone is done (components/train/grpo/replay.py); None: both.
    """
    callbacks: list[TrainerCallback] = []
    if "ego_tokens" in stage.learning_rates:
        callbacks.append(ego_queries.QueryChange(model, frozen=stage.freeze_ego_queries))
    if log:
        # in this order: what is added to the log is there before it is sent
        callbacks += [gradient_norms.GradientNorms(hub_configs.parts_of(model.config)), trainer.LogToTracking(log)]
    if stage.grpo is not None:
        policy = parents.get("all", private_api.loaded_from(model.config))  # a downloaded model has no parent
        return _grpo(recipe, stage, stage.grpo, data, model, processor, policy, folder, output, log, callbacks, half)
    wrapped, dataset, collate, losses, more = algorithms.ALGORITHMS[stage.algorithm](
        model, processor, stage, recipe.model, data, folder, output / "trainer", log, distilled
    )
    stage = algorithms.counted(stage, dataset)
    made = CheckedStageTrainer(
        describe_samples=dataset.describe,
        model=wrapped,
        args=trainer.arguments_for(stage, output / "trainer"),
        train_dataset=dataset,
        data_collator=collate,
        losses=losses,
        groups=algorithms.groups(wrapped, stage, hub_configs.parts_of(model.config)),
        callbacks=[*callbacks, *more],
    )
    return Training(made, stage, dataset)


def _grpo(
    recipe: params.Recipe,
    stage: params.Stage,
    settings: params.Grpo,
    data: params.Data,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    policy: Path | str,
    folder: Path,
    output: Path,
    log: MetricLog | None,
    callbacks: list[TrainerCallback],
    half: Half | None,
) -> Training:
    from components.train.grpo import rollouts  # TRL costs every other stage a second and a half
    from components.train.grpo import trainer as grpo

    dataset = algorithms.samples(stage, data, folder, recipe.model)
    if settings.pause_rules is not None:
        limit = settings.pause_rules.max_repeated_share
        if why := repetition(dataset.mixture_parts(), max_repeated_share=limit):
            raise ValueError(f"stage {stage.name!r} does not begin, for it would have {why}")
    stage = algorithms.counted(stage, dataset)
    private_api.set_loaded_from(model.config, policy)
    groups = algorithms.groups(model, stage, hub_configs.parts_of(model.config))
    made = grpo.trainer(
        model,
        processor,
        stage,
        settings,
        dataset,
        groups=groups,
        output=output / "trainer",
        callbacks=callbacks,
        half=half,
    )
    every, pages = settings.rollout_page_steps, output / "rollouts"
    made.add_callback(
        rollouts.Rollouts(
            made, num_generations=settings.num_generations, stage=stage.name, every=every, folder=pages, log=log
        )
    )
    pause = None
    if settings.pause_rules is not None:
        limits = settings.pause_rules.model_dump(exclude={"max_repeated_share"})
        watched = mixture.common(stage, samples.counted(folder), least=COMMON)
        pause = PauseCallback(ACCURACY & settings.reward_weights.keys(), watched, limits)
        made.add_callback(pause)
    return Training(made, stage, dataset, pause)
