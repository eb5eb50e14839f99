"""Tables of docs/statistics.md and docs/operations.md from results/*.json, and the gate in one sentence."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from docs.tables import GLUE, RESULTS, markdown

EVALUATION = Path(__file__).parents[1] / "params/eval.yaml"
WIDTH = 120


def gate() -> str:
    """Return what the promotion gate of params/eval.yaml asks, and what it finds in simulation."""
    rule = YAML(typ="safe").load(EVALUATION.read_text())["promotion"]
    guards = [f"`{metric}` ({100 * margin:g} points)" for metric, margin in rule["guardrail_metrics"].items()]
    simulated = _simulated()
    found = simulated["share_found_better_by_true_gain"]["72 takes"]
    whole = simulated["share_promoted_by_the_whole_gate"]["primary gains 2 points"]
    told = (
        f"A new version takes the alias `champion` when its answers to the same held-out samples are better in "
        f"`{rule['primary_metric']}` than the champion's (paired, takes drawn together, one-sided test at 5{GLUE}%), "
        f"and a fall by the margin is ruled out at 95{GLUE}% in each of {', '.join(guards)}. A first version must be "
        f"better than the strongest of its controls. In simulation the test finds a true gain of 2 points in "
        f"{_percent(found['0.02'])} of cases, and one where there is none in {_percent(found['0.0'])}; with the "
        f"guardrails, each of which must prove that it did not fall, such a gain is promoted in {_percent(whole)}."
    )
    return textwrap.fill(told, WIDTH, break_on_hyphens=False)


def coverage() -> str:
    """Return how often the interval of a score holds the truth."""
    worlds = _simulated()["coverage_of_95_percent_intervals"]
    takes = next(iter(worlds.values()))
    return markdown(
        ["scores", *(f"{count} takes" for count in takes)],
        [[world, *map(_percent, shares.values())] for world, shares in worlds.items()],
    )


def signs() -> str:
    """Return how often a comparison over seeds finds what is not there."""
    settings = _simulated()["no_difference_over_seeds_and_takes"]
    return markdown(
        ["no true difference", "interval holds zero", "a sign of four holds", "a sign of four is contradicted"],
        [
            [
                setting,
                _percent(shares["interval_holds_zero"]),
                _percent(shares["any_of_four_signs_holds"]),
                _percent(shares["any_of_four_signs_contradicted"]),
            ]
            for setting, shares in settings.items()
        ],
    )


def gains() -> str:
    """Return how often the gate's test finds a gain, and what the best test could find of two points."""
    simulated = _simulated()
    most = simulated["most_that_any_test_finds_of_a_gain_of_two_points"]
    shares = simulated["share_found_better_by_true_gain"]
    points = [f"{100 * float(gain):g} points" for gain in next(iter(shares.values()))]
    rows = [[name, *map(_percent, of.values()), _percent(most[name])] for name, of in shares.items()]
    return markdown(["400 samples of", *points, "best test, 2 points"], rows)


def promoted() -> str:
    """Return how often the whole gate promotes."""
    shares = _simulated()["share_promoted_by_the_whole_gate"]
    return markdown(["truth", "promoted"], [[truth, _percent(share)] for truth, share in shares.items()])


def rationale_judge() -> str:
    """Return how surely the offline judge of rationales tells a corrupted one from a true one."""
    recorded = json.loads((RESULTS / "rationale_judge.json").read_text())["auc"]
    rows = [[name, f"{found['by_facts']:.3f}", f"{found['by_words']:.3f}"] for name, found in recorded.items()]
    return markdown(["corruption", "AUC by facts", "AUC by words"], rows)


def drift() -> str:
    """Return how often `egoflow drift` raises an alarm where takes of one dataset were dealt at random into two."""
    recorded = json.loads((RESULTS / "drift.json").read_text())
    names = {
        "by_tests": "drift by tests and effect",
        "by_tests_whatever_the_effect": "adjusted p within the limit, whatever the effect",
        "by_counts": "drift by the number of samples",
    }
    rows = [[takes, *(_percent(found[name]) for name in names)] for takes, found in recorded["alarms"].items()]
    return markdown(["takes in each", *names.values()], rows)


def _simulated() -> dict[str, Any]:
    return json.loads((RESULTS / "statistics.json").read_text())


def _percent(share: float) -> str:
    return f"{100 * share:.1f}{GLUE}%"
