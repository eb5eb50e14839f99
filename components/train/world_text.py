"""The world's text: what the miniature language model reads before it ever sees a frame (it plays Mistral or Qwen).

A fresh scripted take gives facts; the facts stand, as weighted bags of words, at the very placeholders where visual
tokens will stand later; questions and answers come from the same functions as the data graph. No frame, no annotation
file and no held-out take is involved: its takes have indices of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components import prompts
from components.data import egoit
from components.data.egore import cot, long, short
from components.models.configuration import EgoflowConfig
from components.models.processing import layout
from components.world.render import ego_shapes
from components.world.script import Event, Take, scene_at, script_take

FIRST_TAKE = 1_000_000  # far from the takes that are rendered
# length class -> task -> share; batches hold one class, so that little is padded. "moment" and "place" are the inverse of
# grounding (what is at 5? what is at 31, 56?): with them the late transition to grounding comes several times sooner
LENGTHS = {
    "clip": {"caption": 0.15, "qa": 0.12, "cot": 0.03},
    "window": {"ground_temporal": 0.30, "moment": 0.16, "long": 0.04},
    "image": {"ground_spatial": 0.14, "place": 0.06},
}
CAPTIONING = [text for texts in egoit.CAPTIONING.values() for text in texts]
RECOGNITION = [text for texts in egoit.RECOGNITION.values() for text in texts]
Bag = list[tuple[str, float]]  # words and weights of one placeholder


@dataclass(frozen=True)
class TextSample:
    """One question over facts; `bags` holds one bag for every patch placeholder of `visual`, in order."""

    task: str
    visual: str
    bags: list[Bag]
    question: str
    answer: str


def sample(
    config: EgoflowConfig, task: str, seed: int, index: int, *, window_frames: int, box_grid: int, time_step_s: float
) -> TextSample:
    """Make text sample `index` of a task; the same arguments give the same sample.

    Raises:
        KeyError: an unknown task.
    """
    rng = np.random.default_rng((seed, index, 17))
    while True:
        take = script_take(seed, FIRST_TAKE + int(rng.integers(10**9)))
        event = take.events[rng.integers(len(take.events))]
        if task in LENGTHS["window"]:
            made = _window(task, config, rng, take, event, window_frames=window_frames, time_step_s=time_step_s)
        elif task in LENGTHS["image"]:
            made = _image(task, config, rng, take, event, box_grid=box_grid)
        else:
            made = _clip(task, config, rng, take, event)
        if made is not None:  # a frame may show nothing, a window may hold a single event
            return made


def samples(
    config: EgoflowConfig, seed: int, count: int, *, window_frames: int, box_grid: int, time_step_s: float
) -> list[TextSample]:
    """Make `count` samples, tasks in turn."""
    tasks = [task for group in LENGTHS.values() for task in group]
    return [
        sample(
            config,
            tasks[index % len(tasks)],
            seed,
            index,
            window_frames=window_frames,
            box_grid=box_grid,
            time_step_s=time_step_s,
        )
        for index in range(count)
    ]


def _clip(task: str, config: EgoflowConfig, rng: np.random.Generator, take: Take, event: Event) -> TextSample:
    """Two steps around an event; in a quarter of them guidance repeats the facts, so that [x ; F(x)] is familiar."""
    facts = take.facts(event)
    steps = 2
    view = "ego" if rng.random() < 0.6 else "exo"
    guidance = view == "ego" and rng.random() < 0.4
    side = config.grid(steps)
    middle = event.start_s + (event.end_s - event.start_s) * rng.uniform(0.3, 0.7)
    segments = [[_cells(take, event, middle + dt, side, rng) for dt in (-0.25, 0.25)] for _ in range(1 + guidance)]
    bags = [bag for segment in segments for step in segment for bag in step]
    qas = short.questions(facts)
    qa = qas[rng.integers(len(qas))]
    if task == "caption":
        question, answer = str(rng.choice(CAPTIONING)), prompts.narrate(facts)
    elif task == "qa" and rng.random() < 0.15:
        question, answer = str(rng.choice(RECOGNITION)), facts.verb
    elif task == "cot":
        question, answer = cot.question(qa), prompts.think_answer(cot.thought(facts, qa), qa.answer)
    else:
        question, answer = qa.question, qa.answer
    visual = layout(config, view, steps * config.tubelet_frames, guidance=guidance)
    return TextSample(task, visual, bags, question, answer)


def _cells(take: Take, event: Event, time_s: float, side: int, rng: np.random.Generator) -> list[Bag]:
    """Bags of the side x side cells of a frame: what lies in a cell, weighted by how much of the cell it covers."""
    facts = take.facts(event)
    bags: list[Bag] = [[] for _ in range(side * side)]
    for shape in ego_shapes(take, time_s):
        points = np.clip(np.concatenate(shape.polygons), 0, 1)
        low, high = points.min(0) * side, points.max(0) * side
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


def _image(
    task: str, config: EgoflowConfig, rng: np.random.Generator, take: Take, event: Event, *, box_grid: int
) -> TextSample | None:
    """One frame and the box of something visible in it."""
    time_s = rng.uniform(0, take.take_s)
    shapes = [shape for shape in ego_shapes(take, time_s) if shape.visible]
    if not shapes:
        return None
    shape = shapes[rng.integers(len(shapes))]
    points = np.clip(np.concatenate(shape.polygons), 0, 1) * 100
    box_xyxy = (*points.min(0), *points.max(0))
    acting = scene_at(take, time_s).acting or event
    bags = _cells(take, acting, time_s, config.grid(1), rng)
    visual = layout(config, "ego", config.tubelet_frames)
    if task == "place":
        side = config.grid(1)
        col, row = (min(side - 1, int((box_xyxy[axis] + box_xyxy[axis + 2]) / 200 * side)) for axis in (0, 1))
        x, y = ((cell * 100 + 50) // side for cell in (col, row))  # the number words that the patch carries
        return TextSample(task, visual, bags, f"what is at {x}, {y}?", f"the {shape.name}")
    answer = prompts.spatial_answer(shape.name, box_xyxy, box_grid)
    return TextSample(task, visual, bags, prompts.spatial_question(shape.name), answer)


def _window(
    task: str,
    config: EgoflowConfig,
    rng: np.random.Generator,
    take: Take,
    event: Event,
    *,
    window_frames: int,
    time_step_s: float,
) -> TextSample | None:
    """The whole take, one bag a step: the facts of what is being done, nothing while idle."""
    steps = window_frames // config.tubelet_frames
    side = config.grid(steps)
    view = "ego" if rng.random() < 0.7 else "exo"
    bags: list[Bag] = []
    for step in range(steps):
        acting = scene_at(take, (step + 0.5) * take.take_s / steps).acting
        words, weight = (
            ("nothing",),
            2.0,
        )  # an empty bag would leave the bare time, which then outshouts every real step
        if acting is not None:
            facts = take.facts(acting)
            words, weight = (*facts.verb.split(), facts.colour, facts.type, facts.hand), 1.0
        bag = [(word, weight) for word in words if rng.random() > 0.03]
        bags += [bag] * (side * side)
    if task == "long":
        qas = long.questions([(take.facts(e), e.start_s, e.end_s) for e in take.events])
        if not qas:
            return None
        qa = qas[rng.integers(len(qas))]
        question, answer = qa.question, qa.answer
    elif task == "moment":
        # mostly while something happens: idle steps are many and all alike
        time_s = rng.uniform(event.start_s, event.end_s) if rng.random() < 0.8 else rng.uniform(0, take.take_s)
        step = min(steps - 1, int(time_s / take.take_s * steps))
        acting = scene_at(take, (step + 0.5) * take.take_s / steps).acting
        question, answer = f"what does C do at {step}?", long.phrase(take.facts(acting)) if acting else "nothing"
    else:
        facts = take.facts(event)
        question = prompts.temporal_question(facts)
        answer = prompts.temporal_answer(facts, event.start_s, event.end_s, time_step_s)
    return TextSample(task, layout(config, view, window_frames), bags, question, answer)
