"""Reward for reasoning as the reference rationale of the same view does (View-GRPO's r_sem, systems §5.2)."""

from components.prompts import split_think_answer
from components.rewards.thought_facts import facts_of, likeness


def rationale_reward(completion: str, sample: dict) -> float | None:
    """Return how much the thought says the same as the reference rationale, 0 to 1.

    Facts are compared slot by slot (`thought_facts.likeness`); where `grpo.rationale_judge` names a language model, its
    verdict is returned. A completion without exactly one thought and one answer earns 0.0.

    Args:
        completion: what the model wrote.
        sample: a row of `records.SAMPLE`, whose answer holds the reference in its think block; with `judged` where a
            language model has judged this completion.

    Returns:
        None where the sample has no reference rationale.

    >>> sample = {"answer": "<think>C washes the red cup</think><answer>yes</answer>"}
    >>> rationale_reward("<think>C cuts the red cup</think><answer>yes</answer>", sample)
    0.6666666666666666
    """
    reference, parts = split_think_answer(sample["answer"]), split_think_answer(completion)
    if reference is None or not reference[0]:
        return None
    if parts is None:
        return 0.0
    if (verdict := sample.get("judged")) is not None:
        return verdict
    return likeness(facts_of(parts[0]), facts_of(reference[0]))
