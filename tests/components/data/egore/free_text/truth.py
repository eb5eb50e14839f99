"""What the narrations of `human_narrations` tell, by a table of their words: the tests' own judge of what is false.

It is made for these narrations alone and knows nothing of components/data/egore/free_text: the first known verb of a
text, and the first known thing behind it. Words of one row mean the same.
"""

import re

_VERBS = """
pick take remove lift raise grab
detach
put lower place drop throw hang arrange
insert attach fit
open
close
wash rinse wipe clean dry dust
pour add spray
turn rotate spin flip switch
push press squeeze pull
switch_on turn_on
switch_off turn_off
loosen
tighten
move carry slide shake walk
look stare inspect
fold
iron
scratch
converse point
sit
inflate
dip
mark
glue
adjust
hand
wear
crack
whisk stir
chop
eat
hold
write
"""
_THINGS = """
bag clothes
shirt
machine
room
sock
bottle
detergent
button
door
knob
man
basket
window
curtain
towel
trouser
head
pillow
lamp
hand
bicycle bike
clamp
wrench spanner
nut
wheel
lever
tyre
tube
pump
valve
hole
patch
box
cable
chain
pedal
saddle seat
rag cloth
helmet
fridge
egg
bowl
shell
drawer
spoon
hob
pan
oil
knife
pepper
tap
omelette
cupboard
plate
fork
beaker
solution
rod
reagent
pipette
result
notebook
"""
_NOT_THINGS = re.compile(
    r"\b(?:his|her|the|your|both|left|right)? ?(?:left|right|both|his|her) hands?\b|\btest\b|\bbrake\b"
)


def _table(rows: str) -> dict[str, int]:
    return {word: number for number, row in enumerate(rows.split("\n")) for word in row.split()}


VERBS, THINGS = _table(_VERBS), _table(_THINGS)


def _base(word: str) -> str:
    forms = (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y")
    return next((form for form in forms if form in VERBS or form in THINGS), word)


def verb_of(text: str) -> int | None:
    """The number of the verb, None where none is known."""
    words = [_base(word) for word in re.findall(r"\w+", _NOT_THINGS.sub(" ", text.lower()))]
    number = next((number for number, word in enumerate(words) if word in VERBS), None)
    if number is None:
        return None
    switched = next((word for word in words[number + 1 :] if word in ("on", "off")), None)
    turned = words[number] == "turn" and {"tap", "hob", "lamp"} & set(words)
    is_switched = switched and (turned or words[number] == "switch")
    return VERBS[f"{words[number]}_{switched}"] if is_switched else VERBS[words[number]]


def things_of(text: str) -> list[int]:
    """The numbers of all things that a text names, in its order."""
    words = [_base(word) for word in re.findall(r"\w+", _NOT_THINGS.sub(" ", text.lower()))]
    verb = next((number for number, word in enumerate(words) if word in VERBS), -1)
    return [THINGS[word] for word in words[verb + 1 :] if word in THINGS]


def event_of(text: str) -> tuple[int | None, int | None]:
    """The verb, and the thing that it is done to."""
    return verb_of(text), next(iter(things_of(text)), None)
