"""Short-term questions about narrations of people: the seven types of systems §4.1, in the words of the annotators.

Each function asks one question of what is shown, or none where its answer would be in doubt: where something else that
happens in the same seconds, or near them, may answer it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from components.data.egore.free_text.moments import Log, Vocabulary, is_thinned_out, things, turned, verbs
from components.data.egore.free_text.same_event import (
    is_vague,
    mentions,
    noun_keys,
    one_family,
    same_thing,
    same_verb,
)
from components.data.egore.free_text.wrong_answers import distinct, is_false, told_elsewhere
from components.data.egore.multiple_choice import QA, draw
from components.prompts import NO, YES
from components.prompts.narration_text import Narration, Thing
from components.prompts.narration_words import ATTRIBUTES, OPPOSITES

_ASKED = {  # kind of attribute -> how it is asked for
    "colour": "what colour is the {bare}?",
    "material": "what is the {bare} made of?",
    "size": "what size is the {bare}?",
    "state": "what state is the {bare} in?",
}
_LOOKED_AT = 60  # actions with the same verb or thing, whose words are the likeliest wrong answers
_AWAY = ("from", "off")  # these places are left, the others are reached


@dataclass(frozen=True)
class Shown:
    """What a question is asked of.

    Attributes:
        own: the narration that is asked about, of the wearer.
        happening: everything that is told of the seconds that are shown and of those near them, `own` too.
        log: of the video.
        vocabulary: of the partition.
        key: of all draws.
    """

    own: Narration
    happening: tuple[Narration, ...]
    log: Log
    vocabulary: Vocabulary
    key: tuple[object, ...]

    @property
    def verb(self) -> str:
        """Return the verb of the narration; "" where it cannot be read, which then names no thing either."""
        return self.own.verb or ""

    def others(self) -> list[Narration]:
        """Return what happens beside the narration that is asked about."""
        return [said for said in self.happening if said.text != self.own.text]

    def elsewhere(self) -> Iterator[Narration]:
        """Return what is told at other times or of other videos."""
        return told_elsewhere(self.log, self.vocabulary, *self.key)

    def handled(self, thing: Thing) -> list[str]:
        """Return the verbs of all that may happen to a thing."""
        return [said.verb for said in self.happening if said.verb and mentions(said, thing)]


def existence(shown: Shown) -> QA | None:
    """Ask whether C handles a thing; in half of the questions one that no text of the whole video names."""
    told = islice(turned(shown.vocabulary.actions, *shown.key), _LOOKED_AT)
    absent = (thing for thing in things(told) if noun_keys(thing.phrase).isdisjoint(shown.log.keys))
    asked, never = shown.own.object, next(absent, None)
    if asked is None or never is None or not noun_keys(asked.phrase):
        return None
    there = draw(2, *shown.key, "there") == 0
    # what is handled in most videos can be absent in few, and its answer would be known
    everywhere = shown.vocabulary.logs_with[asked.noun] / shown.vocabulary.logs
    if there and draw(1000, *shown.key, "everywhere") < 1000 * everywhere:
        return None
    question = f"does C handle this: {asked.bare if there else never.bare}?"
    return QA("existence", question, YES if there else NO, (NO if there else YES,))


def attribute(shown: Shown) -> QA | None:
    """Ask for the colour, material, size or state of the thing that C handles."""
    thing = shown.own.object
    if thing is None or not thing.attributes or any(mentions(said, thing) for said in shown.others()):
        return None
    kind, word = thing.attributes[draw(len(thing.attributes), *shown.key, "attribute")]
    told = shown.vocabulary.of_noun.get(thing.noun, [])
    alike = Counter(other for each in things(told) for named, other in each.attributes if named == kind)
    if is_thinned_out(word, alike, *shown.key, "attribute"):
        return None
    # of size and state only the opposite is surely false
    wrong = (OPPOSITES[word],) if word in OPPOSITES else tuple(other for other in ATTRIBUTES[kind] if other != word)
    return QA("attribute", _ASKED[kind].format(bare=thing.bare), word, wrong)


def count(shown: Shown) -> QA | None:
    """Ask how many things of a kind C handles at once, where the narration says a number."""
    thing = shown.own.object
    if thing is None or thing.count is None or any(mentions(said, thing) for said in shown.others()):
        return None
    first = max(1, thing.count - draw(4, *shown.key, "numbers"))
    numbers = tuple(str(number) for number in range(first, first + 4) if number != thing.count)
    return QA("count", f"how many {thing.bare} does C {shown.verb}?", str(thing.count), numbers)


def hand(shown: Shown) -> QA | None:
    """Ask for the hand, where the narration says it and no other of the same thing says another."""
    thing = shown.own.object
    if thing is None or shown.own.hand is None:
        return None
    if any(said.hand not in (None, shown.own.hand) for said in shown.others() if mentions(said, thing)):
        return None
    question = f"with which hand does C {shown.verb} the {thing.bare}?"
    wrong = tuple(other for other in ("left", "right", "both") if other != shown.own.hand)
    return QA("interaction", question, shown.own.hand, wrong)


def interaction(shown: Shown) -> QA | None:
    """Ask which thing C does something to, or with which hand; both have the type "interaction"."""
    first, second = (hand, _object) if draw(2, *shown.key, "interaction") == 0 else (_object, hand)
    return first(shown) or second(shown)


def _object(shown: Shown) -> QA | None:
    own = shown.own
    if own.object is None or is_vague(shown.verb) or not noun_keys(own.object.phrase):
        return None
    done_alike = [said for said in shown.others() if said.verb and one_family(said.verb, shown.verb)]
    if any(said.object is None or not same_thing(said.object, own.object) for said in done_alike):
        return None
    alike = shown.vocabulary.of_verb.get(shown.verb, [])
    if is_thinned_out(own.object.noun, shown.vocabulary.nouns_of.get(shown.verb, Counter()), *shown.key, "thing"):
        return None
    likely = chain(islice(turned(alike, *shown.key), _LOOKED_AT), shown.elsewhere())
    other = (thing for thing in things(likely) if not any(mentions(said, thing) for said in shown.happening))
    return QA(
        "interaction",
        f"what does C {shown.verb}?",
        own.object.phrase,
        distinct(other, lambda thing: thing.phrase, but=own.object.phrase),
    )


def action(shown: Shown) -> QA | None:
    """Ask what C does with a thing; where the narration names none, or other things are done with it, what C does."""
    return handling(shown) or _whole_action(shown)


def handling(shown: Shown) -> QA | None:
    """Ask what C does with a thing."""
    thing = shown.own.object
    if thing is None or not noun_keys(thing.phrase):
        return None
    done = shown.handled(thing)
    if any(not same_verb(verb, shown.verb) for verb in done):
        return None
    alike = shown.vocabulary.of_noun.get(thing.noun, [])
    if is_thinned_out(shown.verb, shown.vocabulary.verbs_of.get(thing.noun, Counter()), *shown.key, "verb"):
        return None
    likely = chain(islice(turned(alike, *shown.key), _LOOKED_AT), shown.elsewhere())
    other = (verb for verb in verbs(likely) if not any(one_family(verb, also) for also in done))
    question = f"what does C do with the {thing.bare}?"
    return QA("action", question, shown.verb, distinct(other, str, but=shown.verb))


def _whole_action(shown: Shown) -> QA | None:
    other = (said for said in shown.elsewhere() if is_false(said, shown.happening))
    wrong = distinct(other, lambda said: said.text, but=shown.own.text)
    return QA("action", "what does C do?", shown.own.text, wrong) if shown.own.text else None


def background(shown: Shown) -> QA | None:
    """Ask for the place of what C does: where a thing comes from or goes to."""
    own = shown.own
    if own.place is None or not noun_keys(own.place[1].phrase):
        return None
    preposition, place = own.place
    away = preposition in _AWAY
    said = (other.place for other in shown.elsewhere() if other.place and (other.place[0] in _AWAY) == away)
    free = ((how, where) for how, where in said if not any(mentions(event, where) for event in shown.happening))
    what = f" the {own.object.bare}" if own.object else ""
    answer = _place(own.place)
    wrong = distinct(free, _place, but=answer)
    return QA("background", f"where does C {shown.verb}{what}{' from' if away else ''}?", answer, wrong)


def _place(place: tuple[str, Thing]) -> str:
    preposition, where = place
    return f"the {where.phrase}" if preposition in _AWAY else f"{preposition} the {where.phrase}"


OF_CLIP = (existence, attribute, count, interaction, action, background)
