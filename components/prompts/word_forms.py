"""Base forms of the verbs and nouns of narrations, by rule: "stirring" is to stir, "knives" are a knife."""

from __future__ import annotations

import re

_VERBS = {"has": "have", "does": "do", "goes": "go", "is": "is", "lies": "lie", "ties": "tie", "dries": "dry"}
_VERBS |= {"tying": "tie", "lying": "lie", "changing": "change", "arranging": "arrange", "measuring": "measure"}
_VERBS |= {"preparing": "prepare", "opening": "open", "covering": "cover", "going": "go", "separating": "separate"}
_VERBS |= {"bring": "bring", "sing": "sing", "swing": "swing", "string": "string", "wring": "wring", "fling": "fling"}
_NOUNS = {"knives": "knife", "leaves": "leaf", "loaves": "loaf", "shelves": "shelf", "halves": "half", "feet": "foot"}
_NOUNS |= {"scissors": "scissors", "clothes": "clothes", "pants": "pants", "glasses": "glass", "men": "man"}
_NOUNS |= {
    "women": "woman",
    "people": "person",
    "teeth": "tooth",
    "children": "child",
    "cookies": "cookie",
    "sodas": "soda",
}
_SIBILANT = re.compile(r"(?:ss|sh|ch|x|zz|o)es$")
_VOWEL_GROUPS = re.compile(r"[aeiouy]+")


def base_form(verb: str) -> str:
    """Return the base form of a verb in the third person or with -ing; of any other form the form itself.

    >>> [base_form(verb) for verb in ("picks", "washes", "carries", "press", "stirring", "wiping", "hold")]
    ['pick', 'wash', 'carry', 'press', 'stir', 'wipe', 'hold']
    """
    if verb in _VERBS:
        return _VERBS[verb]
    if verb.endswith("ing") and len(verb) > 4:
        return _without_ing(verb[:-3])
    return _without_s(verb)


def singular(noun: str) -> str:
    """Return the singular of a noun.

    >>> [singular(noun) for noun in ("eggs", "dishes", "knives", "berries", "glass", "tomatoes", "asparagus")]
    ['egg', 'dish', 'knife', 'berry', 'glass', 'tomato', 'asparagus']
    """
    return _NOUNS[noun] if noun in _NOUNS else _without_s(noun)


def _without_s(word: str) -> str:
    if not word.endswith("s") or len(word) < 3 or word.endswith(("ss", "us", "is", "as")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    return word[:-2] if _SIBILANT.search(word) else word[:-1]


def _without_ing(stem: str) -> str:
    last, before = stem[-1], stem[-2] if len(stem) > 1 else ""
    if last == before and last not in "lszf":
        return stem[:-1]  # "cutting"
    one_syllable = len(_VOWEL_GROUPS.findall(stem)) == 1
    short = one_syllable and last not in "aeiouwxy" and before in "aeiou" and stem[-3:-2] not in tuple("aeiou")
    soft = last in "cvz" or (last == "s" and before != "s") or (last == "l" and before in "bcdfgkptz")
    return stem + "e" if short or soft else stem
