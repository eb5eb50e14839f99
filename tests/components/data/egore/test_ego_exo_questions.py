"""Moments in both views: the same seconds, one camera from outside, and false events that nobody did."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.clips import step as clips
from components.data.egore import step as build
from components.data.egore.rule_based.verification import misaligned
from components.prompts.kitchen_grammar import COLOURS, KINDS, VERBS, Facts, parse_narration
from tests.components.data.conftest import changed, read, write_annotations

EVENTS = st.builds(Facts, st.sampled_from(VERBS), st.sampled_from(COLOURS), st.sampled_from(KINDS))


@pytest.fixture
def samples(built) -> list[dict]:
    return bare(built)


def bare(data_dir) -> list[dict]:
    """The samples but for those that come once more with a rationale."""
    return [row for row in read(data_dir, "egore/samples") if row["corpus"] == "egore"]


def test_every_moment_is_asked_for_in_ego_and_from_one_camera_outside(samples):
    timed = [row for row in samples if row["task"] == "ground_temporal"]
    seen = {view: {row["parents"][0]: row for row in timed if row["view"] == view} for view in ("ego", "exo")}
    assert seen["ego"].keys() == seen["exo"].keys() and len(timed) == 2 * len(seen["ego"])
    for interval, ego in seen["ego"].items():
        same = ("question", "answer", "target", "split", "take_id", "frame_kind")
        assert [ego[name] for name in same] == [seen["exo"][interval][name] for name in same]
    cameras = Counter((row["take_id"], row["media"][0]["video_id"]) for row in seen["exo"].values())
    assert len(cameras) == len({take for take, _ in cameras}), "one camera a take"


def test_a_verification_shows_the_seconds_of_its_event_and_half_of_them_are_true(samples):
    verified = [row for row in samples if row["task"] == "verify"]
    spans = {row["parents"][0]: row["target"]["span"] for row in samples if row["task"] == "ground_temporal"}
    assert Counter((row["parents"][0], row["view"], row["answer"]) for row in verified) == dict.fromkeys(
        [(interval, view, said) for interval in spans for view in ("ego", "exo") for said in ("yes", "no")], 1
    )
    for row in verified:
        shown, (choices, index) = row["media"][0], (row["target"]["choices"], row["target"]["answer_index"])
        assert {"start_s": shown["start_s"], "end_s": shown["end_s"]} == spans[row["parents"][0]]
        assert (row["frame_kind"], choices, choices[index]) == ("clip", ["yes", "no"], row["answer"])


def test_both_views_are_asked_the_same_false_event(samples):
    false = [row for row in samples if row["task"] == "verify" and row["answer"] == "no"]
    asked = {(row["parents"][0], row["question"]) for row in false}
    assert len(asked) == len(false) / 2
    slots = Counter(_differs(row, samples) for row in false)
    assert min(slots["verb"], slots["thing"]) > len(false) / 4, slots


def _differs(row: dict, samples: list[dict]) -> str:
    true = next(
        other for other in samples
        if other["task"] == "verify" and other["parents"] == row["parents"] and other["answer"] == "yes"
    )  # fmt: skip
    asked, happened = (
        parse_narration(one["question"].removeprefix("does this happen: ").rstrip("?")) for one in (row, true)
    )
    return "verb" if asked.object == happened.object else "thing" if asked.verb == happened.verb else "both"


@given(st.lists(EVENTS, min_size=1, max_size=60), st.integers())
def test_a_false_event_differs_in_one_slot_and_is_never_done(told, key):
    done = {fact.event for fact in told}
    event = misaligned(told[0].event, done, (key,))
    assert event not in done
    facts = parse_narration(event)
    assert (facts.verb == told[0].verb) != (facts.object == told[0].object)


def test_a_false_event_is_only_made_of_sentences_of_the_grammar():
    with pytest.raises(ValueError, match="'C sings' came as an event.*kitchen_grammar"):
        misaligned("C sings", {"C sings"}, ("key",))


def test_a_take_without_a_camera_outside_is_rejected_there_alone(tmp_path, rows, data_params):
    rows["videos"] = [row for row in rows["videos"] if row["take_id"] != "take-0" or row["view"] == "ego"]
    for row in rows["videos"]:
        row["duration_s"] = 12.0 if (row["take_id"], row["view"]) == ("take-1", "exo") else row["duration_s"]
    data_dir = write_annotations(tmp_path, rows)
    clips.run(data_params, data_dir)
    made = build.run(data_params, data_dir)
    reasons = Counter(row["reason"] for row in read(data_dir, "egore/rejects"))
    assert reasons == {"no_exo_video": 5, "outside_exo_video": 5}
    assert ("windows from outside", 60, 50, 10) in made["row_counts"]
    views = Counter(row["view"] for row in bare(data_dir) if row["task"] == "verify")
    assert views == {"ego": 2 * 60, "exo": 2 * 50}


def paired(take: str, source: str) -> tuple[list[dict], list[dict]]:
    """An ego and an exo video of a take, and an interval on each."""
    of = {"source": source, "take_id": take, "take_name": take, "split": "train"}
    film = {"duration_s": 16.0, "fps": 8.0}
    videos = [
        of | film | {"video_id": f"{take}-{view}", "camera_id": view, "view": view, "path": f"{take}-{view}.mp4"}
        for view in ("ego", "exo")
    ]
    happens = {"ego": (Facts("cuts", "red", "fish"), 2.0), "exo": (Facts("opens", "blue", "box"), 9.0)}
    intervals = [
        of
        | {"interval_id": f"{take}-i-{view}", "video_id": f"{take}-{view}", "text": facts.event}
        | {"start_s": start_s, "end_s": start_s + 3.0}
        for view, (facts, start_s) in happens.items()
    ]
    return videos, [{name: row[name] for name in row if name != "take_name"} for row in intervals]


@pytest.mark.parametrize(
    "source, asked, reasons",
    [
        # the exo film shows another time, so that only its own interval is asked of it
        ("charades_ego", {("ego", "ego"), ("exo", "exo")}, {"not_synchronized": 1, "is_exo_already": 1}),
        # of the same moment in both views the ego interval tells
        ("lemma", {("ego", "ego"), ("ego", "exo")}, {"not_ego": 1}),
    ],
)
def test_a_moment_is_shown_from_outside_only_where_both_cameras_run_at_once(
    tmp_path, rows, data_params, source, asked, reasons
):
    videos, intervals = paired("pair", source)
    rows["videos"] += videos
    rows["intervals"] += intervals
    data_dir = write_annotations(tmp_path, rows)
    clips.run(data_params, data_dir)
    build.run(data_params, data_dir)
    timed = [row for row in bare(data_dir) if row["take_id"] == "pair"]
    told = {
        (row["parents"][0].removeprefix("pair-i-"), row["view"]) for row in timed if row["task"] == "ground_temporal"
    }
    assert told == asked
    refused = [row for row in read(data_dir, "egore/rejects") if row["row_id"].startswith("pair-i-")]
    assert Counter(row["reason"] for row in refused) == reasons


def test_windows_cut_from_long_takes_are_the_same_in_both_views_and_verifications_keep_their_seconds(
    tmp_path, rows, data_params
):
    for row in rows["videos"]:
        row["duration_s"] = 300.0
    told = {row["interval_id"]: (row["start_s"] + 100.0, row["end_s"] + 101.5) for row in rows["intervals"]}
    for row in rows["intervals"]:
        row["start_s"], row["end_s"] = told[row["interval_id"]]
    fine = changed(data_params, "egore", time_step_s=0.25)
    data_dir = write_annotations(tmp_path, rows)
    clips.run(fine, data_dir)
    made = build.run(fine, data_dir)
    samples = bare(data_dir)
    shown = {"ego": set(), "exo": set()}
    for row in (row for row in samples if row["task"] == "ground_temporal"):
        window, span = row["media"][0], row["target"]["span"]
        found = (window["start_s"] + span["start_s"], window["start_s"] + span["end_s"])
        assert found == pytest.approx(told[row["parents"][0]])
        assert 0 <= window["start_s"] <= found[0] < found[1] <= window["end_s"] <= 300.0
        assert window["end_s"] - window["start_s"] <= fine.egore.window_max_s
        shown[row["view"]].add((row["parents"][0], window["start_s"], window["end_s"]))
    assert shown["ego"] == shown["exo"]
    assert {interval for interval, _, _ in shown["ego"]} == told.keys() and len(shown["ego"]) > 1.8 * len(told)
    verified = [row for row in samples if row["task"] == "verify"]
    for row in verified:
        assert (row["media"][0]["start_s"], row["media"][0]["end_s"]) == pytest.approx(told[row["parents"][0]])
    assert Counter(row["parents"][0] for row in verified) == dict.fromkeys(told, 4), "yes and no, ego and exo"
    assert len({row["sample_id"] for row in samples}) == len(samples)
    assert all(rows_in == out + rejected for what, rows_in, out, rejected in made["row_counts"] if "interval" in what)
