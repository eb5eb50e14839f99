"""Long windows: every event in one window, none cut, and a fair share for each type of question."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.long_term import IDLE_S, draw_questions, long_term, windows
from components.prompts.kitchen_grammar import COLOURS, KINDS, VERBS, Facts, narrate

MAX_S = 60.0
EVENTS = st.lists(st.tuples(st.floats(0, 50), st.floats(0.5, 30)), min_size=1, max_size=30)  # pauses and lengths
NO_REJECTS = pd.DataFrame({"step": pd.Series(dtype=str), "row_id": pd.Series(dtype=str)})


def tables(spans: list[tuple[float, float]], *, duration_s: float, texts: list[str] | None = None):
    """Intervals and videos of one ego video that two sources label."""
    texts = texts or [
        narrate(Facts(VERBS[n % 8], COLOURS[n % 6], KINDS[(n // 3) % 8], "left")) for n in range(len(spans))
    ]
    rows = [
        {"source": source, "take_id": "t", "video_id": "v", "split": "train", "interval_id": f"{source}{number}"}
        | {"start_s": start_s, "end_s": end_s, "text": text}
        for source in ("a", "b")
        for number, ((start_s, end_s), text) in enumerate(zip(spans, texts, strict=True))
    ]
    videos = pd.DataFrame([{"video_id": "v", "view": "ego", "duration_s": duration_s}])
    return pd.DataFrame(rows), videos


def asked_of(spans, *, duration_s: float, min_s: float = 15.0, per_window: int = 4, texts=None, rejects=NO_REJECTS):
    intervals, videos = tables(spans, duration_s=duration_s, texts=texts)
    limits = {"min_s": min_s, "max_s": MAX_S, "per_window": per_window, "choices": 4, "seed": 7}
    return long_term(intervals, videos, rejects, **limits)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_every_event_is_whole_in_one_window(events):
    spans, now_s = [], 0.0
    for pause_s, length_s in events:
        spans.append((now_s + pause_s, now_s + pause_s + length_s))
        now_s = spans[-1][1] - 0.2 * length_s  # some events overlap
    intervals, videos = tables(spans, duration_s=now_s + 20)
    rows = windows(intervals, videos, max_s=MAX_S)
    assert len(rows) == len(intervals)
    assert ((rows["window_start_s"] <= rows["start_s"]) & (rows["end_s"] <= rows["window_end_s"])).all()
    found = rows.groupby("window").agg(
        labels=("labels", "first"), start_s=("window_start_s", "first"), end_s=("window_end_s", "first"),
        first_s=("start_s", "min"), last_s=("end_s", "max"),
    )  # fmt: skip
    assert rows.groupby("window")["labels"].nunique().eq(1).all()
    assert (found["first_s"] - found["start_s"]).le(IDLE_S + 1e-9).all()
    for _, of_source in found.groupby("labels"):
        assert (of_source["start_s"].to_numpy()[1:] >= of_source["end_s"].to_numpy()[:-1] - 1e-9).all()
    # only what overlaps without a pause is longer than a window may be
    for number in found.index[found["end_s"] - found["start_s"] > MAX_S]:
        inside = rows[rows["window"] == number].sort_values("start_s")
        assert (inside["start_s"].to_numpy()[1:] < inside["end_s"].cummax().to_numpy()[:-1]).all()


def test_a_short_take_is_one_window_and_a_long_one_is_many():
    short = windows(*tables([(1, 3), (4, 6), (12, 14)], duration_s=16.0), max_s=MAX_S)
    assert set(zip(short["window_start_s"], short["window_end_s"], strict=True)) == {(0.0, 16.0)}
    spans = [(10.0 * n, 10.0 * n + 8) for n in range(360)]  # an hour
    long = windows(*tables(spans, duration_s=3599.0), max_s=MAX_S)
    lengths = (long["window_end_s"] - long["window_start_s"]).round(6)
    assert long["window"].nunique() == 2 * 60 and lengths.between(50, 60).all()


def test_windows_are_kept_or_rejected_and_all_are_counted():
    spans = [(10.0 * n, 10.0 * n + 8) for n in range(13)]
    made, rejected, ledger = asked_of(spans, duration_s=130.0)
    assert ledger == ("windows", 6, 4, 2) and rejected["reason"].tolist() == ["window_too_short"] * 2
    assert rejected["detail"].tolist() == ["a, [119, 130)", "b, [119, 130)"]
    assert made.groupby(["labels", "window"]).size().tolist() == [4] * 4
    assert made["start_s"].round(6).isin([0.0, 59.0]).all() and (made["end_s"] - made["start_s"]).between(15, 60).all()


def test_one_unknown_event_spoils_its_window_and_no_other():
    spans = [(10.0 * n, 10.0 * n + 8) for n in range(12)]
    texts = [narrate(Facts(VERBS[n % 8], "red", KINDS[n % 8])) for n in range(12)]
    texts[1] = "C looks around"
    made, rejected, ledger = asked_of(spans, duration_s=119.0, texts=texts)
    assert ledger == ("windows", 4, 2, 2) and set(rejected["reason"]) == {"window_has_unparsed_event"}
    assert set(made["window_start_s"].round(6)) == {59.0}
    lost = pd.DataFrame([{"step": "annotations/a", "row_id": "t/x"}])  # nobody knows where in the take
    assert asked_of(spans, duration_s=119.0, rejects=lost)[1]["reason"].tolist() == ["take_has_rejected_event"] * 2


def test_what_never_pauses_for_longer_than_a_window_is_rejected():
    _, rejected, _ = asked_of([(0.0, 40.0), (30.0, 80.0)], duration_s=90.0)
    assert set(rejected["reason"]) == {"window_too_long"}


def test_nothing_is_asked_where_nothing_is_wanted():
    made, rejected, ledger = asked_of([(0.0, 8.0), (10.0, 18.0)], duration_s=20.0, per_window=0)
    assert len(made) == len(rejected) == 0 and ledger == ("windows", 2, 2, 0)


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 9), min_size=1), st.integers(0, 12))
def test_every_type_has_its_turn(counts, wanted):
    asked = [(QA(kind, f"{kind}{n}?", str(n % 2), ("x",)), 5.0) for kind, count in counts.items() for n in range(count)]
    got = draw_questions(asked, wanted, "key")
    assert len(got) == min(wanted, len(asked)) == len(set(got)) and set(got) <= set(asked)
    shares = Counter(qa.question_type for qa, _ in got)
    most = max(shares.values(), default=0)
    assert all(shares[kind] >= min(count, most - 1) for kind, count in counts.items())


def test_a_frequent_answer_is_drawn_no_oftener_than_a_rare_one():
    asked = [(QA("counting", f"{n}?", "1" if n else "2", ("3",)), 5.0) for n in range(9)]
    rare = sum(draw_questions(asked, 1, key)[0][0].answer == "2" for key in range(1000))
    assert rare == pytest.approx(500, abs=80)
