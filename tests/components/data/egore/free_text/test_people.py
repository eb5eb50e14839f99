"""EgoRe on what people narrate: all types come about, and what is said to be false is false by the tests' own table."""

import random
from collections import Counter

import pytest

from components import prompts
from components.data.egore.rule_based import long_questions, short_questions
from components.prompts.reasoned import THOUGHT_OF
from tests.components.data.egore.free_text import human_narrations as human
from tests.components.data.egore.free_text.conftest import remade, tables, tell
from tests.components.data.egore.free_text.truth import event_of, things_of, verb_of

TOLD = {
    "laundry": [(time_s, time_s, text) for time_s, text in human.LAUNDRY],
    "bicycle": [(time_s, time_s, text) for time_s, text in (*human.BICYCLE, *human.BICYCLE_AGAIN)],
    "cooking": human.COOKING,
    "laboratory": human.LABORATORY,
}


def shown(row: dict, *, near_s: float = 0.0) -> list[str]:
    """The texts of everything that happens in the seconds of a sample."""
    start_s, end_s = (row["media"][0][name] for name in ("start_s", "end_s"))
    told = TOLD[row["take_id"]]
    return [text for from_s, to_s, text in told if to_s >= start_s - near_s and from_s <= end_s + near_s]


def wrong_options(row: dict) -> list[str]:
    target = row["target"]
    return [option for number, option in enumerate(target["choices"]) if number != target["answer_index"]]


def of_type(samples: list[dict], kind: str) -> list[dict]:
    found = [row for row in samples if row["question_type"] == kind]
    assert found, f"no question of the type {kind}"
    return found


def test_the_truth_knows_every_narration():
    for text in (text for told in TOLD.values() for *_, text in told):
        assert verb_of(text) is not None, text


def test_all_thirteen_types_come_about_in_every_form_of_narration(samples):
    types = Counter(row["question_type"] for row in samples)
    of_moments = {"temporal", "verification", "verification_rationale"}
    assert set(types) == {*short_questions.TYPES, *long_questions.TYPES, "cot", *of_moments}
    for kind in ("action", "sequence", "verification"):
        assert {row["take_id"] for row in of_type(samples, kind)} == set(TOLD), kind


def test_when_is_asked_only_where_the_source_says_when(asked):
    samples, rejects = asked
    assert {row["take_id"] for row in of_type(samples, "temporal")} == {"cooking", "laboratory"}
    assert "estimated_span" in {row["reason"] for row in rejects}


def test_options_differ_in_more_than_case_spaces_and_full_stops(samples):
    for row in (row for row in samples if row["target"]["kind"] == "choice"):
        choices, index = row["target"]["choices"], row["target"]["answer_index"]
        assert len({" ".join(option.casefold().split()).rstrip(" .") for option in choices}) == len(choices) > 1
        if row["question_type"] not in THOUGHT_OF:
            assert choices[index] == row["answer"]


def test_a_false_event_happens_at_no_time_of_the_seconds_shown(samples):
    verified = of_type(samples, "verification")
    assert Counter(row["answer"] for row in verified)["yes"] * 2 == len(verified)
    for row in (row for row in verified if row["answer"] == "no"):
        event = event_of(row["question"].removeprefix("does this happen: "))
        assert event not in [event_of(text) for text in shown(row)], (row["question"], shown(row))


def test_what_does_not_exist_is_named_nowhere_in_the_video(samples):
    asked = of_type(samples, "existence")
    assert 0.35 < sum(row["answer"] == "no" for row in asked) / len(asked) < 0.65
    for row in asked:
        named = set(things_of("take " + row["question"].removeprefix("does C handle this: ")))
        there = {thing for text in shown(row, near_s=0.6) for thing in things_of(text)}
        everywhere = {thing for *_, text in TOLD[row["take_id"]] for thing in things_of(text)}
        assert named <= there if row["answer"] == "yes" else not named & everywhere, row["question"]


def test_wrong_things_are_not_handled_in_the_seconds_shown(samples):
    asked = [row for row in of_type(samples, "interaction") if row["question"].startswith("what does C")]
    for row in asked:
        there = {thing for text in shown(row) for thing in things_of(text)}
        for option in wrong_options(row):
            assert not set(things_of(f"take {option}")) & there, (row["question"], option, shown(row))


def test_wrong_actions_are_not_done_to_the_thing_in_the_seconds_shown(samples):
    for row in of_type(samples, "action"):
        happening = [event_of(text) for text in shown(row)]
        if row["question"] == "what does C do?":
            assert not {event_of(option) for option in wrong_options(row)} & set(happening), row["question"]
            continue
        thing = event_of(row["question"].replace("what does C do with", "take"))[1]
        done = {verb for verb, other in happening if other == thing}
        assert not {verb_of(f"{option} it") for option in wrong_options(row)} & done, (row["question"], shown(row))


def test_wrong_places_are_named_by_nothing_in_the_seconds_shown(samples):
    for row in of_type(samples, "background"):
        said = " ".join(shown(row)).lower()
        assert row["answer"].split()[-1] in said
        for option in wrong_options(row):
            assert option.split()[-1] not in said, (row["question"], option)


def test_the_reason_is_done_next_and_the_others_are_not_done(samples):
    for row in of_type(samples, "reason"):
        thing = event_of(row["question"].replace("why does C", "C"))[1]
        done = [verb_of(text) for text in shown(row) if thing in things_of(text)]
        assert verb_of(row["answer"].removeprefix("to ")) in done
        wrong = {option: verb_of(option.removeprefix("to ")) for option in wrong_options(row)}
        assert not set(wrong.values()) & set(done), (row["question"], row["answer"], wrong, shown(row))


