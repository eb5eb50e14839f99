"""What a benchmark prescribes holds for its own form alone, and what is given goes before it."""

from pathlib import Path

import pytest

from components.benchmarks.registry import BENCHMARKS
from components.benchmarks.runner.protocol import How

OPEN = How(form=None, frames=None, limit=None, max_new_tokens=None)


@pytest.mark.parametrize(
    "name, how, thought, form, tokens",
    [
        ("egoschema", OPEN, False, "letter", 16),
        ("egoschema", OPEN, True, "letter", 128),  # 16 tokens would cut a thought
        ("egoschema", How("words", None, None, None), False, "words", 128),  # and the words of an option
        ("egoschema", How(None, None, None, 40), False, "letter", 40),
        ("egotempo", OPEN, False, "letter", 64),
        ("egoexobench", OPEN, False, "letter", 128),  # nothing is prescribed
        ("egoplan", OPEN, False, "ranked", 128),
        ("egoplan", How("letter", None, None, None), False, "letter", 128),
    ],
)
def test_form_and_length_of_answers(name, how, thought, form, tokens):
    contract = how.contract(BENCHMARKS[name], size_px=64, thought=thought, otherwise=128)
    assert (contract["form"], contract["max_new_tokens"], contract["decoding"]) == (form, tokens, "greedy")
    assert how.folder(Path(), name, BENCHMARKS[name]) == Path("benchmarks", name, form)


def test_frames_are_those_of_the_benchmark_or_the_given_ones_and_none_is_a_number():
    assert [How(None, given, None, None).frames_of(BENCHMARKS["egomcq"]) for given in (None, 0, 100)] == [4, 0, 100]
