"""Going on from a checkpoint of another number of ranks, whose optimiser states ZeRO has shared out among them.

DeepSpeed reads its own shares only with as many ranks as wrote them. Its universal format holds every parameter's state
by itself (https://www.deepspeed.ai/tutorials/universal-checkpointing/) and is made from them when it is needed.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from transformers import Trainer

from components.train.safety.errors import TrainingError


def ranks_of(checkpoint: Path) -> int | None:
    """Return the number of ranks that a resumable checkpoint was shared out among; None where it was not (ZeRO 0)."""
    return len(list(checkpoint.glob("global_step*/*zero_pp_rank_*_optim_states.pt"))) or None


def prepare(trainer: Trainer, checkpoint: Path, *, muon: bool) -> None:
    """Let a trainer read the checkpoint of any number of ranks; call it on all ranks, before `train`.

    Args:
        trainer: its process group is there, its engine is not made yet.
        checkpoint: resumable.
        muon: whether the stage trains by Muon.

    Raises:
        TrainingError: the universal format has no place for Muon's momentum.
    """
    before, now = ranks_of(checkpoint), trainer.args.world_size
    if before in (None, now):
        return
    if muon:
        raise TrainingError(
            f"{checkpoint} was saved on {before} ranks, now there are {now}; with `muon_learning_rate` allowed "
            f"are as many ranks as before. Give the stage {before} `ranks`, or take {checkpoint} away: then "
            "it starts anew."
        )
    if trainer.args.process_index == 0:
        _convert(checkpoint)
    torch.distributed.barrier()
    # DeepSpeed reads it when the engine is made
    plugin = trainer.accelerator.state.deepspeed_plugin
    for config in (plugin.deepspeed_config, plugin.hf_ds_config.config):
        config["checkpoint"] = {"load_universal": True}


def _convert(checkpoint: Path) -> None:
    from deepspeed.checkpoint import ds_to_universal

    tag = (checkpoint / "latest").read_text().strip()
    universal = checkpoint / f"{tag}_universal"
    shutil.rmtree(universal, ignore_errors=True)
    arguments = argparse.Namespace(
        input_folder=str(checkpoint / tag),
        output_folder=str(universal),
        num_extract_workers=1,  # in this process: others would import all of this again
        num_merge_workers=1,
        keep_temp_folder=False,
        strict=True,
        inject_missing_state=True,  # what Megatron's pipelines note down
    )
    ds_to_universal.main(arguments)  # writes `latest_universal`, which names the folder, last
