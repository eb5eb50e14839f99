"""A GRPO step in two halves: one run samples and scores, another learns from what that wrote.

Both are TRL's own step. The first ends where TRL has the completions with rewards and advantages. In the second TRL
takes completions and rewards from the file and computes the same advantages. The weights are bit for bit those of a
whole step where the ranks are as many, for the random numbers of each rank go on where its sampling left them.

Every step samples anew, so TRL divides a probability by itself: the ratio is exactly 1. That this is right is checked:
in a replayed step the policy gives the log-probabilities that were written, and in the first step of a stage the
reference gives the policy's, so that the KL is 0; both as far as the rounding of two passes allows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from transformers import TrainerCallback
from trl import GRPOTrainer

from components.train.grpo import rollout_files
from components.train.grpo.rollout_files import Half, Rollout, RolloutsWrittenError
from components.train.safety.errors import TrainingError

# Most that the log-probability of a token may differ on average between two passes over the same weights, which pack
# their rows in another order.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.01}
_SAMPLED = "the policy that sampled"
# of what TRL's scored batch holds, these are no input of the model
_NO_INPUT = {
    "prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages", "num_items_in_batch",
    "old_per_token_logps", "ref_per_token_logps", "sampling_per_token_logps", "importance_sampling_ratio",
}  # fmt: skip


class ReplayTrainer(GRPOTrainer):
    """TRL's trainer, whole or in halves. The methods that begin with _ are TRL 1.16.0's.

    Args:
        half: "rollouts" writes those of the next step and raises `RolloutsWrittenError`, "train" learns from files;
            None does both, and writes none.
        folder: of the stage.
        given: what TRL's trainer takes.
    """

    def __init__(self, *, half: Half | None = None, folder: Path, **given):
        super().__init__(**given)
        self.half, self.folder = half, folder
        self._read: list[Rollout] = []
        self._rewards = torch.empty(0)
        self._log_probs = torch.empty(0)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if self.half is None:
            return super()._generate_and_score_completions(inputs)
        keys = rollout_files.numbered(gather_object([row["sample_id"] for row in inputs]))
        path = rollout_files.file_of(self.folder, self.state.global_step + 1)
        rank, count = self.accelerator.process_index, len(inputs)
        if self.half == "train":
            self._read, states = rollout_files.read(path, keys, self.reward_func_names)
            scored = super()._generate_and_score_completions(inputs)
            mine = self._read[rank * count : (rank + 1) * count]
            self._check_advantages(path, scored["advantages"], mine)
            scored["sampled_log_probs"] = _padded([each.old_log_probs for each in mine], scored["completion_mask"])
            if len(states) == self.accelerator.num_processes:
                _set_rng_state(states[rank])
            return scored
        scored = super()._generate_and_score_completions(inputs)
        states = gather_object([_rng_state()])
        old = scored.get("old_per_token_logps")
        old = self._score(scored) if old is None else old
        mask = scored["completion_mask"].bool()
        ids = [row[real].tolist() for row, real in zip(scored["completion_ids"], mask, strict=True)]
        rewards = self._rewards[rank * count : (rank + 1) * count].tolist()
        rollouts = gather_object(
            [
                Rollout(
                    *key,
                    completion_ids=tokens,
                    completion=str(self._tokenizer.decode(tokens)),
                    # a reward that does not apply is NaN in TRL
                    rewards={
                        name: None if value != value else value
                        for name, value in zip(self.reward_func_names, values, strict=True)
                    },
                    advantage=advantage,
                    old_log_probs=of_row[real].tolist(),
                )
                for key, tokens, values, advantage, of_row, real in zip(
                    keys[rank * count : (rank + 1) * count], ids, rewards, scored["advantages"].tolist(), old, mask,
                    strict=True,
                )
            ]
        )  # fmt: skip
        if self.accelerator.is_main_process:
            rollout_files.write(path, rollouts, states)
        self.accelerator.wait_for_everyone()
        raise RolloutsWrittenError(f"{len(rollouts)} rollouts of step {self.state.global_step + 1} are in {path}")

    def _generate_single_turn(self, prompt_ids: list, *given, **others):
        if self.half != "train":
            return super()._generate_single_turn(prompt_ids, *given, **others)
        start = self.accelerator.process_index * len(prompt_ids)
        return [each.completion_ids for each in self._read[start : start + len(prompt_ids)]], None

    def _calculate_rewards(self, *given, **others) -> Tensor:
        if self.half == "train":  # of all ranks, as TRL gathers them
            nan = float("nan")
            table = [[each.rewards[name] for name in self.reward_func_names] for each in self._read]
            rows = [[nan if value is None else value for value in row] for row in table]
            self._rewards = torch.tensor(rows, device=self.accelerator.device)
        else:
            self._rewards = super()._calculate_rewards(*given, **others)
        return self._rewards

    def _score(self, scored: dict[str, Any]) -> Tensor:
        """Return the policy's log-probability of every completion token, [rows, width]."""
        inputs = {name: value for name, value in scored.items() if name not in _NO_INPUT}
        with torch.no_grad():
            log_probs, _, _ = self._get_per_token_logps_and_entropies(
                self.model,
                torch.cat([scored["prompt_ids"], scored["completion_ids"]], dim=1),
                torch.cat([scored["prompt_mask"], scored["completion_mask"]], dim=1),
                scored["completion_ids"].size(1),
                batch_size=self.args.per_device_train_batch_size,
                **inputs,
            )
        return log_probs

    def _check_advantages(self, path: Path, advantages: Tensor, rollouts: list[Rollout]) -> None:
        written = advantages.new_tensor([each.advantage for each in rollouts])
        if not torch.allclose(advantages, written, atol=1e-6):
            raise ValueError(
                f"the advantages in {path} do not follow from its rewards by this recipe's `reward_weights` and "
                "`scale_rewards`; write it again by --rollouts-only"
            )

    def _get_per_token_logps_and_entropies(self, *given, **others):
        found = super()._get_per_token_logps_and_entropies(*given, **others)
        if torch.is_grad_enabled():
            self._log_probs = found[0].detach()
        return found

    def _compute_loss(self, model, inputs: dict[str, Any]) -> Tensor:
        loss = super()._compute_loss(model, inputs)
        if cast(nn.Module, self.model).training:
            self._check_on_policy(inputs)
        return loss

    def _check_on_policy(self, inputs: dict[str, Any]) -> None:
        """Raise where the policy is not the one that sampled, or in the first step not the reference."""
        others = {}
        if self.state.global_step == 0:
            others = {"sampled_log_probs": _SAMPLED, "ref_per_token_logps": "the reference model"}
        elif not any(isinstance(module, nn.Dropout) and module.p for module in cast(nn.Module, self.model).modules()):
            others = {"sampled_log_probs": _SAMPLED}  # with dropout, adapters that have learnt never say the same twice
        dtype = torch.bfloat16 if self.args.bf16 else torch.float16 if self.args.fp16 else torch.float32
        for name, words in others.items():
            if name not in inputs:  # a whole step; no KL in the loss
                continue
            off = off_policy(self._log_probs, inputs[name], inputs["completion_mask"])
            if not off <= TOLERANCE[dtype]:
                raise TrainingError(
                    f"step {self.state.global_step + 1} is not on policy: the log-probability of a token differs by "
                    f"{off:.3g} on average from that by {words}, allowed in {str(dtype).removeprefix('torch.')} is "
                    f"{TOLERANCE[dtype]:g}. Both must be the same weights, reading the same prompts and frames: look "
                    "at the stage's parents, and at rollouts of another checkpoint."
                )


