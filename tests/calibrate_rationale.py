"""How surely the offline judge of rationales tells a true rationale from a corrupted one (systems §5.2: AUC >= 0.9).

Run as: python -m tests.calibrate_rationale      (seconds; writes results/rationale_judge.json)

Each reference is met by a rewording that keeps its facts, and by a rewording of which one fact is wrong. The AUC is the
share of (true, corrupted) pairs in which the true one is judged more like its reference; equal scores count half.
Beside it stands that of the F1 of words, which knows no slots, and that of two rewordings without any corruption.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, Facts
from components.prompts.rationales import rationale as joined
from components.prompts.rationales import timed_step
from components.rewards.thought_facts import facts_of, likeness

RESULTS = Path(__file__).parents[1] / "results/rationale_judge.json"
REFERENCES = 400
LEAST_AUC = 0.9
THEN = ". then "  # between the steps of a rationale
SILENT = 0.15  # share of the rewordings that leave out a hand
_WORDS = {"verb": VERBS, "object": KINDS, "colour": COLOURS}
_SECONDS = re.compile(r"\((\d+), (\d+)\)")
_ING = {"picks": "picking", "puts": "putting", "washes": "washing", "cuts": "cutting", "stirs": "stirring"}
_ING |= {"pours": "pouring", "shakes": "shaking", "opens": "opening"}


def reference(rng: random.Random) -> str:
    """Write a stepwise rationale of two or three events."""
    start_s, steps = rng.randrange(4), []
    for verb in rng.sample(VERBS, rng.choice((2, 3))):
        facts = Facts(verb, rng.choice(COLOURS), rng.choice(KINDS))
        hand = f" with the {rng.choice(HANDS)} hand" if rng.random() < 0.5 else ""
        end_s = start_s + rng.randrange(1, 5)
        steps.append(timed_step(facts.event + hand, start_s, end_s, 1.0))
        start_s = end_s + rng.randrange(3)
    return joined(steps)


def reworded(rationale: str, rng: random.Random) -> str:
    """Say the same with another tense, article, connective, form of the seconds; at times not with which hand."""
    steps = []
    if rng.random() < SILENT:
        rationale = re.sub(r" with the \w+ hand", "", rationale, count=1)
    for number, step in enumerate(rationale.split(THEN)):
        if rng.random() < 0.5:
            step = re.sub(r"^C (\w+)", lambda verb: f"C is {_ING.get(verb[1], verb[1])}", step)
        if rng.random() < 0.5:
            step = step.replace(" the ", " a ", 1)
        if rng.random() < 0.5:
            step = _SECONDS.sub(rng.choice((r"between \1 and \2 seconds", r"from \1 to \2 s")), step)
        if rng.random() < 0.5:
            step = f"{('First', 'Then', 'Finally')[number]}, {step}"
        steps.append(step.replace("with the", "using the") if rng.random() < 0.5 else step)
    opening = rng.choice(("", "This is what happens. ", "The video shows a kitchen. "))
    return opening + ". ".join(steps) + "."


def other_word(slot: str) -> Callable[[str, random.Random], str]:
    """Return what puts another word in the place of one of a slot's."""
    words = _WORDS[slot]

    def corrupt(rationale: str, rng: random.Random) -> str:
        spot = rng.choice(list(re.finditer(rf"\b({'|'.join(words)})\b", rationale)))
        word = rng.choice([word for word in words if word not in rationale])
        return f"{rationale[: spot.start()]}{word}{rationale[spot.end() :]}"

    return corrupt


def other_order(rationale: str, rng: random.Random) -> str:
    """Exchange what happens in two steps; their seconds stay where they are."""
    deeds = re.split(rf"( \(\d+, \d+\)(?:{THEN})?)", rationale)
    deeds[0], deeds[2] = deeds[2], deeds[0]
    return "".join(deeds)


def shifted(rationale: str, rng: random.Random) -> str:
    """Move one interval by its length."""
    spot = rng.choice(list(_SECONDS.finditer(rationale)))
    start_s, end_s = map(int, spot.groups())
    moved = f"({end_s}, {2 * end_s - start_s})"
    return f"{rationale[: spot.start()]}{moved}{rationale[spot.end() :]}"


def dropped(rationale: str, rng: random.Random) -> str:
    """Leave a step out."""
    steps = rationale.split(THEN)
    steps.pop(rng.randrange(len(steps)))
    return THEN.join(steps)


def other_moment(rationale: str, rng: random.Random) -> str:
    """Tell of another moment."""
    return reference(rng)


CORRUPTIONS: dict[str, Callable[[str, random.Random], str]] = {
    "another verb": other_word("verb"),
    "another object": other_word("object"),
    "another colour": other_word("colour"),
    "another order": other_order,
    "interval shifted": shifted,
    "sentence dropped": dropped,
    "another moment": other_moment,
    "none (control)": lambda rationale, rng: rationale,
}


def by_facts(said: str, true: str) -> float:
    """Judge as the reward `rationale` does."""
    return likeness(facts_of(said), facts_of(true))


def by_words(said: str, true: str) -> float:
    """Judge by the F1 of the different words."""
    one, other = ({*re.findall(r"\w+", text.casefold())} for text in (said, true))
    return 2 * len(one & other) / (len(one) + len(other))


def auc(true: list[float], corrupted: list[float]) -> float:
    """Return the share of pairs in which the true one scores higher; equal scores count half."""
    differences = np.subtract.outer(true, corrupted)
    return round(float((differences > 0).mean() + (differences == 0).mean() / 2), 4)


def calibrate(references: int, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return corruption -> judge -> AUC.

    Args:
        references: how many rationales.
        seed: of what they say.
    """
    rng = random.Random(seed)
    found: dict[str, dict[str, float]] = {}
    for name, corrupt in CORRUPTIONS.items():
        truths = [reference(rng) for _ in range(references)]
        kept = [reworded(truth, rng) for truth in truths]
        wrong = [reworded(corrupt(truth, rng), rng) for truth in truths]
        found[name] = {
            judge.__name__: auc(list(map(judge, kept, truths)), list(map(judge, wrong, truths)))
            for judge in (by_facts, by_words)
        }
    return found


if __name__ == "__main__":
    RESULTS.write_text(json.dumps({"references": REFERENCES, "auc": calibrate(REFERENCES)}, indent=1) + "\n")
