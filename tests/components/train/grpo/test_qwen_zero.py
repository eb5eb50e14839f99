"""Prompts of Qwen models that are read once, through DeepSpeed's engine: ZeRO-2 and ZeRO-3, whole and by adapters."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from trl import GRPOTrainer

from components import params
from components.models import qwen_vl
from components.models.hub_configs import QWEN_PARTS
from components.train import checkpoints
from components.train.grpo.shared_prompt import SharedPromptTrainer
from components.train.trainer import DEEPSPEED
from tests.benchmarks import training
from tests.components.train.grpo import test_qwen_shared_prompt as alone

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
FULL = {"language_model": 1e-5, "vision_encoder": 1e-5, "merger": 1e-5}


def differences(base: Path) -> dict[str, tuple[float, float]]:
    """How far log-probabilities and gradients lie from TRL's under each stage of ZeRO, whole and by adapters."""
    training.rank()
    import deepspeed

    deepspeed.init_distributed("gloo", verbose=False)
    return {
        f"ZeRO-{stage}, adapters {adapted}": off(base, stage, adapted) for stage in (2, 3) for adapted in (False, True)
    }


def off(base: Path, zero_stage: int, adapted: bool) -> tuple[float, float]:
    """The largest difference of a log-probability, and of a gradient by the largest gradient."""
    import deepspeed
    from deepspeed.utils import safe_get_full_grad
    from trl.trainer.utils import add_fused_lm_head

    settings = json.loads((DEEPSPEED / f"zero{zero_stage}.json").read_text())
    settings |= {"train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 1, "bf16": {"enabled": False}}
    settings |= {"train_batch_size": 1, "gradient_clipping": 0.0}
    # parameters as small as these would stay on every rank, and nothing would have to be gathered
    settings["zero_optimization"]["stage3_param_persistence_threshold"] = 0
    processor = qwen_vl.load_processor(base, pixels=None)
    found = []
    for owner in (GRPOTrainer, SharedPromptTrainer):
        model = alone.loud(base)
        if adapted:
            torch.manual_seed(0)
            checkpoints.prepare(model, {}, params.Lora(**alone.ADAPTERS), QWEN_PARTS)
            with torch.no_grad():
                for name, one in model.named_parameters():
                    if "lora_B" in name:
                        one.normal_(std=0.1)
        else:
            checkpoints.prepare(model, FULL, None, QWEN_PARTS)
        model.gradient_checkpointing_enable({"use_reentrant": False})
        add_fused_lm_head(model, outputs=("log_probs", "entropy"))
        trained = [one for one in model.parameters() if one.requires_grad]
        optimiser = torch.optim.SGD(trained, lr=0.0)
        engine, *_ = deepspeed.initialize(model=model, optimizer=optimiser, config=dict(settings))
        logps, _, _ = alone.read_by(owner, engine, processor, alone.asked(processor), backward=engine.backward)
        gradients = {
            name: safe_get_full_grad(one).clone() for name, one in model.named_parameters() if one.requires_grad
        }
        found.append((logps, gradients))
        engine.destroy()
    (logps, gradients), (our_logps, our_gradients) = found
    largest = max(one.abs().max() for one in gradients.values())
    assert largest > 1e-3
    return (
        (our_logps - logps).abs().max().item(),
        max((our_gradients[name] - one).abs().max() / largest for name, one in gradients.items()).item(),
    )


def test_log_probabilities_and_gradients_are_those_of_trl(qwen_bases):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        found = process.submit(differences, qwen_bases["qwen2_5_vl"]).result()
    assert len(found) == 4
    for how, (log_probs, gradients) in found.items():
        assert log_probs <= 1e-5 and gradients <= 1e-4, (how, log_probs, gradients)
