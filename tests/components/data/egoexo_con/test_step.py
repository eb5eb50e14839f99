"""EgoExo-Con's items: of held-out moments that both views show, each with a query that is false everywhere."""

import json
from collections import Counter

import pandas as pd
import pytest

from components.benchmarks import egoexo_con as benchmark
from components.data.clips import step as clips
from components.data.egoexo_con import happening, judging, review, step
from components.data.egore import by_rule
from components.data.egore.free_text.told import Told
from components.prompts.kitchen_grammar import COLOURS, Facts, narrate
from tests.components.data.conftest import TEST_TAKES, changed, facts_of, read, write_annotations
from tests.components.llm.misbehaving import said


@pytest.fixture
def project(tmp_path, rows, data_params):
    """Takes whose films would lie below data/, and one event of a held-out take that no camera outside shows."""
    return built(tmp_path, rows, data_params)


def built(tmp_path, rows, data_params):
    for row in rows["narrations"]:
        row["best_exo"] = None if row["narration_id"].startswith("take-3-n1") else "cam01"
    data_dir = write_annotations(tmp_path / "data", rows)
    clips.run(data_params, data_dir)
    return data_dir


def run(data_params, data_dir) -> tuple[list[dict], Counter]:
    made = step.run(data_params, data_dir)
    [(_, came, went, lost)] = made["row_counts"]
    assert came == went + lost
    items = json.loads((data_dir / step.ITEMS).read_text())
    assert len(items) == went
    return items, Counter(row["reason"] for row in read(data_dir, "egoexo_con/rejects"))


def test_items_are_of_held_out_moments_that_both_views_show(project, data_params):
    items, reasons = run(data_params, project)
    assert {item["take"] for item in items} == set(TEST_TAKES) and len(items) == 9
    assert reasons == {"not_visible_in_exo": 1}
    told = {take: {row["text"].split(" with ")[0] for row in read(project, "annotations/intervals")
                   if row["take_id"] == take} for take in TEST_TAKES}  # fmt: skip
    for item in items:
        assert item["query"] in told[item["take"]] and item["misaligned"] not in told[item["take"]]
        assert item["ego"].endswith("aria01.mp4") and item["exo"].endswith("cam01.mp4")
        assert item["ego"].startswith("raw/egoexo4d/") and item["segment"] == [0.0, 16.0]
    asked = benchmark.load_verification(project)
    assert not asked.rejects and len(asked.samples) == 4 * len(items)
    assert Counter(sample.target.index for sample in asked.samples) == {0: 18, 1: 18}
    assert len(benchmark.load_grounding(project).samples) == 2 * len(items)


def test_a_person_drops_and_rewrites_queries_and_a_rerun_keeps_that(project, data_params):
    first, _ = run(data_params, project)
    path = project / step.REVIEW
    lines = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("query_id")
    dropped, rewritten, wrong = (item["id"] for item in first[:3])
    lines.loc[dropped, ["keep", "why"]] = ["no", "too dark"]
    lines.loc[rewritten, "refined"] = "C does it"
    lines.loc[wrong, "misaligned"] = next(item["query"] for item in first if item["take"] == first[2]["take"])
    lines.to_csv(path)
    for _ in range(2):
        items, reasons = run(data_params, project)
        by_id = {item["id"]: item for item in items}
        assert reasons == {"not_visible_in_exo": 1, "dropped_by_a_person": 1, "misaligned_query_happens": 1}
        assert by_id[rewritten]["query"] == "C does it" and {dropped, wrong}.isdisjoint(by_id)


def test_a_model_judges_and_a_second_run_costs_no_call(server, project, data_params):
    def writes(handler, body) -> None:
        query = body["messages"][1]["content"].split("The query: ")[1].split("\n")[0]
        judged = {"keep": "picks" not in query, "why": "I see it", "refined": f"{query} there", "misaligned": "C sings"}
        handler.send(200, said(json.dumps(judged)))

    server.otherwise = writes
    asking = changed(data_params, "llm", generator="openai", model="tiny", concurrency=1, backoff_s=0.0, tries=2)
    items, reasons = run(asking, project)
    calls = len(server.calls)
    assert calls == len(list(step.requests(asking, project))) == 9
    assert all(item["query"].endswith(" there") and item["misaligned"] == "C sings" for item in items)
    assert reasons["not_answerable"] == 9 - len(items)
    assert run(asking, project) == (items, reasons) and len(server.calls) == calls


