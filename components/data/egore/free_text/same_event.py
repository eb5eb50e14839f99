"""Whether two narrations of people may tell of the same: what is said not to happen must be false.

Annotators say one thing in many words: "picks the cup", "takes a mug". So a verb stands for all verbs of its family, a
thing for all things that a word of its phrase could name, and what is in doubt counts as the same. The families are
those of EPIC-100's verb and noun classes as far as they are everyday words, with what Ego4D's annotators say for them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from components.prompts.narration_text import Narration, Thing
from components.prompts.narration_words import ATTRIBUTE_OF, BEFORE_VERB, DETERMINERS, END, NUMBERS, PRONOUNS
from components.prompts.word_forms import singular

TAKE = "take pick grab get collect fetch lift raise remove pull receive catch retrieve grasp select choose"
PUT = "put place drop set keep lay return replace position insert arrange store hang throw lower wear"
SHUT = "close shut cover seal lock stop turn_off switch_off"
_VERB_FAMILIES = (
    *(TAKE, PUT, SHUT),
    "open start unlock uncover unscrew unwrap untie turn_on switch_on",
    "turn rotate flip twist spin adjust",
    "wash rinse clean wipe scrub lather brush sweep dust mop dry",
    "cut chop slice dice trim split divide peel scrape skin saw break tear",
    "stir mix whisk beat blend shake knead",
    "pour add empty fill sprinkle tip drain spill spray apply spread squeeze",
    "move shift slide shake push pull drag transfer turn rotate flip carry bring pass adjust arrange lift throw",
    "look watch stare gaze glance view observe check inspect examine read search",
    "walk go enter step run climb leave move",
    "talk speak converse chat discuss interact communicate laugh smile listen ask",
    "press push pull squeeze tap type operate scroll swipe click use",
    "fold roll wrap bend",
    "eat taste chew bite drink sip",
    "attach fix join connect tighten fasten screw tie install assemble insert fit mount",
    "detach loosen unscrew disconnect remove",
    "write draw paint mark sketch",
    "sew knit stitch crochet",
    "hit hammer knock strike beat",
    "sand smooth polish scrape rub scratch",
)
_ANY_VERB = set("hold touch use handle grip carry have do make operate work continue feel".split())
_NOUN_FAMILIES = (
    "table counter countertop worktop surface top slab desk bench workbench side",
    "fridge refrigerator freezer",
    "tap faucet water",
    "cupboard cabinet shelf rack drawer wardrobe",
    "pan skillet pot saucepan wok frypan cooker",
    "bin trash dustbin garbage waste rubbish",
    "cloth towel rag napkin tissue clothes shirt garment dress trouser laundry fabric",
    "sink basin",
    "floor ground carpet mat rug",
    "phone cellphone smartphone mobile screen",
    "knife blade cutter scissors",
    "bag sack pack packet package pouch wrapper box container carton tin jar can bottle tub basket",
    "bowl dish plate tray",
    "cup mug glass",
    "stove cooker hob burner gas oven",
    "screwdriver wrench spanner ratchet driver drill",
    "wheel tire tyre",
    "bike bicycle",
    "paper sheet page book notebook cardboard",
    "wood plank board timber log",
    "laptop computer keyboard mouse screen tablet",
    "spoon spatula ladle fork chopstick",
    "onion potato tomato pepper carrot vegetable garlic",
    "chair seat stool sofa couch",
    "lid cover cap",
    "sponge scrubber brush",
    "dough flour bread",
)
_ANY_NOUN = set("item object thing tool utensil food ingredient stuff piece part material mixture set pair bit".split())
_STOP = END | DETERMINERS | PRONOUNS | BEFORE_VERB | set(NUMBERS) | {"c", "o", "hand", "left", "right", "both"}
_MOST_SHARED = 0.5  # of the fewer content words, that two texts of different events may have in common
_WORDS = re.compile(r"\w+")


def _families(lists: tuple[str, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for words in lists:
        for word in words.split():
            found.setdefault(word.replace("_", " "), set()).add(words)
    return {word: frozenset(families) for word, families in found.items()}


_OF_VERB, _OF_NOUN = _families(_VERB_FAMILIES), _families(_NOUN_FAMILIES)


@lru_cache(1 << 16)
def normal(text: str) -> str:
    """Return a text as it is compared: options that differ in case, spaces or a full stop are one option."""
    return " ".join(text.casefold().split()).rstrip(" .")


@lru_cache(1 << 16)
def content_words(text: str) -> frozenset[str]:
    """Return the words of a text that say what happens, in their base form."""
    words = (singular(word) for word in _WORDS.findall(text.casefold()))
    return frozenset(word for word in words if word not in _STOP)


@lru_cache(1 << 16)
def _verb_keys(verb: str) -> frozenset[str]:
    head, *particle = verb.split()
    # "turn off" is the opposite of "turn on"; of any other verb the particle changes little
    if particle and verb in _OF_VERB:
        return _OF_VERB[verb]
    return _OF_VERB.get(head, frozenset()) | {head}


@lru_cache(1 << 16)
def noun_keys(phrase: str) -> frozenset[str]:
    """Return what the words of a phrase may name: themselves and their families; empty for "item" and the like."""
    words = {singular(word) for word in _WORDS.findall(phrase.casefold())}
    words = {word for word in words if word not in _STOP | _ANY_NOUN and word not in ATTRIBUTE_OF}
    return frozenset(words).union(*map(_noun_families, words))


@lru_cache(1 << 16)
def _noun_families(word: str) -> frozenset[str]:
    """Return the families of a noun, and of that which ends it: a toolbox is a box, a saucepan a pan."""
    parts = (word[start:] for start in range(len(word) - 2))
    return frozenset().union(*(_OF_NOUN.get(part, frozenset()) for part in parts))


@lru_cache(1 << 16)
def same_verb(one: str, other: str) -> bool:
    """Return whether two verbs may tell of the same action.

    >>> same_verb("pick up", "take"), same_verb("cut", "hold"), same_verb("cut", "wash")
    (True, True, False)
    """
    return is_vague(one) or is_vague(other) or one_family(one, other)


@lru_cache(1 << 16)
def one_family(one: str, other: str) -> bool:
    """Return whether two verbs have a family in common."""
    return not _verb_keys(one).isdisjoint(_verb_keys(other))


@lru_cache(1 << 16)
def is_vague(verb: str) -> bool:
    """Return whether a verb may go with any other action on the same thing, as "hold" does."""
    return verb.split()[0] in _ANY_VERB


def is_of(family: str, verb: str | None) -> bool:
    """Return whether a verb is one of `TAKE`, `PUT` or `SHUT`."""
    return verb is not None and family in _verb_keys(verb)


def same_thing(one: Thing, other: Thing) -> bool:
    """Return whether two things may be one.

    >>> from components.prompts.narration_text import read_narration as read
    >>> same_thing(read("take cup").object, read("wash the blue mug").object)
    True
    """
    mine, others = noun_keys(one.phrase), noun_keys(other.phrase)
    return not mine or not others or not mine.isdisjoint(others)


def mentions(said: Narration, thing: Thing) -> bool:
    """Return whether a narration may name a thing anywhere, as a tool or a place too."""
    keys = noun_keys(thing.phrase)
    return not keys or not keys.isdisjoint(noun_keys(said.text))


def may_be_same(one: Narration, other: Narration) -> bool:
    """Return whether two narrations may tell of the same event; so they do where it cannot be told.

    >>> from components.prompts.narration_text import read_narration as read
    >>> taken = read("#C C picks up a cup from the table")
    >>> [may_be_same(taken, read(text)) for text in ("take mug", "C holds the cup", "C washes the cup")]
    [True, True, False]
    """
    if normal(one.text) == normal(other.text):
        return True
    words, others = content_words(one.text), content_words(other.text)
    fewer = min(len(words), len(others))
    if fewer and len(words & others) > _MOST_SHARED * fewer:
        return True
    if one.verb is None or other.verb is None or not same_verb(one.verb, other.verb):
        return False
    if one.object is None and other.object is None:
        return True
    if one.object is None:
        return other.object is not None and _may_be_of(one, other.object)
    if other.object is None:
        return _may_be_of(other, one.object)
    if is_vague(one.verb) or is_vague(other.verb):
        return mentions(one, other.object) or mentions(other, one.object)
    return same_thing(one.object, other.object)


def _may_be_of(said: Narration, thing: Thing) -> bool:
    """Return whether a narration without an object may be of a thing: "puts it in the bin" may be of any."""
    return mentions(said, thing) or any(word in PRONOUNS for word in said.text.casefold().split())
