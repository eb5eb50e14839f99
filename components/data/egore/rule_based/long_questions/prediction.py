"""Prediction: what happens next, after the seconds that are shown?"""

from __future__ import annotations

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.long_questions.events import MOST_DISTRACTORS

QUESTION = "what does C do next?"
_AROUND = 3  # of the distractors happen right before or after


def question(phrases: list[str], number: int, fictitious: list[str]) -> QA:
    """Ask for one event, of which nothing is shown.

    Args:
        phrases: of all events of the window, in the order of time.
        number: of the event that is asked for; those before it are shown.
        fictitious: phrases of what does not happen in the window.
    """
    around = [*reversed(phrases[:number]), *phrases[number + 1 :]]
    likely = [*around[:_AROUND], *fictitious, *around[_AROUND:]]
    false = [option for option in dict.fromkeys(likely) if option != phrases[number]]
    return QA("prediction", QUESTION, phrases[number], tuple(false[:MOST_DISTRACTORS]))
