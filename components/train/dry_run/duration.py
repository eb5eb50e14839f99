"""How long a stage takes by formula, and how far that is to be believed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from components.train.dry_run.fitting import Machine
from components.train.dry_run.stage_budget import Budget

PEAK_FLOPS = 312e12  # bfloat16 of an A100 or A800, as the papers used
# Share of the peak that training reaches where no throughput is given. Supervised: lmms-engine's 25-35 % for video SFT
# of Qwen2.5-VL-7B on A800. Grpo, rollouts included: EasyR1's 2000 tokens/s on an H100 for a 7B, which is 18 % by our
# count of operations; it has vLLM, and plain generation is several times slower.
# Distill is that plain generation: a quarter of grpo's (a default of ours).
MFU = {"supervised": 0.30, "grpo": 0.18, "text": 0.30, "contrastive": 0.30, "distill": 0.045}
DOUBTED_RATIO = 2.0  # of formula and paper, either way
MONTH_H = 30 * 24
COMPARED = Path(__file__).resolve().parents[3] / "results/dry_run.json"  # tests/benchmarks/dry_run.py writes it


def hours(needs: Budget, machine: Machine) -> float:
    """Estimate the hours of a stage from a measured throughput where there is one, else from FLOPs and the MFU."""
    gpus = machine.gpus or needs.stage.ranks
    if machine.tokens_per_second and needs.demand.tokens:
        per_step_s = needs.stage.train_batch_size * needs.demand.tokens / (machine.tokens_per_second * gpus)
    else:
        per_step_s = needs.step_flops() / (gpus * PEAK_FLOPS * MFU[needs.stage.algorithm])
    return needs.steps * per_step_s / 3600


def doubt(needs: Budget, machine: Machine) -> str | None:
    """Return why the hours of a stage are not to be believed, in words; None where nothing speaks against them.

    GPU hours are compared, for the machine need not have as many GPUs as the paper's.

    Args:
        needs: of the stage.
        machine: that the hours are for.
    """
    name, published = needs.stage.name, needs.stage.published_hours
    estimated = hours(needs, machine)
    gpus = machine.gpus or needs.stage.ranks
    if published is None:
        if estimated <= MONTH_H:
            return None
        return f"{name}: {estimated:,.0f} h on {gpus} GPUs are more than a month, and no hours are published to compare"
    ratio = estimated * gpus / (published * needs.stage.ranks)
    if 1 / DOUBTED_RATIO <= ratio <= DOUBTED_RATIO:
        return None
    why = f"{name}: {estimated:,.0f} h on {gpus} GPUs, but {published:g} h on {needs.stage.ranks} are published: "
    why += f"{ratio:.1f} times as many GPU hours"
    if machine.tokens_per_second:
        return why
    share = MFU[needs.stage.algorithm] * ratio
    why += f". All its samples as long as the longest would take {share:.0%} of the GPUs' peak in the published time"
    return f"{why}, so they were shorter" if share > 1 else why


def comparisons() -> Iterable[str]:
    """Return a line for each way in which formulas were compared with tiny models, with what is farthest off."""
    ways: dict[str, list[dict]] = {}
    for row in json.loads(COMPARED.read_text()):
        ways.setdefault(row["by"], []).append(row | {"off": row["formula"] / row["measured"] - 1})
    for by, rows in ways.items():
        worst = max(rows, key=lambda row: abs(row["off"]))
        yield (
            f"{len(rows)} numbers {by} on tiny models; farthest off is {worst['name']}: {worst['measured']:,.0f}, by "
            f"formula {worst['formula']:,.0f}, {worst['off']:+.1%}"
        )
    yield "nothing of a GPU: its peak and its MFU are assumed"
