"""Two ranks that see unlike things, step by step: a process of test_mixed_ranks.py."""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, set_seed

from components.models import build
from components.models.configuration import EgoflowConfig
from components.models.processing import EgoflowProcessor, build_tokenizer
from components.train.dataset import Collate
from components.train.trainer import DEEPSPEED
from tests.components.conftest import TINY

RATE = 0.1
CASES = (("pool", 3), ("stc", 3), ("pool", 2), ("tokens", 3))
# step -> rank -> (view, frames) of each sample
SEEN = (
    ((("ego", 2), ("ego", 4)), (("ego", 0),)),
    ((("ego", 0), ("ego", 0)), (("exo", 4),)),
    ((("ego", 16),), (("exo", 2), ("exo", 4))),
    ((("ego", 0),), (("ego", 0),)),
    ((("exo", 4), ("ego", 2)), (("ego", 8), ("ego", 0))),
)
GUIDED = {(0, 0), (4, 1)}  # (step, rank) whose ego samples have F(x) beside x


def model_of(kind: str) -> tuple[PreTrainedModel, EgoflowProcessor]:
    """A model of two towers, the same in every process; "tokens": with ego-adaptive ones, behind frozen towers."""
    tokenizer = build_tokenizer(["what does C do? C picks up the red cup with the right hand. [1, 2]"])
    values = build.tiny_config(TINY, tokenizer).to_dict() | {"connector": "stc" if kind == "stc" else "pool"}
    if kind == "stc":
        values["time_token_ids"] = []  # number words are for the others
    config = EgoflowConfig(**values)
    model, processor = build.assemble(config, {}, seed=0), build.processor_for(config, tokenizer)
    if kind == "tokens":
        build.renew_ego_tokens(model, processor, 4, seed=0)
        model.model.ego_encoder.requires_grad_(False)
        model.model.exo_encoder.requires_grad_(False)
    return model, processor


def batch_of(step: int, rank: int, model: PreTrainedModel, processor: EgoflowProcessor) -> dict[str, torch.Tensor]:
    model.config.guidance = (step, rank) in GUIDED
    items = [
        {
            "view": view,
            "frames": np.random.default_rng((step, rank, number)).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8),
            "turns": [("what does C do?", f"C picks up the {'red cup' if count else 'hand'}")],
        }
        for number, (view, count) in enumerate(SEEN[step][rank])
    ]
    return Collate(model.config, processor)(items)


def train(kind: str, zero: int, rank: int) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Give the weights after all steps, and the losses of this rank."""
    import deepspeed

    set_seed(0)
    model, processor = model_of(kind)
    values = json.loads((DEEPSPEED / f"zero{zero}.json").read_text())
    given = {"train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 1, "gradient_clipping": 0.0}
    values = {name: value for name, value in values.items() if value != "auto" and name != "bf16"} | given
    optimiser = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], lr=RATE)
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimiser, config=copy.deepcopy(values))
    losses = []
    for step in range(len(SEEN)):
        loss = engine(**batch_of(step, rank, model, processor)).loss
        engine.backward(loss)
        engine.step()
        losses.append(loss.item())
    with deepspeed.zero.GatheredParameters(list(model.parameters())):
        return {name: value.detach().clone() for name, value in model.named_parameters()}, losses


def main(output: Path) -> None:
    import deepspeed

    # as in components/train/__main__: its first use would compile for half a minute
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed("gloo")
    rank = int(os.environ["RANK"])
    for kind, zero in CASES:
        weights, losses = train(kind, zero, rank)
        torch.save({"weights": weights, "losses": losses}, output / f"{kind}-{zero}-{rank}.pt")
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
