"""A step of Exo2Ego's Stage 2 with the frozen exo features kept from the first pass, against computing them again.

Run as: python -m tests.benchmarks.guidance [--passes 4]

The miniature's Stage 2 with random weights over a small world, several passes over its samples. Ours keeps the exo
tower's output (components/train/feature_cache.py), so that later steps neither read the exo frames nor run the tower,
and takes the mappings' wide convolutions wave by wave (components/models/reflect_conv.py). Peers, each with what the
one before it has not: the same stage with no room for features; torch's own convolutions, which is a plain step; and
all frames decoded from the films by decord, as a plain loader does. All have the same losses (asserted within 0.1 %,
for the frames of the shards; how many steps have the very same with features kept and computed is printed). Median CPU
seconds of whole steps, loading included, each side in a process of its own with one thread.

What features save alone is bounded: the ego tower, which is trained, costs about three passes of the frozen one,
forward and back, so a step of nothing but the two towers would become 4/3 times as fast, and the mappings and the
language model come on top.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from components import params
from tests.benchmarks import rows, training

SIDES = ("kept", "again", "plain", "films")
TOLERANCE = 1e-3
FEW, MOST = 0.1, 0.9  # share of a step's items that are read: while the file fills, and later


def measure(side: str, data: params.Data, folder: Path, passes: int) -> dict:
    """Train some passes; give CPU seconds and share of items read of all steps but the first, and the losses of all."""
    training.rank()
    if side in ("plain", "films"):
        training.plain_convolutions()
    recipe = params.load(training.ROOT / "params/recipes/miniature.yaml", params.Recipe)
    stage = next(stage for stage in recipe.stages if stage.name == "stage2")
    changes = {"max_steps": None, "num_train_epochs": passes, "save_steps": 10**6}
    stage = stage.model_copy(update=changes if side == "kept" else changes | {"feature_cache_gib": 0})
    with TemporaryDirectory() as output:
        trainer, losses = training.trainer(recipe, stage, data, folder, Path(output))
        dataset = trainer.train_dataset
        assert (dataset.features is not None) == (side == "kept")
        if side == "films":
            dataset.store = training.Films(data, folder)
        clock = training.clock()
        trainer.add_callback(clock)
        trainer.train()
    reads = dataset.features.plan.reads.reshape(-1, dataset.batch).mean(1)[1:] if side == "kept" else None
    return {"seconds": np.array(clock.seconds), "losses": losses, "reads": reads}


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.guidance", description=__doc__.splitlines()[0])
    parser.add_argument("--passes", type=int, default=4)
    passes = parser.parse_args().passes
    told = training.measured(measure, SIDES, passes)
    kept, again, plain = ([list(parts.values()) for parts in told[side]["losses"]] for side in SIDES[:3])
    np.testing.assert_allclose(kept, again, rtol=TOLERANCE)
    np.testing.assert_allclose(kept, plain, rtol=TOLERANCE)
    totals = (np.array([parts["total"] for parts in told[side]["losses"]]) for side in ("kept", "plain"))
    print(f"largest difference from the plain total: {np.abs(np.divide(*totals) - 1).max():.1e} of it")
    same = np.mean([one == two for one, two in zip(kept, again, strict=True)])
    print(f"{same:.0%} of {len(kept)} steps have the very same losses")
    # the passes are shuffled together: what a step finds is said by the plan
    reads = told["kept"]["reads"]
    filling, later = (
        {side: float(np.median(each["seconds"][chosen])) for side, each in told.items()}
        for chosen in (reads < FEW, reads > MOST)
    )
    what = "Stage 2 step, 32 pairs"
    by_waves = f"{what}, features computed again, convolutions by waves against torch's"
    made = [
        rows.row(by_waves, later["again"], later["plain"], unit="CPU s"),
        rows.row(f"{what}, while features are first kept", filling["kept"], filling["again"], unit="CPU s"),
        rows.row(f"{what}, later, against computing them again", later["kept"], later["again"], unit="CPU s"),
        rows.row(f"{what}, later, against that by torch's convolutions", later["kept"], later["plain"], unit="CPU s"),
        rows.row(f"{what}, later, against that with frames from films", later["kept"], later["films"], unit="CPU s"),
    ]
    rows.write(made, training.BENCH_TRAIN)
    print(rows.show(made))


if __name__ == "__main__":
    main()
