"""EgoExo-Con's items of pairs that were acted out twice, from the release that the miniature writes."""

import json
from collections import Counter

import pandas as pd
import pytest

from components.benchmarks import egoexo_con as benchmark
from components.data.clips import step as clips
from components.data.egoexo_con import acted_twice, judging, step
from components.data.sources import charades_ego
from components.video import Probe
from components.world import charades_ego as world
from components.world.plan import WorldPlan, plan_takes
from tests.components.data.conftest import changed, write_annotations
from tests.components.data.sources.written import gathered_tables

SOURCE = "charades_ego"


@pytest.fixture
def project(tmp_path, rows, data_params):
    """The takes of the conftest, and Charades-Ego's pairs as the miniature writes them, with films below data/."""
    root = tmp_path / "data/raw/charades_ego"
    planned = plan_takes(7, takes=8, take_s=12.0, val_fraction=0.2, test_fraction=0.2)
    films = world.write(root, WorldPlan(7, planned, 8, size_px=16, is_egoexo4d_written=False))
    length_s = {film.path.name: film.end_s - film.start_s for film in films}
    for film in films:
        film.path.touch()

    def told(path, fps=None) -> Probe:
        seconds = length_s.get(path.name, 12.0)
        return Probe(seconds, 8.0, round(8 * seconds))

    tables, _ = gathered_tables(charades_ego.read(root, probe=told))
    for name, made in tables.items():
        rows[name] = [*rows[name], *made]
    data_dir = write_annotations(tmp_path / "data", rows)
    moved = changed(data_params, "sources", charades_ego="data/raw/charades_ego")
    clips.run(moved, data_dir)
    return moved, data_dir, tables


def test_a_pair_is_asked_in_each_view_at_its_own_times(project):
    data_params, data_dir, tables = project
    made = step.run(data_params, data_dir)
    [(_, came, went, lost)] = made["row_counts"]
    assert came == went + lost
    items = [item for item in json.loads((data_dir / step.ITEMS).read_text()) if item["source"] == SOURCE]
    held_out = {row["take_id"] for row in tables["videos"] if row["split"] == "test"}
    assert items and {item["take"] for item in items} <= held_out
    spans, views = {}, {row["video_id"]: (row["take_id"], row["view"]) for row in tables["videos"]}
    for row in tables["intervals"]:
        spans.setdefault((*views[row["video_id"]], row["text"]), []).append((row["start_s"], row["end_s"]))
    labels = {(take, text) for take, _, text in spans}
    for item in items:
        assert item["ego"].endswith(f"{item['take']}EGO.mp4") and item["exo"].endswith(f"{item['take']}.mp4")
        assert (item["take"], item["misaligned"]) not in labels and "start" not in item
        for view in ("ego", "exo"):
            times = item["times"][view]
            [(start_s, end_s)] = spans[item["take"], view, item["query"]]
            assert times["segment"][0] + times["start"] == pytest.approx(start_s, abs=0.002)
            assert times["segment"][0] + times["end"] == pytest.approx(end_s, abs=0.002)
    # the worn camera began later
    assert any(item["times"]["ego"] != item["times"]["exo"] for item in items)

    asked = benchmark.load_grounding(data_dir)
    of_pair = [sample for sample in asked.samples if sample.pair.startswith(items[0]["id"])]
    assert not asked.rejects and [sample.media[0].view for sample in of_pair] == ["ego", "exo"]
    assert [sample.target.start_s for sample in of_pair] == [
        items[0]["times"][view]["start"] for view in ("ego", "exo")
    ]
    verified = benchmark.load_verification(data_dir).samples
    charades = [sample for sample in verified if sample.subsets == (SOURCE,)]
    assert Counter(sample.target.index for sample in charades) == {0: 2 * len(items), 1: 2 * len(items)}


def test_synchronized_takes_are_items_as_before(project):
    data_params, data_dir, _ = project
    both = step.queries(data_params, data_dir)
    assert set(both["source"]) == {"egoexo4d", SOURCE} and both["query_id"].is_unique
    assert both.loc[both["source"] == "egoexo4d", "times"].isna().all()
    assert len(both[both["source"] == "egoexo4d"]) == 10


def labelled(video: str, view: str, *actions: tuple[str, float, float]) -> tuple[list[dict], list[dict]]:
    of = {"source": SOURCE, "take_id": "t", "video_id": video}
    spans = [of | {"interval_id": f"{video}{n}", "text": text, "start_s": start_s, "end_s": end_s}
             for n, (text, start_s, end_s) in enumerate(actions)]  # fmt: skip
    timed = [span | {"view": view, "event": span["text"], "parent": span["interval_id"], "from_s": span["start_s"],
                     "to_s": span["end_s"], "start_s": 0.0, "end_s": 12.0} for span in spans]  # fmt: skip
    return timed, spans


def test_only_what_both_films_are_labelled_with_is_asked_and_what_neither_is_with_is_false():
    ego, ego_spans = labelled("e", "ego", ("Washing a cup", 1.0, 3.0), ("Opening a door", 4.0, 5.0))
    exo, exo_spans = labelled("x", "exo", ("Cutting a fish", 0.5, 2.0), ("Washing a cup", 6.0, 9.0))
    _, others = labelled("o", "exo", ("Washing a knife", 0.0, 1.0), ("Closing a box", 2.0, 3.0))
    videos = pd.DataFrame([{"video_id": video, "source": SOURCE} for video in "exo"])
    found = acted_twice.queries(pd.DataFrame(ego + exo), pd.DataFrame(ego_spans + exo_spans + others), videos)
    [row] = found.to_dict("records")
    assert row["event"] == "Washing a cup" and row["false_event"] == "Washing a knife"
    assert row["times"] == {"ego": [0.0, 12.0, 1.0, 3.0], "exo": [0.0, 12.0, 6.0, 9.0]}
    assert row["facts_exo"] == [("Cutting a fish", 0.5, 2.0), ("Washing a cup", 6.0, 9.0)]
    [request] = judging.requests(found)
    assert "from 1.00 to 3.00 s of the worn camera's film and from 6.00 to 9.00 s of the other" in request.user
    # with no label left that is false, none is made up
    assert (
        acted_twice.queries(pd.DataFrame(ego + exo), pd.DataFrame(ego_spans + exo_spans), videos)["false_event"]
        .isna()
        .all()
    )
    synchronized = videos.assign(source="lemma")
    assert acted_twice.queries(pd.DataFrame(ego + exo), pd.DataFrame(ego_spans + exo_spans), synchronized).empty
