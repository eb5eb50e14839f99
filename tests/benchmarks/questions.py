"""How much a step costs when the questions about one window stand in one row, and when each has a row of its own.

Run as: python -m tests.benchmarks.questions. Prints seconds of both and their ratio; same questions, same loss.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from components import params
from components.models import build
from components.train import algorithms
from components.train.pretraining import language, world_text
from components.train.pretraining.world_text import TextSample

ROOT = Path(__file__).parents[2]
WINDOWS, STEPS = 24, 5


def main() -> None:
    """Time a forward and backward pass of both."""
    data = params.load(ROOT / "params/data.yaml", params.Data)
    processor = algorithms.fresh_processor(
        params.load(ROOT / "params/recipes/miniature.yaml", params.Recipe).model, data
    )
    config = build.config_of(processor)
    model = build.assemble(config, {}, seed=0)
    together = [world_text.sample(config, "window", 0, index, language.rules(data)) for index in range(WINDOWS)]
    alone = [TextSample(sample.visual, sample.bags, (turn,)) for sample in together for turn in sample.turns]
    collate, losses = language.CollateText(processor), language.losses(config)
    seconds = {}
    for name, samples in (("together", together), ("alone", alone)):
        batch = collate(samples)
        losses(model, batch)["total"].backward()  # the first pass allocates
        began_s = time.perf_counter()
        for _ in range(STEPS):
            model.zero_grad()
            loss = losses(model, batch)["total"]
            loss.backward()
        seconds[name] = (time.perf_counter() - began_s) / STEPS
        print(f"{name}: {len(samples)} rows, {seconds[name]:.3f} s a step, loss {loss.item():.4f}")
    print(f"ratio alone / together: {seconds['alone'] / seconds['together']:.2f} on {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
