"""The world's text: what the miniature language model reads before it ever sees a frame (it plays Mistral or Qwen).

A fresh scripted take gives facts; the facts stand, as weighted bags of words, at the very placeholders where visual
tokens will stand later; questions and answers come from the same functions as the data graph. No frame, no annotation
file and no held-out take is involved: its takes have indices of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components import prompts
from components.data.egoit import instruction_templates
from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based import chain_of_thought, long_questions
from components.data.egore.rule_based.short_questions import background, count, existence, reason, slots
from components.metrics import Box
from components.models.configuration import EgoflowConfig
from components.models.processing import layout
from components.prompts import kitchen_grammar
from components.world.script import Event, Take, scene_at, script_take
from components.world.shapes import Shape, ego_shapes

FIRST_TAKE = 1_000_000  # far from the takes that are rendered
TAKES = 6_000  # takes that the text speaks of; scripting one costs as much as learning from it
# questions about one context: it is read once, and looking facts up is learned by the number of look-ups
TURNS = {"clip": 4, "window": 6, "image": 5}
BEGINNINGS = 0.02  # of the windows: what comes next can only be asked where it is not seen
ENTRIES = 8  # of a list
AROUND = 0.25  # of the plain questions about a clip, those about what lies around the action
CHAINED = 0.3  # of the questions about the steps of a window, those answered with a chain of thought
# finding an event by its slots is learned late and at once, and sooner when nothing else is read until then (measured)
WINDOWS_FIRST = 0.31  # share of the steps
# context -> share after that, and task -> share among its questions. "when" asks by any words that name an event, in
# few tokens; "place" asks the inverse of a box: what is at 5, 40?
CONTEXTS = {"clip": 0.50, "window": 0.15, "image": 0.35}
TASKS = {
    "clip": {"caption": 0.4, "qa": 0.5, "cot": 0.1},
    "window": {"times": 0.35, "ground_temporal": 0.25, "when": 0.35, "long": 0.05},
    "image": {"boxes": 0.25, "ground_spatial": 0.5, "place": 0.25},
}
CAPTIONING = [text for texts in instruction_templates.CAPTIONING.values() for text in texts]
RECOGNITION = instruction_templates.RECOGNITION  # by source: their answers differ
RECOGNITION_SHARES = {"egoexolearn": 0.6, "ssv2": 0.2, "egtea": 0.2}
QUESTIONS = [text for texts in instruction_templates.QUESTIONS.values() for text in texts]
INSTRUCTIONS = [*CAPTIONING, *(text for texts in RECOGNITION.values() for text in texts), *QUESTIONS]
INSTRUCTED = 0.1  # share of the plain questions about a clip that an instruction stands before
IDLE = "nothing"  # an empty bag would leave the bare time, which then outshouts every real step
Bag = list[tuple[str, float]]  # words and weights of one placeholder


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    task: str
    question: str
    answer: str


@dataclass(frozen=True)
class TextSample:
    """Questions about one set of facts; `bags` holds one bag for every patch placeholder of `visual`, in order."""

    visual: str
    bags: list[Bag]
    turns: tuple[Turn, ...]


# layout, bags, and a function that asks one question of a task
Context = tuple[str, list[Bag], Callable[[str], Turn | None]]


@dataclass(frozen=True)
class Rules:
    """The values of params/data.yaml that fix how answers are written."""

    window_frames: int
    box_grid: int
    time_step_s: float


def sample(config: EgoflowConfig, context: str, seed: int, index: int, rules: Rules) -> TextSample:
    """Make text sample `index` about a "clip", a "window" or an "image"; the same arguments give the same sample.

    Raises:
        KeyError: an unknown context.
    """
    rng = np.random.default_rng((seed, index, 17))
    while True:
        take = script_take(seed, FIRST_TAKE + int(rng.integers(TAKES)))
        visual, bags, ask = {"clip": _clip, "window": _window, "image": _image}[context](config, rng, take, rules)
        tasks = TASKS[context]
        shares = np.array(list(tasks.values()))
        drawn = rng.choice(list(tasks), size=2 * TURNS[context], p=shares / shares.sum())
        # what this context cannot be asked gives None; to ask twice teaches nothing
        turns = {turn.question: turn for turn in (ask(str(task)) for task in drawn) if turn is not None}
        if turns:
            return TextSample(visual, bags, tuple(turns.values())[: TURNS[context]])


def _clip(config: EgoflowConfig, rng: np.random.Generator, take: Take, rules: Rules) -> Context:
    """Two steps around an event; in some of them guidance repeats the facts, so that [x ; F(x)] is familiar."""
    event = take.events[rng.integers(len(take.events))]
    facts, steps = take.facts(event), 2
    qas, side = slots.questions(facts), config.grid(steps)
    view = "ego" if rng.random() < 0.6 else "exo"
    guidance = view == "ego" and rng.random() < 0.4
    middle = event.start_s + (event.end_s - event.start_s) * rng.uniform(0.3, 0.7)
    times_s = [middle + dt for _ in range(1 + guidance) for dt in (-0.25, 0.25)]
    bags = [bag for time_s in times_s for bag in _cells(take, event, time_s, side, rng)]

    def ask(task: str) -> Turn:
        qa = qas[rng.integers(len(qas))]
        if task == "qa" and rng.random() < AROUND:
            qa = _around(take, event, middle, rng)
        if task == "caption":
            return Turn(task, str(rng.choice(CAPTIONING)), kitchen_grammar.narrate(facts))
        if task == "cot":
            return _chained(task, qa, [facts])
        if rng.random() < 0.15:
            source = str(rng.choice(list(RECOGNITION_SHARES), p=list(RECOGNITION_SHARES.values())))
            return Turn(task, str(rng.choice(RECOGNITION[source])), label(source, facts))
        if rng.random() < INSTRUCTED:
            return Turn(task, f"{rng.choice(QUESTIONS)} {qa.question}", qa.answer)
        return Turn(task, qa.question, qa.answer)

    return layout(config, view, steps * config.tubelet_frames, guidance=guidance), bags, ask


def label(source: str, facts: kitchen_grammar.Facts) -> str:
    """Say what a clip shows as a source of action recognition labels it."""
    said = {"ssv2": f"{facts.verb} the {facts.object}", "egtea": f"{facts.verb} {facts.type}"}
    return said.get(source, facts.verb)


def _chained(task: str, qa: QA, steps: list[kitchen_grammar.Facts]) -> Turn:
    return Turn(
        task, chain_of_thought.question(qa), prompts.think_answer(chain_of_thought.thought(qa, steps), qa.answer)
    )


def _around(take: Take, event: Event, time_s: float, rng: np.random.Generator) -> QA:
    """Ask whether something is there, or for what is seen and not touched; the first where nothing lies by."""
    if rng.random() < 0.5:
        seen = ego_shapes(take, time_s)
        touched = {shape.contact for shape in seen} | {take.facts(event).object}
        looks = [shape.name.split() for shape in seen if shape.visible and not shape.name.endswith(" hand")]
        kinds = [kind for _, kind in looks]
        lying = [look for look in looks if kinds.count(look[1]) == 1 and " ".join(look) not in touched]
        if lying:
            return background.question(*lying[rng.integers(len(lying))])
    item = take.items[event.item]
    if rng.random() < 0.5:
        return existence.question(item.colour, item.kind, there=True)
    there = {(other.colour, other.kind) for other in take.items}
    like = [look for look in kitchen_grammar.similar_looks(item.colour, item.kind) if look not in there]
    return existence.question(*like[rng.integers(len(like))], there=False)


def _cells(take: Take, event: Event, time_s: float, side: int, rng: np.random.Generator) -> list[Bag]:
    """Bags of the side x side cells of a frame: what lies in a cell, weighted by how much of the cell it covers."""
    facts = take.facts(event)
    bags: list[Bag] = [[] for _ in range(side * side)]
    for shape in ego_shapes(take, time_s):
        points = np.clip(np.concatenate(shape.polygons), 0, 1)
        # Python's own numbers: the loops below take them one by one
        low, high = (points.min(0) * side).tolist(), (points.max(0) * side).tolist()
        words = shape.name.split()[: 1 if shape.name.endswith(" hand") else 2]
        if shape.name == facts.object:
            words = [*words, *event.verb.split(), event.hand]
        elif shape.name == f"{event.hand} hand":
            words = [*words, *event.verb.split()]
        for row in range(int(low[1]), min(side, int(high[1]) + 1)):
            for col in range(int(low[0]), min(side, int(high[0]) + 1)):
                cover = (min(high[0], col + 1) - max(low[0], col)) * (min(high[1], row + 1) - max(low[1], row))
                if cover > 0.02 and rng.random() > 0.05:  # a seeing encoder misses things
                    bags[row * side + col] += [(word, cover) for word in words]
    return bags


def _image(config: EgoflowConfig, rng: np.random.Generator, take: Take, rules: Rules) -> Context:
    """One frame: where is this, and what is there?"""
    time_s = rng.uniform(0, take.take_s)
    side = config.grid(1)
    acting = scene_at(take, time_s).acting or take.events[0]
    shapes = [shape for shape in ego_shapes(take, time_s) if shape.visible]

    def box(shape: Shape) -> Box:
        points = np.clip(np.concatenate(shape.polygons), 0, 1) * 100
        (x1, y1), (x2, y2) = points.min(0), points.max(0)
        return x1, y1, x2, y2

    def ask(task: str) -> Turn | None:
        if not shapes:
            return None
        shape = shapes[rng.integers(len(shapes))]
        box_xyxy = box(shape)
        if task == "boxes":
            told = [shapes[number] for number in rng.permutation(len(shapes))[:ENTRIES]]
            entries = [f"{each.name} {_numbers(prompts.format_box(box(each), rules.box_grid))}" for each in told]
            return Turn(task, "all boxes", " ; ".join(entries))
        if task == "place":
            cells = [min(side - 1, int((box_xyxy[axis] + box_xyxy[axis + 2]) / 200 * side)) for axis in (0, 1)]
            x, y = ((cell * 100 + 50) // side for cell in cells)
            return Turn(task, f"what is at {x}, {y}?", f"the {shape.name}")
        answer = prompts.spatial_answer(shape.name, box_xyxy, rules.box_grid)
        return Turn(task, prompts.spatial_question(shape.name), answer)

    return layout(config, "ego", config.tubelet_frames), _cells(take, acting, time_s, side, rng), ask


def _window(config: EgoflowConfig, rng: np.random.Generator, take: Take, rules: Rules) -> Context:
    """The whole take, one bag a step: the facts of what is being done; or a beginning of it, and what comes next."""
    begun, end_s = _beginning(take, rng) if rng.random() < BEGINNINGS else ([], take.take_s)
    steps = rules.window_frames // config.tubelet_frames
    patches = config.grid(steps) ** 2
    events = [(facts.verb, facts.colour, facts.type) for facts in map(take.facts, take.events)]
    step_s = end_s / steps
    view = "ego" if rng.random() < 0.7 else "exo"
    acting = [_during(take, (step + 0.5) * step_s) for step in range(steps)]
    bags: list[Bag] = []
    for event in acting:
        words, weight = (IDLE,), 2.0
        if event is not None:
            facts = take.facts(event)
            words, weight = (*facts.verb.split(), facts.colour, facts.type, event.hand), 1.0
        bags += [[(word, weight) for word in words if rng.random() > 0.03]] * patches

    def ask(task: str) -> Turn | None:
        event = take.events[rng.integers(len(take.events))]
        facts = take.facts(event)
        if task == "long" or begun:
            if begun:
                qa = begun[rng.integers(len(begun))]
                return Turn("long", qa.question, qa.answer)
            qas, told = long_questions.questions(_told(take)), [take.facts(e) for e in take.events]
            chains = [(reason.question(one, then.verb), [one, then]) for one, then in reason.pairs(told)]
            chains.append((count.question(told), told))
            number = rng.integers(len(qas) + len(chains))
            if number >= len(qas) and rng.random() < CHAINED:
                return _chained(task, *chains[number - len(qas)])
            qa = [*qas, *(qa for qa, _ in chains)][number]
            return Turn(task, qa.question, qa.answer)
        if task == "when":
            said, number = _reference(events, rng)
            event = take.events[number]
            return Turn(task, f"when: {said}?", prompts.format_span(event.start_s, event.end_s, rules.time_step_s))
        if task == "times":
            told = [_reference(events, rng) for _ in range(ENTRIES)]
            named = [take.events[number] for _, number in told]
            spans = [prompts.format_span(each.start_s, each.end_s, rules.time_step_s) for each in named]
            entries = [f"{said} {_numbers(span)}" for (said, _), span in zip(told, spans, strict=True)]
            return Turn(task, "all times", " ; ".join(entries))
        answer = prompts.temporal_answer(facts.event, event.start_s, event.end_s, rules.time_step_s)
        return Turn(task, prompts.temporal_question(facts.event), answer)

    return layout(config, view, rules.window_frames), bags, ask


def _told(take: Take) -> list[long_questions.Event]:
    return [(take.facts(event), event.start_s, event.end_s) for event in take.events]


def _beginning(take: Take, rng: np.random.Generator) -> tuple[list[QA], float]:
    """Draw a pause of the take: what is asked of all before it, nothing if there is no pause, and where that ends."""
    asked = long_questions.beginnings(_told(take))
    end_s = asked[rng.integers(len(asked))][1] if asked else take.take_s
    return [qa for qa, until_s in asked if until_s == end_s], end_s


def _reference(events: list[tuple[str, str, str]], rng: np.random.Generator) -> tuple[str, int]:
    """Draw one to three words of an event that name no other ("red", "washes bowl"), and give its number too."""
    while True:
        number = int(rng.integers(len(events)))
        named = sorted(rng.permutation(3)[: rng.integers(1, 4)].tolist())
        said = [events[number][n] for n in named]
        if sum([words[n] for n in named] == said for words in events) == 1:
            return " ".join(said), number


def _numbers(answer: str) -> str:
    """Leave the numbers of a written interval or box: "(3, 6)" is 3 6."""
    return " ".join(re.findall(r"[\d.]+", answer))


def _during(take: Take, time_s: float) -> Event | None:
    return next((event for event in take.events if event.start_s <= time_s < event.end_s), None)