def test_films_elsewhere_cannot_be_items(project, data_params, tmp_path):
    moved = changed(data_params, "sources", egoexo4d=tmp_path / "elsewhere")
    assert run(moved, project) == ([], Counter({"film_outside_data": 9, "not_visible_in_exo": 1}))


def test_what_happens_though_no_view_surely_shows_it_is_no_misaligned_query(tmp_path, rows, data_params):
    take, doubted = "take-7", facts_of(7, 2).event
    said = [row for row in rows["narrations"] if row["take_id"] == take]
    for row in said:
        row["unsure"] = row["narration_id"].startswith("take-7-n2")
    labelled = {row["text"].split(" with ")[0] for row in rows["intervals"] if row["take_id"] == take}
    narrated = next(
        fact for fact in (Facts("opens", colour, "fish") for colour in COLOURS) if fact.event not in labelled
    )
    rows["narrations"].append(said[0] | {"narration_id": "alone", "time_s": 8.0, "text": narrate(narrated)})
    project = built(tmp_path, rows, data_params)
    ids = [item["id"] for item in run(data_params, project)[0] if item["take"] == take]
    lines = pd.read_csv(project / step.REVIEW, dtype=str, keep_default_na=False).set_index("query_id")
    lines.loc[ids[:2], "misaligned"] = [doubted, narrated.event]
    lines.to_csv(project / step.REVIEW)
    items, reasons = run(data_params, project)
    assert reasons["misaligned_query_happens"] == 2
    assert [item["id"] for item in items if item["take"] == take] == ids[2:]


def test_what_is_told_in_a_window_is_of_intervals_and_narrations_there():
    of = {"take_id": "t", "video_id": "ego"}
    intervals = pd.DataFrame(
        [of | {"interval_id": text, "text": text, "start_s": start_s, "end_s": end_s}
         for text, start_s, end_s in [("C picks up a mug", 0.0, 2.0), ("C washes a plate", 9.0, 11.0)]]
    )  # fmt: skip
    single, spanned = {"time_s": 12.3, "start_s": None, "end_s": None}, {"time_s": 3.0, "start_s": 2.5, "end_s": 6.0}
    narrations = pd.DataFrame([of | single | {"text": "C sews cloth"}, of | spanned | {"text": "C eats bread"}])
    videos = pd.DataFrame([{"video_id": "ego", "view": "ego"}])
    annotations = {"videos": videos, "narrations": narrations, "intervals": intervals}
    takes = by_rule.Takes(pd.DataFrame(), annotations, set(), Told({}, None, 0))
    windows = pd.DataFrame({"take": "t", "start_s": [0.0, 5.0, 11.0], "end_s": [2.0, 12.0, 12.0]})
    assert happening.told(takes, windows).tolist() == [
        ["C picks up a mug"],
        ["C eats bread", "C sews cloth", "C washes a plate"],
        ["C sews cloth"],
    ]


def test_of_what_people_say_another_word_is_no_other_event():
    row = {"told": ["C picks up a mug"], "in_kitchen": False}
    assert happening.happens(row, "C takes the cup") and not happening.happens(row, "C washes the knife")
    assert not happening.happens(row | {"in_kitchen": True}, "C takes the cup")


def test_the_rule_keeps_what_it_is_asked():
    query = {"query_id": "q", "event": "C cuts the fish", "false_event": "C opens the fish", "from_s": 1.0, "to_s": 2.0}
    query |= {"times": None}
    facts = [("C cuts the fish", 1.0, 2.0)]
    [request] = judging.requests(pd.DataFrame([query | {"facts_ego": facts, "facts_exo": facts}]))
    assert judging.by_rule(request)["misaligned"] == "C opens the fish" and review.YES == "yes"