def test_counts_are_counts(samples):
    for row in of_type(samples, "count"):
        if row["question"] == "how many different objects does C handle?":
            handled = {event_of(text)[1] for text in shown(row)}
            assert int(row["answer"]) == len(handled), (row["answer"], shown(row))
        else:
            number = {"two": "2", "three": "3"}
            assert row["answer"] in [number[word] for text in shown(row) for word in text.split() if word in number]
    for row in of_type(samples, "counting"):
        event = event_of(row["question"].removeprefix("how many times does C do this: ").replace(" the ", " "))
        events = [event_of(text) for text in shown(row) if not text.startswith("#O")]
        assert int(row["answer"]) == events.count(event), (row["question"], row["answer"])


def test_what_follows_and_what_comes_next_is_what_was_told_next(samples):
    for row in of_type(samples, "sequence"):
        anchor = row["question"].removeprefix("what does C do right after this: ").rstrip("?")
        texts = [text for text in shown(row) if not text.startswith(("#O", "The woman"))]
        after = texts[next(number for number, text in enumerate(texts) if anchor in text) + 1]
        assert row["answer"] in after or row["take_id"] == "bicycle"  # there a second annotator tells the same
        assert not {event_of(option) for option in wrong_options(row)} & {event_of(after), event_of(row["answer"])}
    for row in of_type(samples, "prediction"):
        end_s = row["media"][0]["end_s"]
        coming = next(text for start_s, _, text in sorted(TOLD[row["take_id"]]) if start_s >= end_s and text[1] != "O")
        assert event_of(row["answer"]) == event_of(coming)
        assert event_of(coming) not in {event_of(option) for option in wrong_options(row)}


def test_a_wrong_summary_has_another_order_or_what_does_not_happen(samples):
    for row in of_type(samples, "summary"):
        true, happening = row["answer"].split("; "), {event_of(text) for text in shown(row)}
        for option in wrong_options(row):
            told = option.split("; ")
            assert {event_of(text) for text in told} - happening or (sorted(told) == sorted(true) and told != true)


def test_nobody_elses_action_is_an_answer(asked):
    samples, rejects = asked
    other = {text.removeprefix("#O ") for _, text in human.LAUNDRY if text.startswith("#O")}
    assert not [row for row in samples if other & {row["answer"], *(row["target"]["choices"] or ())}]
    assert Counter(row["reason"] for row in rejects)["not_camera_wearer"] == 1  # "The woman X hands C a helmet."


def test_a_chain_of_thought_has_two_steps_and_ends_in_its_option(samples):
    for row in of_type(samples, "cot"):
        thought, answer = prompts.split_think_answer(row["answer"])
        assert answer == row["target"]["choices"][row["target"]["answer_index"]]
        assert ". then " in thought and thought.endswith(f"so the answer is: {answer}")
        steps = thought.partition(". so the answer is")[0].split(". then ")
        assert all(any(step in text for text in shown(row)) for step in steps)
        assert row["media"][0]["end_s"] - row["media"][0]["start_s"] <= 10.0


def test_labelled_videos_without_narrations_have_short_questions(samples):
    parents = {row["parents"][0] for row in samples if row["take_id"] == "laboratory" and row["task"] == "qa"}
    assert parents >= {f"laboratory-{number}" for number in range(len(human.LABORATORY))}


def test_the_same_samples_come_from_rows_in_any_order(samples, tmp_path):
    rows = tables()
    for table in rows.values():
        random.Random(3).shuffle(table)
    again, _ = remade(tmp_path, rows)
    assert {row["sample_id"] for row in again} == {row["sample_id"] for row in samples}


def test_an_event_that_comes_again_is_never_a_false_one(tmp_path):
    rows = tables()
    rows["narrations"], rows["intervals"] = [], []
    # every event is told again half a second later, in other words
    pairs = [("C picks a cup", "C takes a mug"), ("C washes the spoon", "C rinses the ladle"), ("C opens the box",) * 2]
    told = [(10.0 * number + late, text) for number, pair in enumerate(pairs) for late, text in enumerate(pair)]
    tell(rows, "ego4d", "laundry", "a", told)
    samples, _ = remade(tmp_path, rows)
    seen = {"C picks a cup": "C takes a mug", "C washes the spoon": "C rinses the ladle"}
    seen |= {other: text for text, other in seen.items()}
    false = [row for row in samples if row["question_type"] == "verification" and row["answer"] == "no"]
    assert false
    for row in false:
        event = row["question"].removeprefix("does this happen: ").rstrip("?")
        start_s, end_s = (row["media"][0][name] for name in ("start_s", "end_s"))
        happens = [text for time_s, text in told if start_s - 1 <= time_s <= end_s + 1]
        assert happens and event not in happens and seen.get(event) not in happens


@pytest.mark.parametrize("text", ["C washes the red cup", "C opens the blue box with the left hand."])
def test_a_sentence_of_the_kitchen_makes_no_kitchen_of_what_people_tell(tmp_path, text):
    rows = tables()
    rows["narrations"][5]["text"] = text
    samples, rejects = remade(tmp_path, rows)
    assert {row["question_type"] for row in samples if row["take_id"] == "laundry"} >= {"action", "sequence", "summary"}
    assert "text_unparsed" not in {row["reason"] for row in rejects}


def test_answers_stand_at_every_place_alike(samples):
    places = Counter(
        row["target"]["answer_index"] for row in samples
        if row["target"]["kind"] == "choice" and len(row["target"]["choices"]) == 4
    )  # fmt: skip
    total = sum(places.values())
    assert total > 300 and all(abs(count - total / 4) < 4 * (total * 3 / 16) ** 0.5 for count in places.values())
