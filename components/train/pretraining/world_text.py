"""Text about the miniature's world, on which its language model is pre-trained before it sees a frame.

The miniature's language model stands for a downloaded Mistral or Qwen2. A fresh scripted take gives facts. They are
put, as weighted bags of words, at the placeholders that hold visual tokens in later stages; questions and answers come
from the same functions as those of the data graph. No frame, no annotation file and no held-out take is involved: the
takes have indices of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components import prompts
from components.data.egoit import instruction_templates
from components.data.egore.multiple_choice import QA, options
from components.data.egore.rule_based import chain_of_thought, long_questions
from components.data.egore.rule_based.short_questions import count, reason, slots
from components.metrics import Box
from components.models.configuration import EgoflowConfig
from components.models.processing import layout
from components.prompts import kitchen_grammar
from components.train.pretraining import take_facts
from components.train.pretraining.take_facts import Bag
from components.video import frames_within, middles
from components.world.script import Take, scene_at, script_take
from components.world.shapes import Shape, ego_shapes

FIRST_TAKE = 1_000_000  # far from the takes that are rendered
TAKES = 6_000  # takes that the text is about; to script one costs as much time as a training step on it
# questions about one context: the context is read once for all, and it is the number of questions that teaches to look
# facts up in it
TURNS = {"clip": 4, "window": 6, "image": 5}
# share of the windows that end at a pause of the take: what comes next can only be asked where it is not seen
BEGINNINGS = 0.02
ENTRIES = 8  # most entries of an answer that lists boxes, and number of entries of one that lists times
OPTIONS = 4  # most options of a closed question
AROUND = 0.25  # share of the plain questions about a clip that are about objects which the action does not touch
CITED = 0.2  # share of the questions about the time of an event that ask for its key frames too
CHAINED = 0.3  # share of the questions about the steps of a window that are answered with a chain of thought
# share of the training steps, from the first, that hold windows alone: to find an event by its slots is learned late
# and suddenly, and sooner when nothing else is trained on until then. Measured on held-out intervals: an overlap of .1
# after 200 such steps, .82 after 400, .97 after 900; where they ended at 280, it was .42 when training ended
WINDOWS_FIRST = 0.42
# context -> its share of the steps after these, and context -> task -> share of the questions about it. "when" asks for
# the time of an event by one to three of its words; "place" is a box the other way round: "what is at 5, 40?"
CONTEXTS = {"clip": 0.44, "window": 0.26, "image": 0.30}
TASKS = {
    "clip": {"caption": 0.4, "qa": 0.45, "cot": 0.15},
    "window": {"times": 0.35, "ground_temporal": 0.25, "when": 0.35, "long": 0.05},
    "image": {"boxes": 0.25, "ground_spatial": 0.5, "place": 0.25},
}
CAPTIONING = [text for texts in instruction_templates.CAPTIONING.values() for text in texts]
RECOGNITION = instruction_templates.RECOGNITION  # by source: their answers differ
RECOGNITION_SHARES = {"egoexolearn": 0.6, "ssv2": 0.2, "egtea": 0.2}
QUESTIONS = [text for texts in instruction_templates.QUESTIONS.values() for text in texts]
INSTRUCTIONS = [*CAPTIONING, *(text for texts in RECOGNITION.values() for text in texts), *QUESTIONS]
INSTRUCTED = 0.1  # share of the plain questions about a clip that an instruction stands before
# the word of a step in which nobody acts: with an empty bag its embedding would be that of its time alone, to which the
# model would attend more than to any step with facts
IDLE = "nothing"


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    task: str
    question: str
    answer: str


@dataclass(frozen=True)
class TextSample:
    """Questions about one set of facts.

    Args:
        visual: the visual part of the prompt, as `processing.layout` writes it.
        bags: one bag for each patch placeholder of `visual`, in order.
        turns: the questions and their answers.
    """

    visual: str
    bags: list[Bag]
    turns: tuple[Turn, ...]


# the layout, its bags, and a function that makes one question of a task; None where the task does not apply
Context = tuple[str, list[Bag], Callable[[str], Turn | None]]


@dataclass(frozen=True)
class Rules:
    """The values of params/data.yaml that fix how answers are written."""

    window_frames: int
    box_grid: int
    time_step_s: float


def sample(config: EgoflowConfig, context: str, seed: int, index: int, rules: Rules) -> TextSample:
    """Make a text sample; the same arguments make the same sample.

    Args:
        config: of the model; says how many placeholders a context has.
        context: what the sample is about: "clip", "window" or "image".
        seed: of all samples.
        index: of this sample.
        rules: how answers are written.

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
        # None: the task does not apply to this take. A question that comes twice is kept once
        turns = {turn.question: turn for turn in (ask(str(task)) for task in drawn) if turn is not None}
        if turns:
            return TextSample(visual, bags, tuple(turns.values())[: TURNS[context]])


