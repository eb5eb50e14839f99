"""Short-term questions about a few narrations one after the other: what an action was for, and how many things."""

from __future__ import annotations

import re
from itertools import chain, islice

from components.data.egore.free_text.moments import NEAR_S, Moment, turned, verbs
from components.data.egore.free_text.same_event import (
    PUT,
    SHUT,
    TAKE,
    is_of,
    is_vague,
    mentions,
    noun_keys,
    one_family,
    same_thing,
)
from components.data.egore.free_text.short_questions import Shown
from components.data.egore.free_text.wrong_answers import distinct
from components.data.egore.multiple_choice import QA, draw
from components.data.egore.rule_based.short_questions.count import MOST_NARRATIONS
from components.data.egore.rule_based.timeline import LONGEST_S, SHORTEST_S
from components.prompts.narration_text import Narration, Thing

_LIKELY = 60  # actions with the same thing, whose verbs are the likeliest wrong reasons
# of the windows with so many things, the share that is asked: the numbers 1, 2 and 3 come alike (measured on EPIC-100)
_SHARES = {1: 0.3, 2: 0.12, 3: 0.2, 4: 0.6}

Asked = tuple[QA, float, float]  # a question, and the seconds of the video that it is asked of
# what stands behind these may be handled too: "cuts the onion with a knife", but not "with his left hand"
_TOOL = re.compile(r"\b(?:with|using|and)\b(?! (?:(?:his|her|the|their) )?(?:(?:left|right|both) )?hands?\b)")


def ended(moment: Moment) -> float:
    """Return the second at which a moment has been seen: one of a single time lasts a second."""
    return max(moment.end_s, moment.start_s + SHORTEST_S / 2)


def reason(shown: Shown, start_s: float, end_s: float) -> Asked | None:
    """Ask what an action was for, which what is done next with the same thing tells.

    Args:
        shown: the clip.
        start_s: its start, seconds of the video.
        end_s: its end.
    """
    own, log = shown.own, shown.log
    if own.object is None or not noun_keys(own.object.phrase):
        return None
    latest_s = start_s + LONGEST_S
    after = [each for each in log.during(end_s, latest_s, near_s=0.0) if each.start_s >= end_s]
    following = next((each for each in after if mentions(each.said, own.object)), None)
    if following is None or ended(following) > latest_s or not _is_use(own, following):
        return None
    near = [each.said for each in log.during(start_s, latest_s, near_s=NEAR_S)]
    done = [said.verb for said in near if said.verb and mentions(said, own.object)]
    alike = turned(shown.vocabulary.of_noun.get(own.object.noun, []), *shown.key)
    other = (
        verb
        for verb in verbs(chain(islice(alike, _LIKELY), shown.elsewhere()))
        # what is never the reason would be ruled out without a look
        if not _is_handling(verb) and not any(one_family(verb, also) for also in done)
    )
    answer = _purpose(following.said.verb or "")
    qa = QA(
        "reason",
        f"why does C {shown.verb} the {own.object.bare}?",
        answer,
        distinct(map(_purpose, other), str, but=answer),
    )
    return qa, start_s, ended(following)


def _is_use(own: Narration, following: Moment) -> bool:
    """Return whether an action can be what an earlier one was for; taking, putting away and closing are not."""
    said = following.said
    if not following.askable or said.object is None or own.object is None or said.object.noun != own.object.noun:
        return False
    if own.verb is None or said.verb is None or is_vague(said.verb) or one_family(own.verb, said.verb):
        return False
    return not _is_handling(said.verb)


def _is_handling(verb: str) -> bool:
    """Return whether a verb only takes, puts away or closes, which is no purpose."""
    return any(is_of(family, verb) for family in (TAKE, PUT, SHUT))


def _purpose(verb: str) -> str:
    """Say what an action is for.

    >>> _purpose("cut"), _purpose("turn on")
    ('to cut it', 'to turn it on')
    """
    head, *particle = verb.split()
    return " ".join(["to", head, "it", *particle])


def count(shown: Shown, start_s: float, end_s: float) -> Asked | None:
    """Ask how many different things C handles from the start of a clip on, in a window of a few narrations.

    Args:
        shown: the clip.
        start_s: its start, seconds of the video.
        end_s: its end.

    Returns:
        The question; None where some text in the window may name a thing that is counted already in other words.
    """
    wanted = 2 + draw(MOST_NARRATIONS - 1, *shown.key, "narrations")
    after = [each for each in shown.log.during(end_s, start_s + LONGEST_S, near_s=0.0) if each.start_s >= end_s]
    if len(after) < wanted - 1:
        return None
    until_s = ended(after[wanted - 2])
    handled = _distinct_things(shown.log.during(start_s, until_s, near_s=0.0))
    # what happens just before or after may be seen too
    surely = len(handled) == len(_distinct_things(shown.log.during(start_s, until_s)))
    if until_s - start_s > LONGEST_S or not surely or not 1 <= len(handled) <= MOST_NARRATIONS:
        return None
    if draw(1000, *shown.key, "share") >= 1000 * _SHARES[len(handled)]:
        return None
    wrong = tuple(str(number) for number in range(1, MOST_NARRATIONS + 1) if number != len(handled))
    return QA("count", "how many different objects does C handle?", str(len(handled)), wrong), start_s, until_s


def _distinct_things(moments: list[Moment]) -> list[Thing]:
    """Return the things that are handled; none where it cannot be told how many they are."""
    found: list[Thing] = []
    for moment in moments:
        thing = moment.said.object
        if not moment.askable or thing is None or thing.count or not noun_keys(thing.phrase):
            return []
        if _TOOL.search(moment.said.text) or is_vague(moment.said.verb or ""):
            return []
        alike = [other for other in found if same_thing(thing, other)]
        if any(other.noun != thing.noun or other.attributes != thing.attributes for other in alike):
            return []
        found += [] if alike else [thing]
    return found
