"""The closed lists of words that `narration_text` knows; the open ones, verbs and things, it reads."""

from __future__ import annotations

PARTICLES = {"up", "down", "off", "out", "away", "back"}
PARTICLE_OF = {  # after other verbs, these words begin a place or something else
    "on": {"turn", "switch", "put", "try"},
    "over": {"turn", "flip"},
    "around": {"turn", "move", "look", "mix", "walk"},
    "at": {"look", "stare", "gaze", "glance", "point"},
    "for": {"look", "search", "wait"},
    "to": {"talk", "listen", "speak"},
}
BEFORE_VERB = {"is", "are", "was", "were", "be", "and", "then", "also", "again", "to", "still", "now", "just"}
LEADING_VERB = {"start", "begin", "continue", "keep", "try", "stop"}  # before a verb, not before a thing
NO_ADVERB = {"apply", "supply", "fly", "reply", "assembly"}
PLACE = {"from", "on", "in", "into", "onto", "inside", "at", "under", "behind", "to", "off"}
END = PLACE | PARTICLES | {
    *("with", "by", "using", "for", "and", "while", "then", "over", "through", "towards", "toward", "around"),
    *("against", "beside", "between", "near", "across", "along", "before", "after", "as", "together", "again", "that"),
    *("which", "where", "so", "but", "or", "of", "until", "aside", "properly", "above", "below", "is", "closer"),
}  # fmt: skip
DETERMINERS = {"the", "a", "an", "his", "her", "their", "its", "your", "my", "some", "this", "that", "these", "those"}
DETERMINERS |= {"another", "other", "all", "more", "remaining", "one", "any"}
PRONOUNS = {"it", "them", "him", "himself", "herself", "something", "things", "thing", "everything", "each"}
NO_VERB = DETERMINERS | PRONOUNS | END | {"there", "left", "right", "and", "no", "not"}
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6}
ATTRIBUTES = {
    "colour": ("red", "green", "blue", "yellow", "white", "black", "brown", "orange", "pink", "purple", "grey"),
    "material": ("wooden", "metal", "plastic", "glass", "paper", "leather", "ceramic", "rubber", "cotton"),
    "size": ("small", "big", "long", "short"),
    "state": ("clean", "dirty", "wet", "dry", "empty", "full", "open", "closed"),
}
_OPPOSED = (
    ("small", "big"),
    ("long", "short"),
    ("clean", "dirty"),
    ("wet", "dry"),
    ("empty", "full"),
    ("open", "closed"),
)
OPPOSITES = {one: other for pair in _OPPOSED for one, other in (pair, pair[::-1])}
ATTRIBUTE_OF = {word: (kind, word) for kind, words in ATTRIBUTES.items() for word in words}
ATTRIBUTE_OF |= {"gray": ("colour", "grey"), "large": ("size", "big"), "little": ("size", "small")}
