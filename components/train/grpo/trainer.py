"""Algorithm `grpo`: TRL's GRPOTrainer on frames, with the verifiable rewards of components/rewards (systems §0.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import deepspeed
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer
from trl.import_utils import is_vllm_available

from components import params
from components.models.configuration import EgoflowConfig
from components.models.processing import conversation
from components.prompts import cite_frames
from components.rewards import REWARDS
from components.train import private_api
from components.train.dataset import SampleDataset
from components.train.grpo.answer_likelihood import LikelihoodTrainer
from components.train.grpo.contrast import ContrastTrainer
from components.train.grpo.cross_view import CrossViewTrainer
from components.train.grpo.rationale_judge import JudgedTrainer
from components.train.grpo.replay import EndOfRollouts, ReplayTrainer
from components.train.grpo.rollout_files import Half
from components.train.grpo.shared_prompt import SharedPromptTrainer
from components.train.qwen import encode_once
from components.train.safety.finite_checks import FiniteChecks
from components.train.safety.log_window import LogWindow
from components.train.trainer import arguments
from components.video import frames_within


def prompts_of(samples: SampleDataset, *, cite: bool = False) -> Dataset:
    """Return TRL's columns for the samples, in the order of the steps; frames are read when a row is.

    Columns: `sample_id`, `prompt` (one user message, with the view of each frame), `images` (the frames), and `sample`,
    what the rewards read.

    Args:
        samples: of the stage.
        cite: put a request for the numbers of the key frames behind a question, where they are known.
    """

    def rows(batch: dict[str, list[int]]) -> dict[str, list]:
        # TRL reads a prompt once for each of its completions
        by_index = {index: samples[index] for index in dict.fromkeys(batch["index"])}
        items = [by_index[index] for index in batch["index"]]
        rewarded = [rewarded_part(item) for item in items]
        questions = [
            cite_frames(question, len(item["frames"])) if cite and part["salient_frames"] else question
            for item, part, [(question, _), *_] in zip(items, rewarded, (item["turns"] for item in items), strict=True)
        ]
        return {
            "sample_id": [item["sample_id"] for item in items],
            "prompt": [
                conversation(question, item["view"], len(item["frames"]))
                for question, item in zip(questions, items, strict=True)
            ],
            # arrays: TRL copies and pickles its prompts, which takes images twenty times as long
            "images": [list(item["frames"]) for item in items],
            "sample": rewarded,
        }

    return Dataset.from_dict({"index": list(range(len(samples)))}).with_transform(rows)


def rewarded_part(item: dict) -> dict:
    """Return what the rewards read of a sample.

    Args:
        item: of `SampleDataset`.

    Returns:
        `target`, `question_type`, `answer`, `media`, `reasoned` (whether a thought is asked for), and `salient_frames`:
        which frames lie inside the event of a temporal grounding question; None for any other question, whose target
        has no interval. Of paired samples also `query` and `view`.
    """
    target, salient = item["target"], None
    if target["kind"] == "span" and item["times_s"] is not None:
        salient = frames_within(target["span"]["start_s"], target["span"]["end_s"], item["times_s"])
    row = {name: item[name] for name in ("target", "question_type", "answer", "media", "reasoned")}
    row |= {name: item[name] for name in ("query", "view") if "query" in item}
    return row | {"salient_frames": salient}


def reward_function(name: str) -> Callable[..., list[float | None]]:
    """Return a reward as TRL calls it, with columns; its value None means that the reward does not apply.

    Args:
        name: a key of `components.rewards.REWARDS`.

    Raises:
        ValueError: no such reward.
    """
    if name not in REWARDS:
        raise ValueError(f"reward {name!r} is unknown, allowed are {sorted(REWARDS)}; mend the recipe")

    def reward(completions, sample, **columns) -> list[float | None]:
        pairs = zip(completions, sample, strict=True)
        return [REWARDS[name](completion[0]["content"], row) for completion, row in pairs]

    reward.__name__ = name
    return reward


class OrderedGRPOTrainer(
    FiniteChecks,
    LogWindow,
    ReplayTrainer,
    CrossViewTrainer,
    JudgedTrainer,
    LikelihoodTrainer,
    ContrastTrainer,
    SharedPromptTrainer,
):
    """TRL's trainer with the recipe's optimiser groups; the order of the prompts is drawn beforehand.

    Args:
        groups: of the optimiser (`trainer.optimiser_groups`).
        adam_beta2: AdamW's second beta.
        kwargs: what TRL's trainer takes, `describe_samples` of `FiniteChecks`, and what `ReplayTrainer` takes.
    """

    def __init__(self, *, groups: list[dict], adam_beta2: float = 0.999, **kwargs):
        super().__init__(**kwargs)
        self.groups, self.adam_beta2 = groups, adam_beta2

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """Make AdamW over the stage's groups."""
        self.optimizer = torch.optim.AdamW(self.groups, betas=(0.9, self.adam_beta2))
        return self.optimizer

    def window(self) -> dict:
        """As `LogWindow`, with the values that TRL logs the means of."""
        return super().window() | {"metrics": private_api.unlogged(self)}

    def reopen(self, window: dict) -> None:
        """As `LogWindow`."""
        super().reopen(window)
        private_api.unlogged(self).update(window["metrics"])


