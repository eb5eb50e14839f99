"""Reward for telling of what the other view's reasoning tells (View-GRPO's r_struct, systems §5.2)."""

from statistics import fmean

from components.prompts import split_think_answer
from components.rewards.thought_facts import ThoughtFacts, facts_of, jaccard


def cross_view_structure_reward(completion: str, sample: dict) -> float | None:
    """Return ½[Jac(actions) + Jac(things)] of the thought and a thought of the other view, mean over all of these.

    Things are objects and their colours. The Jaccard index of two empty sets is 0, so that silence earns nothing; a
    completion of either view without exactly one thought and one answer has no thought.

    Args:
        completion: what the model wrote.
        sample: with `other_view`, all completions of the same query asked of the other view
            (components/train/grpo/cross_view.py).

    Returns:
        None where the query is not asked of another view in this step.

    >>> sample = {"other_view": ["<think>C washes the cup</think><answer>yes</answer>", "yes"]}
    >>> cross_view_structure_reward("<think>C washes the red cup</think><answer>yes</answer>", sample)
    0.375
    """
    others = sample.get("other_view")
    if not others:
        return None
    said = _facts(completion)
    return fmean(
        (jaccard(said.actions, other.actions) + jaccard(said.things, other.things)) / 2 for other in map(_facts, others)
    )


def _facts(completion: str) -> ThoughtFacts:
    parts = split_think_answer(completion)
    return facts_of(parts[0] if parts else "")
