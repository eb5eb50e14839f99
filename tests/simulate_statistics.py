"""How often the intervals and decisions that the project prints are right, where the truth is known.

Run as: python -m tests.simulate_statistics      (about five minutes; writes results/statistics.json)

Worlds of takes of 10 to 59 samples, each take with a level of its own. `binary`: right answers, shares around 4 in 7;
`rare`: around 1 in 10; `iou`: overlaps, three in ten of them 0. Paired differences of single samples vary by .24, those
of takes by .01 unless said otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, stats

from components import params
from components.evaluation.paired_comparison import verdict
from components.evaluation.promotion_gate import decide
from components.metrics import power, statistics

RESULTS = Path(__file__).parents[1] / "results/statistics.json"
TAKES = (6, 8, 12, 20, 72)
WORLDS = ("binary", "rare", "iou")
CROSSED = {  # seeds, takes, standard deviation between seeds, between takes
    "3 seeds, 8 takes, both vary": (3, 8, 0.03, 0.03),
    "3 seeds, 8 takes, seeds vary": (3, 8, 0.1, 0.0),
    "3 seeds, 8 takes, takes vary": (3, 8, 0.0, 0.05),
    "5 seeds, 8 takes, both vary": (5, 8, 0.03, 0.03),
    "3 seeds, 20 takes, both vary": (3, 20, 0.03, 0.02),
    "3 seeds, 72 takes, both vary": (3, 72, 0.02, 0.02),
    "2 seeds, 72 takes, both vary": (2, 72, 0.02, 0.02),
}
TASKS = 4  # of a comparison's arm, each with a published sign
GAINS = (0.0, 0.01, 0.02, 0.03, 0.05)
ALPHA = 1 - statistics.LEVEL
GATES = {  # takes of 400 samples, spread of the paired differences; 72 takes are those of the default recipe
    "72 takes": (72, power.Spread(0.24, 0.01)),
    "20 takes": (20, power.Spread(0.24, 0.01)),
    "8 takes": (8, power.Spread(0.24, 0.01)),
    "72 takes that vary by .1": (72, power.Spread(0.24, 0.1)),
    "8 takes that vary by .1": (8, power.Spread(0.24, 0.1)),
}
SAMPLES = 400
EVALUATION = params.load(RESULTS.parents[1] / "params/eval.yaml", params.Eval)
PRIMARY, MARGINS = EVALUATION.promotion.primary_metric, EVALUATION.promotion.guardrail_metrics
# the default recipe's data have 316 moments, fewer than the limit
LIMITS = {**EVALUATION.limits, "ground_temporal": min(316, EVALUATION.limits["ground_temporal"])}
COUNTS = {metric: LIMITS[metric.split("/")[0]] for metric in (PRIMARY, *MARGINS)}
GATE = {
    "primary_metric": PRIMARY,
    "margins": MARGINS,
    "samples": COUNTS,
}  # a test compares the written with the present
FEWER = {PRIMARY: 400, "ground_temporal/miou": 140, "qa/accuracy": 200, "caption_ego/verb": 200}


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


def false_verdicts(setting: str, *, draws: int, seed: int = 0) -> tuple[float, float]:
    """Return how often any published sign of an arm holds, and is contradicted, where there is no difference at all.

    Half of what a seed or take does, it does to all tasks of the arm alike.
    """
    rng = np.random.default_rng(seed)
    seeds, takes, of_seeds, of_takes = CROSSED[setting]
    told: list[set[str]] = []
    for _ in range(draws):
        ids = np.repeat(np.arange(takes), rng.integers(10, 60, takes))
        shared = rng.normal(0, of_seeds, seeds), rng.normal(0, of_takes, takes)
        found = []
        for _ in range(TASKS):
            own = rng.normal(0, of_seeds, seeds), rng.normal(0, of_takes, takes)
            by_seed, by_take = ((one + other) / 2**0.5 for one, other in zip(shared, own, strict=True))
            levels = by_seed[:, None] + by_take[ids]
            found.append(statistics.crossed([(levels + rng.normal(0, 0.3, (seeds, len(ids))), ids)]))
        adjusted = statistics.holm([each.p for each in found])
        told.append({verdict(each, 1.0, p) for each, p in zip(found, adjusted, strict=True)})
    return (
        float(np.mean(["holds" in words for words in told])),
        float(np.mean(["contradicted" in words for words in told])),
    )


def promotions(gain: float, *, draws: int, seed: int = 0, gate: str = "72 takes") -> float:
    """Return how often a candidate that is truly better by this is found better, on 400 samples."""
    rng = np.random.default_rng(seed)
    takes, of = GATES[gate]
    ids, found = np.arange(SAMPLES) % takes, []
    for _ in range(draws):
        gaps = gain + rng.normal(0, of.takes, takes)[ids] + rng.normal(0, of.samples, len(ids))
        found.append(statistics.difference(gaps, np.zeros(len(ids)), ids).p_above)
    return float(np.mean(np.array(found) <= ALPHA))


def decisions(
    gain: float, falls: dict[str, float], *, draws: int, seed: int = 0, counts: dict[str, int] = COUNTS
) -> float:
    """Return how often the whole gate promotes: a primary metric that gains, guardrails that fall.

    Args:
        gain: of the primary metric, truly.
        falls: guardrail -> its true fall; those that are not named do not fall.
        draws: evaluations of champion and candidate.
        seed: of the draws.
        counts: metric -> samples, of 72 takes.

    Returns:
        The share promoted. Three answers in ten differ between champion and candidate where they are right or wrong.
    """
    rng, promoted, takes = np.random.default_rng(seed), 0, 72
    asked = pd.concat(
        pd.DataFrame({"metric": metric, "sample_id": np.arange(n), "take_id": np.arange(n) % takes})
        for metric, n in counts.items()
    )
    asked[["task", "metric"]] = asked["metric"].str.split("/", expand=True)
    champion = asked.assign(condition="model", score=0.0)
    for _ in range(draws):
        gaps = []
        for metric, n in counts.items():
            change = gain if metric == PRIMARY else -falls.get(metric, 0.0)
            if metric.endswith("miou"):
                gaps.append(change + rng.normal(0, 0.01, takes)[np.arange(n) % takes] + rng.normal(0, 0.24, n))
            else:
                gaps.append(rng.choice([-1, 0, 1], n, p=[0.15 - change / 2, 0.7, 0.15 + change / 2]))
        candidate = champion.assign(score=np.concatenate(gaps))
        promoted += decide(candidate, champion, version="2", primary_metric=PRIMARY, margins=MARGINS).promoted
    return promoted / draws


def most_power(gain: float, gate: str) -> float:
    """Return a bound on the power of any test that is wrong in at most 5 % of cases however much takes vary.

    Every test of the mean looks at two numbers: t, the mean in units of its error if takes did not vary, and r, the
    variance of the takes' means over that which samples alone would give them. Where takes vary, so that this is v,
    t ~ N(gain, v) and r ~ v * chi2 / df. The best rejection region over a grid of (t, r) is a linear programme
    (Lehmann and Romano 2005, theorem 3.8.1).
    """
    takes, of = GATES[gate]
    t = np.linspace(-4, 10, 141)
    r = np.concatenate([np.linspace(0, 6, 121), np.geomspace(6.2, 80, 40)])

    def chances(mean: float, vary: float) -> np.ndarray:
        of_t = np.diff(stats.norm.cdf(t, mean, vary**0.5), prepend=0)
        return np.outer(of_t, np.diff(stats.chi2.cdf(r * (takes - 1) / vary, takes - 1), prepend=0)).ravel()

    varied = [*np.linspace(1, 5, 33), *np.geomspace(5.2, 40, 20)]
    here = 1 + SAMPLES / takes * of.takes**2 / of.samples**2
    best = optimize.linprog(
        -chances(gain / of.samples * SAMPLES**0.5, here),
        A_ub=np.array([chances(0.0, vary) for vary in varied]), b_ub=np.full(len(varied), ALPHA), bounds=(0, 1),
    )  # fmt: skip
    return float(-best.fun)


def main() -> None:
    """Simulate, print and write the tables."""
    signs = {setting: false_signs(setting, draws=3000) for setting in CROSSED}
    verdicts = {setting: false_verdicts(setting, draws=3000) for setting in CROSSED}
    fall = {metric: {metric: margin} for metric, margin in MARGINS.items()}
    told = {
        "coverage_of_95_percent_intervals": {
            world: {takes: round(coverage(world, takes, draws=2000), 3) for takes in TAKES} for world in WORLDS
        },
        "no_difference_over_seeds_and_takes": {
            setting: {
                "found_above_zero": round(above, 4),
                "interval_holds_zero": round(holds, 4),
                "any_of_four_signs_holds": round(verdicts[setting][0], 4),
                "any_of_four_signs_contradicted": round(verdicts[setting][1], 4),
            }
            for setting, (above, holds) in signs.items()
        },
        "share_found_better_by_true_gain": {
            gate: {gain: round(promotions(gain, draws=40_000, gate=gate), 3) for gain in GAINS} for gate in GATES
        },
        "most_that_any_test_finds_of_a_gain_of_two_points": {gate: round(most_power(0.02, gate), 3) for gate in GATES},
        "whole_gate": GATE,
        "share_promoted_by_the_whole_gate": {
            "nothing changes": round(decisions(0.0, {}, draws=600), 3),
            "primary gains 2 points": round(decisions(0.02, {}, draws=600), 3),
            "primary gains 2 points, 140 to 200 samples of each guardrail": round(
                decisions(0.02, {}, draws=600, counts=FEWER), 3
            ),
            "primary gains 5 points": round(decisions(0.05, {}, draws=600), 3),
            **{
                f"primary gains 5 points, {metric} falls by its margin": round(decisions(0.05, each, draws=600), 3)
                for metric, each in fall.items()
            },
        },
    }
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