def _clip(config: EgoflowConfig, rng: np.random.Generator, take: Take, rules: Rules) -> Context:
    """Make a clip: two steps of video around an event.

    In some of them the facts stand twice, as frames x and their mapping F(x) will where a later stage uses guidance.
    """
    event = take.events[rng.integers(len(take.events))]
    facts, steps = take.facts(event), 2
    qas, side = slots.questions(facts), config.grid(steps)
    view = "ego" if rng.random() < 0.6 else "exo"
    guidance = view == "ego" and rng.random() < 0.4
    middle = event.start_s + (event.end_s - event.start_s) * rng.uniform(0.3, 0.7)
    times_s = [middle + dt for _ in range(1 + guidance) for dt in (-0.25, 0.25)]
    bags = [bag for time_s in times_s for bag in take_facts.cell_bags(take, event, time_s, side, rng)]

    def ask(task: str) -> Turn:
        qa = qas[rng.integers(len(qas))]
        if task == "qa" and rng.random() < AROUND:
            qa = take_facts.surroundings_question(take, event, middle, rng)
        if task == "caption":
            return Turn(task, str(rng.choice(CAPTIONING)), kitchen_grammar.narrate(facts))
        if task == "cot":
            return _chained(task, qa, [facts], rng)
        if rng.random() < 0.15:
            source = str(rng.choice(list(RECOGNITION_SHARES), p=list(RECOGNITION_SHARES.values())))
            return Turn(task, str(rng.choice(RECOGNITION[source])), label(source, facts))
        if rng.random() < INSTRUCTED:
            return Turn(task, f"{rng.choice(QUESTIONS)} {qa.question}", qa.answer)
        return Turn(task, qa.question, qa.answer)

    return layout(config, view, steps * config.tubelet_frames, guidance=guidance), bags, ask


def label(source: str, facts: kitchen_grammar.Facts) -> str:
    """Return the label of a clip in the form of a data set of action recognition.

    Args:
        source: "ssv2", "egtea" or "egoexolearn".
        facts: of the clip's action.
    """
    labels = {"ssv2": f"{facts.verb} the {facts.object}", "egtea": f"{facts.verb} {facts.type}"}
    return labels.get(source, facts.verb)


def _chained(task: str, qa: QA, steps: list[kitchen_grammar.Facts], rng: np.random.Generator) -> Turn:
    """Return a question whose answer, a letter, is reasoned about step by step."""
    choices, index = options(qa, OPTIONS, key=str(rng.integers(2**32)))
    target = {"kind": "choice", "choices": choices, "answer_index": index}
    answer = prompts.think_answer(chain_of_thought.thought(qa, steps), qa.answer)
    return Turn(
        task,
        prompts.with_letters(chain_of_thought.question(qa), choices),
        prompts.taught_answer({"answer": answer, "target": target}),
    )