class EndOfRollouts(TrainerCallback):
    """Ends `--train-only` with a resumable checkpoint where no rollouts of the next step are.

    Args:
        folder: of the stage.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Look for the next file."""
        if not rollout_files.file_of(self.folder, state.global_step + 1).is_file():
            control.should_save = control.should_training_stop = True


def off_policy(log_probs: Tensor, others: Tensor, mask: Tensor) -> float:
    """Return by how much the log-probability of a token differs on average.

    Args:
        log_probs: [rows, width].
        others: of the same tokens, likewise.
        mask: [rows, width], 1 where a token is.
    """
    return (((log_probs - others).abs() * mask).sum() / mask.sum()).item()


def _padded(rows: list[list[float]], mask: Tensor) -> Tensor:
    values = torch.zeros(mask.shape, device=mask.device)
    return values.masked_scatter(
        mask.bool(), torch.tensor([value for row in rows for value in row], device=mask.device)
    )


def _rng_state() -> bytes:
    state = torch.get_rng_state().numpy().tobytes()
    return state + torch.cuda.get_rng_state().numpy().tobytes() if torch.cuda.is_available() else state


def _set_rng_state(state: bytes) -> None:
    size = len(torch.get_rng_state())
    torch.set_rng_state(torch.frombuffer(bytearray(state[:size]), dtype=torch.uint8))
    if torch.cuda.is_available() and len(state) > size:
        torch.cuda.set_rng_state(torch.frombuffer(bytearray(state[size:]), dtype=torch.uint8))
