"""The text that the language model is pre-trained on says what the script says, in words that the tokenizer knows."""

from pathlib import Path

import numpy as np
import pytest

from components import prompts
from components.data.egore.rule_based import chain_of_thought, long_questions
from components.data.egore.rule_based.long_questions import prediction
from components.data.egore.rule_based.long_questions.events import phrase
from components.data.egore.rule_based.short_questions import count, reason, slots
from components.prompts import kitchen_grammar
from components.train.pretraining import world_text
from components.train.pretraining.world_text import Rules, Turn
from components.video import frames_within, middles
from components.world.script import Event, Take, script_take
from components.world.shapes import ego_shapes

ROOT = Path(__file__).parents[4]
RULES = Rules(window_frames=32, box_grid=4, time_step_s=1.0)
CONTEXTS = list(world_text.CONTEXTS)
SAMPLES = 120


class Seen:
    """The take and the time that a sample was made from, read off the calls that made it."""

    take: Take
    time_s: float


@pytest.fixture
def seen(monkeypatch) -> Seen:
    seen = Seen()

    def script(*arguments, **options) -> Take:
        seen.take = script_take(*arguments, **options)
        return seen.take

    def shapes(take: Take, time_s: float):
        seen.time_s = time_s
        return ego_shapes(take, time_s)

    monkeypatch.setattr(world_text, "script_take", script)
    monkeypatch.setattr(world_text, "ego_shapes", shapes)
    return seen


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_placeholder_has_its_bag_of_words(config, context):
    for index in range(SAMPLES):
        sample = world_text.sample(config, context, 3, index, RULES)
        assert len(sample.bags) == sample.visual.count("_patch>") > 0
        assert any(sample.bags)
        assert all(word and weight > 0 for bag in sample.bags for word, weight in bag)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_sample_is_fixed_by_seed_and_index(config, context):
    first = [world_text.sample(config, context, 3, index, RULES) for index in range(8)]
    assert first == [world_text.sample(config, context, 3, index, RULES) for index in range(8)]
    assert len({str(sample) for sample in first}) == 8
    assert first != [world_text.sample(config, context, 4, index, RULES) for index in range(8)]


def test_every_task_of_a_context_is_asked(config):
    for context, tasks in world_text.TASKS.items():
        made = [world_text.sample(config, context, 3, index, RULES) for index in range(SAMPLES)]
        assert {turn.task for sample in made for turn in sample.turns} == set(tasks)


def is_subset(words: str, phrase: str) -> bool:
    """Whether a phrase holds all words; a verb of two words is not told apart here: "up" names one verb only."""
    return set(words.split()) <= set(phrase.split())


def named_by(take: Take, words: str) -> list[Event]:
    """The events of which a few words are said."""
    return [event for event in take.events if is_subset(words, phrase(take.facts(event)))]


def asked_of(take: Take, turn: Turn) -> list[Event]:
    """The events that a temporal question can mean."""
    if turn.task == "when":
        return named_by(take, turn.question.removeprefix("when: ").removesuffix("?"))
    times, question = turn.question.split(" the frames are ")[0].split(": ")
    assert times == "16 s, frames every 0.5 s from 0.25 s"
    return [event for event in take.events if prompts.temporal_question(take.facts(event).event) == question]


def is_true_of_scene(turn: Turn, take: Take, event: Event) -> bool | None:
    """Judge a question about what lies around the event; None for any other."""
    names = {f"{item.colour} {item.kind}" for item in take.items}
    if turn.question.startswith("is there a "):
        return (turn.question.removeprefix("is there a ").removesuffix("?") in names) == (turn.answer == "yes")
    if turn.question.endswith(" that C does not touch?"):
        name = f"{turn.answer} {turn.question.split()[4]}"
        return name in names - {take.facts(event).object}
    return None


def chosen(turn: Turn) -> tuple[str, str]:
    """The question of a chain of thought without its options, and the words of the option that the answer names."""
    question, *lines, _ = turn.question.split("\n")
    choices = [line.split(". ", 1)[1] for line in lines]
    assert len(set(choices)) == len(choices) and len(choices) in (2, 4)
    return question, choices["ABCD".index(prompts.split_think_answer(turn.answer)[1])]


def is_true_of_event(turn: Turn, take: Take, event: Event) -> bool:
    """Judge a question about a clip, given the event that the clip is about."""
    facts = take.facts(event)
    instruction = next((said for said in world_text.QUESTIONS if turn.question.startswith(f"{said} ")), "")
    question = turn.question.removeprefix(f"{instruction} ")
    if (around := is_true_of_scene(Turn(turn.task, question, turn.answer), take, event)) is not None:
        return around
    if turn.task == "caption":
        return kitchen_grammar.parse_narration(turn.answer) == facts
    if turn.task == "cot":
        return chosen(turn) in [(chain_of_thought.question(qa), qa.answer) for qa in slots.questions(facts)]
    for source, instructions in world_text.RECOGNITION.items():
        if turn.question in instructions:
            return turn.answer == world_text.label(source, facts)
    return any((qa.question, qa.answer) == (question, turn.answer) for qa in slots.questions(facts))