def _image(config: EgoflowConfig, rng: np.random.Generator, take: Take, rules: Rules) -> Context:
    """Make an image: one frame, with questions for the box of an object and for the object at a place."""
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
            listed = [shapes[number] for number in rng.permutation(len(shapes))[:ENTRIES]]
            entries = [f"{other.name} {_numbers(prompts.format_box(box(other), rules.box_grid))}" for other in listed]
            return Turn(task, "all boxes", " ; ".join(entries))
        if task == "place":
            cells = [min(side - 1, int((box_xyxy[axis] + box_xyxy[axis + 2]) / 200 * side)) for axis in (0, 1)]
            x, y = ((cell * 100 + 50) // side for cell in cells)
            return Turn(task, f"what is at {x}, {y}?", f"the {shape.name}")
        answer = prompts.spatial_answer(shape.name, box_xyxy, rules.box_grid)
        return Turn(task, prompts.spatial_question(shape.name), answer)

    visual = layout(config, "ego", config.tubelet_frames, guidance=False)
    return visual, take_facts.cell_bags(take, acting, time_s, side, rng), ask


def _window(config: EgoflowConfig, rng: np.random.Generator, take: Take, rules: Rules) -> Context:
    """Make a window: the whole take or its beginning, and for each step of video the facts of the action in it.

    About a beginning the only questions are for what comes next.
    """
    next_questions, end_s = take_facts.draw_beginning(take, rng) if rng.random() < BEGINNINGS else ([], take.take_s)
    steps = rules.window_frames // config.tubelet_frames
    patches = config.grid(steps) ** 2
    events = [(facts.verb, facts.colour, facts.type) for facts in map(take.facts, take.events)]
    step_s = end_s / steps
    view = "ego" if rng.random() < 0.7 else "exo"
    acting = [take_facts.event_at(take, (step + 0.5) * step_s) for step in range(steps)]
    times = prompts.time_line(end_s, middles(end_s, rules.window_frames))
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
        if task == "long" or next_questions:
            if next_questions:
                qa = next_questions[rng.integers(len(next_questions))]
                return Turn("long", qa.question, qa.answer)
            qas, actions = long_questions.questions(take_facts.timed_facts(take)), [take.facts(e) for e in take.events]
            chains = [(reason.question(one, then.verb), [one, then]) for one, then in reason.pairs(actions)]
            chains.append((count.question(actions), actions))
            number = rng.integers(len(qas) + len(chains))
            if number >= len(qas) and rng.random() < CHAINED:
                return _chained(task, *chains[number - len(qas)], rng)
            qa = [*qas, *(qa for qa, _ in chains)][number]
            return Turn(task, qa.question, qa.answer)
        if task == "when":
            reference, number = take_facts.draw_reference(events, rng)
            event = take.events[number]
            return Turn(task, f"when: {reference}?", prompts.format_span(event.start_s, event.end_s, rules.time_step_s))
        if task == "times":
            references = [take_facts.draw_reference(events, rng) for _ in range(ENTRIES)]
            named = [take.events[number] for _, number in references]
            spans = [prompts.format_span(other.start_s, other.end_s, rules.time_step_s) for other in named]
            entries = [f"{words} {_numbers(span)}" for (words, _), span in zip(references, spans, strict=True)]
            return Turn(task, "all times", " ; ".join(entries))
        question, thought = f"{times} {prompts.temporal_question(facts.event)}", facts.event
        if rng.random() < CITED:
            shown = frames_within(event.start_s, event.end_s, middles(end_s, rules.window_frames))
            question = prompts.cite_frames(question, rules.window_frames)
            thought = prompts.cite(thought, shown[: prompts.MOST_CITED])
        return Turn(task, question, prompts.temporal_answer(thought, event.start_s, event.end_s, rules.time_step_s))

    return layout(config, view, rules.window_frames, guidance=False), bags, ask


def _numbers(answer: str) -> str:
    """Return the numbers of a written interval or box alone: "3 6" of "(3, 6)"."""
    return " ".join(re.findall(r"[\d.]+", answer))