def sampling(vllm: params.Vllm | None, suppressed: list[int] | None) -> dict:
    """Return the values of TRL's configuration for how completions are sampled.

    Args:
        vllm: of the recipe; None: by transformers' `generate`.
        suppressed: token ids that no completion may hold: placeholders of frames.

    Raises:
        ValueError: vLLM is asked for and not installed.
    """
    if vllm is None:
        return {"generation_kwargs": {"suppress_tokens": suppressed}}
    if not is_vllm_available():
        raise ValueError(
            f"`grpo.vllm` asks for vLLM ({vllm.mode}), which is not installed: train with an environment that has it "
            "(docs/operations.md, Two environments), or take `grpo.vllm` out of the recipe"
        )
    # vLLM has no suppress_tokens, and -100 is the lowest bias that it takes
    biases = {"logit_bias": dict.fromkeys(suppressed or (), -100)}
    values = {"use_vllm": True, "vllm_mode": vllm.mode, "generation_kwargs": biases}
    if vllm.mode == "server":
        return values | {"vllm_server_base_url": vllm.server_base_url}
    return values | {"vllm_gpu_memory_utilization": vllm.gpu_memory_utilization}


def trainer(
    model,
    processor,
    stage: params.Stage,
    grpo: params.Grpo,
    samples: SampleDataset,
    *,
    groups: list[dict],
    output: Path,
    callbacks: list,
    half: Half | None = None,
) -> GRPOTrainer:
    """Compose the trainer of a GRPO stage; its batch counts prompts, each with `num_generations` completions.

    Args:
        model: the policy, with its frozen parts marked.
        processor: of the model.
        stage: of the recipe, its length in `max_steps`.
        grpo: the stage's block of that name.
        samples: the prompts, in the order of the steps.
        groups: of the optimiser (`trainer.optimiser_groups`).
        output: folder of the trainer's own files.
        callbacks: of the trainer.
        half: see `ReplayTrainer`; rollouts lie beside the trainer's folder.
    """
    values = arguments(stage, output)
    values["per_device_train_batch_size"] *= grpo.num_generations
    values["lr_scheduler_type"] = grpo.lr_scheduler_type
    config = GRPOConfig(
        **values,
        num_generations=grpo.num_generations,
        beta=grpo.beta,
        temperature=grpo.temperature,
        max_completion_length=grpo.max_completion_length,
        reward_weights=list(grpo.reward_weights.values()),
        scale_rewards=grpo.scale_rewards,
        multi_objective_aggregation=grpo.multi_objective_aggregation,
        loss_type="grpo",
        shuffle_dataset=False,
        log_completions=False,
        **sampling(grpo.vllm, model.generation_config.suppress_tokens),
        # TRL looks for the reference model's class among transformers' own
        model_init_kwargs={"architecture": type(model)},
    )
    if stage.zero_stage == 3:
        # TRL loads the reference model partitioned over the ranks, which DeepSpeed does not yet know on a CPU
        deepspeed.init_distributed(verbose=False)
    grpo_trainer = OrderedGRPOTrainer(
        model=model,
        reward_funcs=[reward_function(name) for name in grpo.reward_weights],
        args=config,
        train_dataset=prompts_of(samples, cite="key_frames_cite" in grpo.reward_weights),
        processing_class=processor,
        callbacks=callbacks,
        groups=groups,
        adam_beta2=grpo.adam_beta2,
        describe_samples=samples.describe,
        half=half,
        folder=output.parent,
        judge=grpo.rationale_judge,
        verdicts_folder=output.parent / "verdicts",
    )
    if half == "train":
        grpo_trainer.add_callback(EndOfRollouts(output.parent))
    if not isinstance(model.config, EgoflowConfig):  # which does so by itself
        for policy in filter(None, (grpo_trainer.model, grpo_trainer.ref_model)):
            encode_once(grpo_trainer.accelerator.unwrap_model(policy))
    return grpo_trainer
