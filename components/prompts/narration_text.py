"""A reader of narrations that people wrote: who does what with which object, with which hand, and where.

It knows the forms that annotators of first-person video were told to write, and no grammar beyond them: "#C C picks a
bag of clothes from the floor" (Ego4D), "C opens the drawer with his left hand." (Ego-Exo4D), "take plate" (EPIC),
"The left hand holds the bottle" (EgoExoLearn), "Opening a door" (Charades-Ego). What it cannot read stays None: a text
is never the worse for it, for it can be shown as it was written. How often it is right is measured against EPIC's own
verbs and nouns in tests/components/prompts/test_narration_text.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from components.prompts.narration_words import (
    ATTRIBUTE_OF,
    BEFORE_VERB,
    DETERMINERS,
    END,
    LEADING_VERB,
    NO_ADVERB,
    NO_VERB,
    NUMBERS,
    PARTICLE_OF,
    PARTICLES,
    PLACE,
    PRONOUNS,
)
from components.prompts.word_forms import base_form, singular

_TAGS = re.compile(r"^(?:\s*#\s*(?:unsure|summary|[co]))+\s*", re.IGNORECASE)  # "#Cc picks", "#O a man walks"
_OTHER = re.compile(r"^\s*(?:#\s*unsure\s*)*#\s*o", re.IGNORECASE)
_ONE_PERSON = (
    r"(?:(?:[Tt]he|[Aa]n?|[Aa]nother|[Oo]ther|[Tt]wo) )?"
    r"(?:[Cc]amera wearer|(?:[Pp]erson|[Mm]an|[Ww]oman|[Ll]ady|[Bb]oy|[Gg]irl|[Cc]hild|[Pp]layer|[Pp]eople)(?: [A-Z])?"
    r"|[Ss]omeone|[Hh]e|[Ss]he|[Tt]hey|[Yy]ou|[B-Zc](?: [B-Z])?)(?![\w'])"
)
_SUBJECT = re.compile(rf"^({_ONE_PERSON}(?: and {_ONE_PERSON})*) ")
_PERSON = re.compile(rf"^{_ONE_PERSON}$")
_HAND_ACTS = re.compile(r"^(?:[Tt]he |[Uu]se (?:your|the) )?([Ll]eft|[Rr]ight|[Bb]oth) hands? (?:to )?")
_HAND = re.compile(r"\b(left|right) hand\b|\b(both) (?:of \w+ )?hands\b|\b(both|two) hands\b", re.IGNORECASE)
_WEARER = {"c", "c c", "camera wearer", "the camera wearer", "you", "he", "she", "they", "someone", "person"}
_WEARER |= {"the person", "a person"}

_WORD = re.compile(r"[\w'-]+|[,;.:()]")


@dataclass(frozen=True)
class Thing:
    """What a noun phrase names.

    Attributes:
        phrase: as written, without its article: "red bag of clothes".
        noun: its head in the singular: "bag".
        bare: the phrase without number and attributes: "bag of clothes".
        attributes: (kind, word) of `ATTRIBUTES` for each adjective that is one.
        count: where the phrase has a number, "two eggs"; else None.
    """

    phrase: str
    noun: str
    bare: str
    attributes: tuple[tuple[str, str], ...] = ()
    count: int | None = None


@dataclass(frozen=True)
class Narration:
    """What a narration says; `verb`, `object`, `hand` and `place` are None where it does not say so.

    Attributes:
        text: as written, without tags and final full stop.
        wearer: whether it tells of the camera wearer, or of nobody by name; False for another person.
        verb: its base form, with the particle: "pick up".
        verb_words: the verb as written, without particle: "picks".
        object: what it is done to.
        hand: "left", "right" or "both".
        place: preposition and thing: ("from", the floor).
    """

    text: str
    wearer: bool = True
    verb: str | None = None
    verb_words: str | None = None
    object: Thing | None = None
    hand: str | None = None
    place: tuple[str, Thing] | None = None


def cleaned(text: str) -> str:
    """Take tags, doubled spaces and the final full stop from a narration.

    >>> cleaned("#C C  picks a bag of clothes from the floor. #unsure")
    'C picks a bag of clothes from the floor'
    """
    text = re.sub(r"(?:\s*#\w+)+\s*$", "", _TAGS.sub("", text))
    return " ".join(text.split()).rstrip(" .")


@lru_cache(1 << 16)  # short narrations come thousands of times
def read_narration(text: str) -> Narration:
    """Read a narration; never fails, for at least the text can be shown.

    >>> said = read_narration("#C C picks up a red bag of clothes from the floor with his left hand.")
    >>> said.verb, said.object.phrase, said.object.noun, said.hand, said.place[1].noun
    ('pick up', 'red bag of clothes', 'bag', 'left', 'floor')
    >>> said = read_narration("turn tap on")
    >>> said.verb, said.object.noun, said.place
    ('turn on', 'tap', None)
    """
    other, text = _OTHER.match(text), cleaned(text)
    subject = _SUBJECT.match(text)
    who = subject[1].casefold() if subject else ""
    wearer = not other and (not subject or who in _WEARER or who.split(" and ")[0] in ("c", "you"))
    hands = {next(filter(None, found)).lower().replace("two", "both") for found in _HAND.findall(text)}
    hand = hands.pop() if len(hands) == 1 else None
    rest = text[subject.end() :] if subject else text
    acting = _HAND_ACTS.match(rest)
    if acting and not subject:
        hand, rest = acting[1].lower(), rest[acting.end() :]
    words = _WORD.findall(rest)
    number = _verb_at(words)
    if number is None:
        return Narration(text, wearer, hand=hand)
    written = words[number]
    verb, words = base_form(written.lower()), words[number + 1 :]
    particle, words = _particle(verb, words)
    thing, words = _thing(words)
    late, words = _particle(verb, words) if thing and not particle and _ends_clause(words[1:]) else (None, words)
    place = _place(words)
    named = None if thing and thing.noun == "hand" and hand else thing  # "moves his right hand"
    full = " ".join(filter(None, (verb, particle or late)))
    return Narration(text, wearer, full, written, named, hand, place)


def _verb_at(words: list[str]) -> int | None:
    """Return where the verb stands: the first word that neither leads up to one nor is an adverb."""
    for number, (word, after) in enumerate(pairwise([*words[:5], ""])):
        plain, following = word.lower(), after.lower()
        adverb = plain in BEFORE_VERB or (plain.endswith("ly") and plain not in NO_ADVERB)
        leading = base_form(plain) in LEADING_VERB and (following == "to" or following.endswith("ing"))
        if not (following and (adverb or leading)):
            return number if plain.isalpha() and plain not in NO_VERB else None
    return None


def _particle(verb: str, words: list[str]) -> tuple[str | None, list[str]]:
    """Take the particle from the front of the words after a verb."""
    if not words:
        return None, words
    first = words[0].lower()
    if first not in PARTICLES and verb not in PARTICLE_OF.get(first, ()):
        return None, words
    return first, words[2:] if words[1:2] == words[:1] else words[1:]  # "put down down knife"


def _ends_clause(words: list[str]) -> bool:
    """Return whether after a late particle nothing follows that it could lead to."""
    return not words or words[0].lower() in END - {"of"} or not words[0].isalpha()


def _thing(words: list[str]) -> tuple[Thing | None, list[str]]:
    """Take a noun phrase from the front of words.

    Returns:
        What it names, None where there is none or a pronoun stands for it; and the words behind it.
    """
    end, of = 0, None
    while end < len(words):
        plain = words[end].lower()
        if plain == "of" and end and of is None:
            of = end
        elif (plain in END and not (plain == "up" and words[end - 1].endswith("ing"))) or not words[end][0].isalnum():
            break  # but "washing up liquid" is one thing
        end += 1
    named, rest = words[:end], words[end:]
    first = next((number for number, word in enumerate(named) if word.lower() not in DETERMINERS), len(named))
    named, of = named[first:], None if of is None else of - first
    if not named or named[0].lower() in PRONOUNS or of == 0 or _PERSON.match(" ".join(named)):
        return None, rest
    head = named[: of or len(named)]
    lower = [word.lower() for word in head]
    kept = [word for word in head[:-1] if word.lower() not in ATTRIBUTE_OF and word.lower() not in NUMBERS]
    attributes = tuple(ATTRIBUTE_OF[word] for word in lower[:-1] if word in ATTRIBUTE_OF)
    count = next((NUMBERS[word] for word in lower[:-1] if word in NUMBERS), None)
    bare = " ".join([*kept, head[-1], *named[len(head) :]])
    return Thing(" ".join(named), singular(lower[-1]), bare, attributes, count), rest


def _place(words: list[str]) -> tuple[str, Thing] | None:
    """Return the first place among the words behind an object that is no hand."""
    for number, (word, after) in enumerate(pairwise(words)):
        plain = word.lower()
        # "to" may lead to a verb too: "uses a knife to cut the onion"
        if plain in PLACE and (plain != "to" or after.lower() in DETERMINERS):
            thing, _ = _thing(words[number + 1 :])
            if thing and thing.noun != "hand":
                return plain, thing
    return None
