"""Guesses without a model, and scores by subset and length: what does not matter to them changes nothing."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from components import params
from components.benchmarks.runner import text_guess
from components.benchmarks.runner.groups import estimates, length_bucket
from components.benchmarks.runner.metrics import choice_references
from components.benchmarks.shared.sample import Choice, Medium, Sample

SETTINGS = params.load(Path(__file__).parents[4] / "params/eval.yaml", params.Eval)


def samples(count: int, right: str) -> list[Sample]:
    rng = random.Random(0)
    found = []
    for number in range(count):
        options = ["the cup", "a much longer option", "no"]
        rng.shuffle(options)
        index = options.index(right) if right in options else rng.randrange(3)
        asked = Choice(tuple(options), index)
        found.append(Sample(str(number), f"video {number % 40}", "what?", (Medium("a.mp4"),), asked))
    return found


def test_what_the_text_gives_away_is_guessed_and_nothing_else():
    assert sum(text_guess.accuracy(samples(200, "the cup"))) == 200
    assert 0.2 < sum(text_guess.accuracy(samples(400, "anything"))) / 400 < 0.46


def test_no_question_about_the_same_video_is_learned_from():
    of_one = [replace(sample, video="one") for sample in samples(60, "the cup")]
    assert text_guess.accuracy(of_one) == pytest.approx([1 / 3] * 60)


def test_shuffling_items_or_options_changes_no_guess():
    asked = samples(80, "the cup")[:40] + samples(80, "no")[40:]
    before = text_guess.accuracy(asked)
    order = random.Random(1).sample(range(80), 80)
    turned = []
    for place in order:
        target = asked[place].target
        options = tuple(reversed(target.options))
        turned.append(replace(asked[place], target=Choice(options, options.index(target.options[target.index]))))
    assert text_guess.accuracy(turned) == [before[place] for place in order]


def test_the_constant_answer_is_the_best_position():
    found = choice_references(samples(90, "anything"))
    of_places = [sum(sample.target.index == place for sample in samples(90, "anything")) for place in range(3)]
    assert sum(found["constant"].scores["accuracy"]) == max(of_places)
    assert found["constant"].label == f"always {'ABC'[of_places.index(max(of_places))]}"


def test_scores_are_given_of_all_of_subsets_and_of_lengths_over_videos():
    lengths = {"first": 10.0, "second": 400.0}
    asked = [
        replace(sample, subsets=(name,), length_s=lengths[name])
        for place, sample in enumerate(samples(80, "no"))
        for name in [list(lengths)[place % 2]]
    ]
    right = [float(place % 4 == 0) for place in range(80)]
    found = estimates(asked, {"accuracy": right}, SETTINGS)
    assert {key: entry["value"] for key, entry in found.items()} == {
        "accuracy": 0.25, "subset first/accuracy": 0.5, "subset second/accuracy": 0.0,
        "length 2 to 10 min/accuracy": 0.0, "length up to 30 s/accuracy": 0.5,
    }  # fmt: skip
    whole = found["accuracy"]
    assert (whole["n"], whole["videos"]) == (80, 40) and whole["lo"] < 0.25 < whole["hi"]
    few = estimates(asked[:4], {"accuracy": right[:4]}, SETTINGS)["accuracy"]
    assert few["lo"] is None and few["hi"] is None, "four videos are too few for an interval"
    assert length_bucket(None) == "" and length_bucket(3600.0) == "over 10 min"
