"""Pages that show people what a GRPO stage samples, and the share of its prompts whose advantages are all zero.

Both come from TRL's own table of the last step (all ranks, groups in order), so the rewards and advantages are those
that it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import TrainerCallback
from trl import GRPOTrainer

from components.tracking import MetricLog
from components.train import private_api
from components.video.data_uri import data_uri

PROMPTS = 4  # on a page
FRAMES = 8  # of a prompt
_EQUAL = 1e-6


@dataclass(frozen=True)
class Rollout:
    """One completion: its rewards in the recipe's order (None: not applicable), their weighted sum, the advantage."""

    completion: str
    rewards: list[float | None]
    reward: float
    advantage: float


@dataclass(frozen=True)
class Group:
    """One prompt: its question, some of its frames as data URIs, and its G completions."""

    question: str
    frames: list[str]
    rollouts: list[Rollout]


def totals(rewards_NK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """Return the weighted sum [N] of the rewards of each completion.

    Args:
        rewards_NK: K rewards of N completions; NaN where one does not apply, which then adds 0.
        weights_K: weight of each reward.
    """
    return np.nansum(rewards_NK * weights_K, axis=1)


def zero_spread(rewards_NK: np.ndarray, weights_K: np.ndarray, group: int) -> float:
    """Return the share of groups whose completions all earn the same: their advantages are zero (systems §0.2).

    Args:
        rewards_NK: rewards of N completions, those of a prompt one after another; NaN: not applicable.
        weights_K: weight of each reward.
        group: completions per prompt; N is a multiple of it.
    """
    by_prompt = totals(rewards_NK, weights_K).reshape(-1, group)
    return float((np.ptp(by_prompt, axis=1) < _EQUAL).mean())


def page(groups: list[Group], *, names: list[str], stage: str, step: int) -> str:
    """Return one HTML page without script or external resource.

    Args:
        groups: prompts with their completions.
        names: of the rewards, in the order of `Rollout.rewards`.
        stage: name of the stage.
        step: optimiser step.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # components/report/templates.py does the same, but the layers forbid training to import the report
    folder = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return templates.get_template("rollouts.html").render(groups=groups, names=names, stage=stage, step=step)


class Rollouts(TrainerCallback):
    """Corrects TRL's share of groups without spread, and writes `step-000020.html` every `every` steps, on rank 0.

    Args:
        trainer: whose table is read.
        num_generations: completions of a prompt.
        stage: name of the stage.
        every: optimiser steps between two pages; 0 writes none.
        folder: of the pages.
        log: takes them to the stage's run; None on other ranks.
    """

    def __init__(
        self, trainer: GRPOTrainer, *, num_generations: int, stage: str, every: int, folder: Path, log: MetricLog | None
    ):
        self.trainer, self.num_generations = trainer, num_generations
        self.stage, self.every, self.folder, self.log = stage, every, folder, log
        self.weights = trainer.reward_weights.cpu().numpy()

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Attach the pages from before an interruption to the resumed run; those of later steps are written again."""
        if self.log is None:
            return
        for path in sorted(self.folder.glob("step-*.html")):
            if int(path.stem.removeprefix("step-")) <= state.global_step:
                self.log.attach(path, "rollouts")

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Correct the share of groups without spread, and write a page where one is due."""
        rewards = self._rewards()
        # where the whole batch scales the advantages, TRL compares the spread of the batch instead of each group's
        share = zero_spread(rewards, self.weights, self.num_generations)
        private_api.set_zero_spread(self.trainer, share)
        if self.log and self.every and state.global_step % self.every == 0:
            path = self.folder / f"step-{state.global_step:06d}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            names = self.trainer.reward_func_names
            path.write_text(page(self._groups(rewards), names=names, stage=self.stage, step=state.global_step))
            self.log.attach(path, "rollouts")

    def _rewards(self) -> np.ndarray:
        columns = private_api.last_completions(self.trainer)["rewards"]
        return np.array([columns[name] for name in self.trainer.reward_func_names], dtype=np.float64).T

    def _groups(self, rewards_NK: np.ndarray) -> list[Group]:
        logs, size = private_api.last_completions(self.trainer), self.num_generations
        sums = totals(rewards_NK, self.weights)
        groups = []
        for start in range(0, min(len(sums), PROMPTS * size), size):
            rollouts = [
                Rollout(
                    completion=logs["completion"][row][0]["content"],
                    rewards=[None if np.isnan(value) else float(value) for value in rewards_NK[row]],
                    reward=float(sums[row]),
                    advantage=logs["advantages"][row],
                )
                for row in range(start, start + size)
            ]
            parts = logs["prompt"][start][0]["content"]
            images = [np.asarray(part["image"]) for part in parts if part["type"] == "image"]
            shown = np.unique(np.linspace(0, len(images) - 1, FRAMES).round().astype(int))
            # an image sample repeats its one frame
            frames = list(dict.fromkeys(data_uri(images[index]) for index in shown))
            question = "".join(part["text"] for part in parts if part["type"] == "text")
            groups.append(Group(question, frames, rollouts))
        return groups
