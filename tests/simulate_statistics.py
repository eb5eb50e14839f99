"""How often the intervals and decisions of components/metrics/statistics.py are right, where the truth is known.

Run as: python -m tests.simulate_statistics      (about five minutes; writes results/statistics.json)

Worlds of takes of 10 to 59 samples, each take with a level of its own. `binary`: right answers, shares around 4 in 7;
`rare`: around 1 in 10; `iou`: overlaps, three in ten of them 0. Of promotions, gains of single takes vary by .01, those
of single samples by .24.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from components.metrics import statistics

RESULTS = Path(__file__).parents[1] / "results/statistics.json"
TAKES = (6, 8, 12, 20)
WORLDS = ("binary", "rare", "iou")
CROSSED = {  # seeds, takes, standard deviation between seeds, between takes
    "3 seeds, 8 takes, both vary": (3, 8, 0.03, 0.03),
    "3 seeds, 8 takes, seeds vary": (3, 8, 0.1, 0.0),
    "3 seeds, 8 takes, takes vary": (3, 8, 0.0, 0.05),
    "5 seeds, 8 takes, both vary": (5, 8, 0.03, 0.03),
    "3 seeds, 20 takes, both vary": (3, 20, 0.03, 0.02),
}
GAINS = (0.0, 0.01, 0.02, 0.03, 0.05)


def scores(rng: np.random.Generator, world: str, takes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores [N] of one draw of a world, and their take ids [N]."""
    ids = np.repeat(np.arange(takes), rng.integers(10, 60, takes))
    if world == "iou":
        shape = rng.gamma(4, 0.5, takes)[ids]
        return np.where(rng.random(len(ids)) < 0.3, 0.0, rng.beta(shape, 2)), ids
    a, b = (4, 3) if world == "binary" else (1, 9)
    return (rng.random(len(ids)) < rng.beta(a, b, takes)[ids]).astype(float), ids


def coverage(world: str, takes: int, *, draws: int, seed: int = 0) -> float:
    """Return how often the interval of a score holds the world's mean."""
    rng = np.random.default_rng((seed, takes))
    truth = scores(rng, world, 40_000)[0].mean()
    found = [statistics.score(*scores(rng, world, takes), seed=0, resamples=800) for _ in range(draws)]
    return float(np.mean([each.lo <= truth <= each.hi for each in found]))


def false_signs(setting: str, *, draws: int, seed: int = 0) -> tuple[float, float]:
    """Return how often a difference of zero is found above zero, and how often its interval holds zero."""
    rng = np.random.default_rng(seed)
    seeds, takes, of_seeds, of_takes = CROSSED[setting]
    found = []
    for _ in range(draws):
        ids = np.repeat(np.arange(takes), rng.integers(10, 60, takes))
        levels = rng.normal(0, of_seeds, seeds)[:, None] + rng.normal(0, of_takes, takes)[ids]
        found.append(statistics.crossed([(levels + rng.normal(0, 0.3, (seeds, len(ids))), ids)]))
    return (
        float(np.mean([each.lo > 0 for each in found])),
        float(np.mean([each.lo <= 0 <= each.hi for each in found])),
    )


def promotions(gain: float, *, draws: int, seed: int = 0) -> float:
    """Return how often a candidate that is truly better by this is found better, on 400 samples of 8 takes."""
    rng = np.random.default_rng(seed)
    ids, found = np.repeat(np.arange(8), 50), []
    for _ in range(draws):
        gaps = gain + rng.normal(0, 0.01, 8)[ids] + rng.normal(0, 0.24, len(ids))
        found.append(statistics.difference(gaps, np.zeros(len(ids)), ids).p_above)
    return float(np.mean(np.array(found) <= 1 - statistics.LEVEL))


def main() -> None:
    """Simulate, print and write the three tables."""
    crossed = {setting: false_signs(setting, draws=2000) for setting in CROSSED}
    told = {
        "coverage_of_95_percent_intervals": {
            world: {takes: round(coverage(world, takes, draws=1000), 3) for takes in TAKES} for world in WORLDS
        },
        "no_difference_over_seeds_and_takes": {
            setting: {"found_above_zero": round(above, 4), "interval_holds_zero": round(holds, 4)}
            for setting, (above, holds) in crossed.items()
        },
        "share_promoted_by_true_gain": {gain: round(promotions(gain, draws=4000), 3) for gain in GAINS},
    }
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
