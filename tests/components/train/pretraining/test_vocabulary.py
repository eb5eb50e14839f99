"""The tokenizer of the default recipe knows every word that the world's text and the data graph write."""

from pathlib import Path

import pytest

from components import params, records
from components.data.egore.rule_based import chain_of_thought, long_questions, short_questions
from components.data.egore.rule_based.short_questions import count, reason, slots
from components.models.processing import ANSWER_TAGS, SPECIAL_TOKENS, build_tokenizer
from components.prompts import kitchen_grammar
from components.train import algorithms
from components.train.pretraining import language, world_text
from components.train.pretraining.world_text import TextSample
from components.world.script import script_take

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def data() -> params.Data:
    return params.load(ROOT / "params/data.yaml", params.Data)


@pytest.fixture(scope="module")
def encode(data):
    """The default recipe's tokenizer, as a function that gives the words of a text which it does not know."""
    recipe = params.load(ROOT / "params/recipes/miniature.yaml", params.Recipe)
    tokenizer = algorithms.fresh_processor(recipe.model, data).tokenizer

    def unknown(line: str) -> list[str]:
        found = tokenizer(line, add_special_tokens=False, return_offsets_mapping=True)
        pairs = zip(found["input_ids"], found["offset_mapping"], strict=True)
        return [line[start:end] for number, (start, end) in pairs if number == tokenizer.unk_token_id]

    unknown.tokenizer = tokenizer
    return unknown


def test_the_vocabulary_is_small_and_covers_fresh_text(encode, config, data):
    vocabulary = encode.tokenizer.get_vocab()
    assert len(vocabulary) < 350
    made: list[TextSample] = language.held_out(config, data, 900, seed=77)
    assert not {word for sample in made for bag in sample.bags for word, _ in bag} - set(vocabulary)
    for sample in made:
        for turn in sample.turns:
            assert encode(f"{turn.question} {turn.answer}") == [], turn
    assert set(SPECIAL_TOKENS + ANSWER_TAGS) <= set(vocabulary)


def test_the_vocabulary_covers_what_the_data_graph_writes(encode, tiny_data):
    """The test set too: a question with an unknown word could not be answered."""
    samples = records.read_table(tiny_data / "dataset" / "samples.parquet", records.SAMPLE).to_pylist()
    lines = {line for sample in samples for line in (sample["question"], sample["answer"])}
    lines |= {choice for sample in samples for choice in sample["target"]["choices"] or ()}
    assert len(lines) > 100
    assert {line: words for line in lines if (words := encode(line))} == {}


def test_every_word_of_an_instruction_is_learned_from_the_text(config, data):
    """The tokenizer has every word of INSTRUCTIONS; a word that no text says would have an embedding of noise."""
    turns = [turn for sample in language.held_out(config, data, 1500, seed=0) for turn in sample.turns]
    said = build_tokenizer([f"{turn.question} {turn.answer}" for turn in turns]).get_vocab()
    written = build_tokenizer(world_text.INSTRUCTIONS).get_vocab()
    assert {*written} - {*said} == set()
    asked = {turn.question for turn in turns}
    assert asked >= {text for texts in world_text.RECOGNITION.values() for text in texts}


def test_every_word_of_the_long_questions_is_known(encode):
    lines = set()
    for index in range(150):
        take = script_take(7, index)
        events = [(take.facts(event), event.start_s, event.end_s) for event in take.events]
        for qa in [*long_questions.questions(events), *(qa for qa, _ in long_questions.beginnings(events))]:
            lines |= {qa.question, qa.answer, *qa.distractors}
    assert {line: words for line in lines if (words := encode(line))} == {}


def test_an_unknown_word_would_be_noticed(encode):
    assert encode("C juggles the red cup") == ["juggles"]


def test_every_short_term_question_and_thought_is_read_before(config, data, encode):
    """Each type of question comes about in the text that the tokenizer is trained on, so its words are known."""
    made = language.held_out(config, data, language.TEXTS_FOR_VOCABULARY, seed=0)
    asked = [turn.question for sample in made for turn in sample.turns]
    for name, form in short_questions.FORMS.items():
        begin, end = (part.strip() for part in (form.question.split("{")[0], form.question.split("}")[-1]))
        known = [question for question in asked if question.startswith(begin) and question.endswith(end)]
        assert len(known) >= min(12, len(form.words)), name
    thoughts = [turn for sample in made for turn in sample.turns if chain_of_thought.with_cue("") in turn.question]
    assert any("to do what with it?" in turn.question for turn in thoughts)
    assert any(turn.question.startswith("how many different objects") for turn in thoughts)
    facts = kitchen_grammar.Facts("pours", "red", "cup", "left")
    chains = [
        count.question([facts, facts]),
        reason.question(facts, "cuts"),
        *slots.questions(facts),
    ]
    assert {qa.question: encode(chain_of_thought.thought(qa, [facts, facts])) for qa in chains} == {
        qa.question: [] for qa in chains
    }