def test_clips_tell_one_event_of_the_script(config, seen):
    for index in range(SAMPLES):
        sample = world_text.sample(config, "clip", 5, index, RULES)
        judged = [all(is_true_of_event(turn, seen.take, event) for turn in sample.turns) for event in seen.take.events]
        assert any(judged), sample.turns


def is_true_of_window(turn: Turn, take: Take) -> bool:
    events = [(take.facts(event), event.start_s, event.end_s) for event in take.events]
    if turn.task == "long":
        told = [facts for facts, _, _ in events]
        steps = [
            count.question(told),
            *(reason.question(one, then.verb) for one, then in reason.pairs(told)),
        ]
        if prompts.split_think_answer(turn.answer):
            return chosen(turn) in [(chain_of_thought.question(qa), qa.answer) for qa in steps]
        asked = [(qa.question, qa.answer) for qa in [*steps, *long_questions.questions(events)]]
        asked += [(qa.question, qa.answer) for qa, _ in long_questions.beginnings(events)]
        return (turn.question, turn.answer) in asked
    if turn.task == "times":
        entries = [entry.rsplit(maxsplit=2) for entry in turn.answer.split(" ; ")]
        told = [(named_by(take, words), (float(start), float(end))) for words, start, end in entries]
        return all([(event.start_s, event.end_s) for event in named] == [span] for named, span in told)
    (event,) = asked_of(take, turn)
    parts = prompts.split_think_answer(turn.answer)
    if "the frames are 0 to 31;" in turn.question:
        cited, shown = prompts.parse_frames(parts[0]), frames_within(event.start_s, event.end_s, middles(16.0, 32))
        assert cited and cited <= set(shown) and len(cited) == min(prompts.MOST_CITED, len(shown))
    return prompts.parse_span(parts[1] if parts else turn.answer) == (event.start_s, event.end_s)


def test_windows_tell_when_things_happen_in_the_script(config, seen):
    for index in range(SAMPLES):
        sample = world_text.sample(config, "window", 5, index, RULES)
        assert all(is_true_of_window(turn, seen.take) for turn in sample.turns), sample.turns


def test_what_comes_next_is_asked_where_it_is_not_seen(config, seen, monkeypatch):
    monkeypatch.setattr(world_text, "BEGINNINGS", 1.0)
    foreseen = 0
    for index in range(SAMPLES):
        sample = world_text.sample(config, "window", 5, index, RULES)
        events = [(seen.take.facts(event), event.start_s, event.end_s) for event in seen.take.events]
        shown = {word for bag in sample.bags for word, _ in bag}
        for turn in sample.turns:
            ends = [
                end_s
                for qa, end_s in long_questions.beginnings(events)
                if (qa.question, qa.answer) == (turn.question, turn.answer)
            ]
            if turn.question == prediction.QUESTION:
                foreseen += 1
                later = [facts.colour for facts, start_s, _ in events if start_s >= ends[0]]
                before = {facts.colour for facts, start_s, _ in events if start_s < ends[0]}
                assert not (set(later) - before) & shown
    assert foreseen > SAMPLES / 4


def boxes_at(take: Take, time_s: float) -> dict[str, np.ndarray]:
    """The exact box of everything visible, in percent of the frame."""
    points = {shape.name: np.concatenate(shape.polygons) for shape in ego_shapes(take, time_s) if shape.visible}
    return {name: np.clip([*p.min(0), *p.max(0)], 0, 1) * 100 for name, p in points.items()}


def test_images_tell_where_things_are_drawn(config, seen):
    for index in range(SAMPLES):
        sample = world_text.sample(config, "image", 5, index, RULES)
        boxes = boxes_at(seen.take, seen.time_s)
        for turn in sample.turns:
            assert is_true_of_image(turn, boxes, half_cell=100 / config.grid(1) / 2 + 1), turn


def is_true_of_image(turn: Turn, boxes: dict[str, np.ndarray], *, half_cell: float) -> bool:
    if turn.task == "place":
        x, y = (int(word.strip(",?")) for word in turn.question.split()[-2:])
        box = boxes[turn.answer.removeprefix("the ")]
        return abs((box[0] + box[2]) / 2 - x) <= half_cell and abs((box[1] + box[3]) / 2 - y) <= half_cell
    if turn.task == "boxes":
        entries = [entry.rsplit(maxsplit=4) for entry in turn.answer.split(" ; ")]
        wrong = [np.abs(np.array(box, dtype=float) - boxes[name]).max() for name, *box in entries]
        return max(wrong) <= RULES.box_grid / 2
    (name,) = (name for name in boxes if prompts.spatial_question(name) == turn.question)
    answer = prompts.split_think_answer(turn.answer)[1]
    said = np.array([int(value) for value in answer.strip("[]").split(",")])
    return np.abs(said - boxes[name]).max() <= RULES.box_grid / 2
