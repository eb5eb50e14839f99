"""What the world writes for EgoIT is what the adapters read, and its films show what the texts say."""

import json
from collections import Counter

import numpy as np
import pytest

from components import video
from components.data.sources import egotimeqa, egtea, openeqa, ssv2
from components.prompts import kitchen_grammar
from components.world import egoit_sources
from components.world.films import make
from components.world.plan import WorldPlan, plan_takes
from components.world.render import render
from components.world.script import script_take
from tests.components.data.sources.written import gathered

SEED, SIZE_PX, FPS = 7, 64, 8
READ = {"ssv2": ssv2.read, "egtea": egtea.read, "egotimeqa": egotimeqa.read, "openeqa": openeqa.read}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(folder, cuts) of all four sources at their full number."""
    folder = tmp_path_factory.mktemp("egoit_sources")
    takes = plan_takes(SEED, takes=100, take_s=16.0, val_fraction=0.1, test_fraction=0.0)
    plan = WorldPlan(SEED, takes, FPS, SIZE_PX)
    return folder, [film for name in READ for film in egoit_sources.write(name, folder / name, plan)]


def told(written, source):
    return gathered(READ[source](written[0] / source))


def test_the_adapters_read_every_row(written):
    count = {source: tuple(map(len, told(written, source))) for source in READ}
    assert count["ssv2"] == (21, 3)  # every eighth has no label
    assert count["egtea"] == (24, 0)
    kept, rejected = count["egotimeqa"]
    assert (kept + rejected, rejected) == (47, 3)  # four of each clip; one take has three events
    assert count["openeqa"][0] > 12 and count["openeqa"][1] == 0


def test_the_defects_of_the_releases_are_there(written):
    _, rejects = told(written, "egotimeqa")
    assert {row["reason"] for row in rejects} == {"wrong_answer_is_right"}
    rows, _ = told(written, "egotimeqa")
    assert {len(row["wrong_answers"]) for row in rows} == {0, 3}
    assert sum(row["start_s"] >= 16 for row in rows) == 1  # beyond its film
    asked = json.loads((written[0] / "openeqa" / openeqa.FILE).read_text())
    assert any("" in row.get("extra_answers", []) for row in asked) and any("extra_answers" not in row for row in asked)
    splits = [(written[0] / f"egtea/test_split{number}.txt").read_text().splitlines() for number in (1, 2, 3)]
    assert not set(splits[0]) & set(splits[1]) and all(line.endswith(" ") for split in splits for line in split)


@pytest.mark.parametrize("source", ["ssv2", "egtea", "egotimeqa"])
def test_one_film_is_missing_and_one_broke_off(written, source):
    folder, cuts = written
    count = egoit_sources.MOST[source]
    mine = [cut for cut in cuts if cut.path.is_relative_to(folder / source)]
    assert len(mine) == count - 2
    (broken,) = [path for path in (folder / source).rglob("*") if path.suffix in (".mp4", ".webm")]
    with pytest.raises(video.VideoError):
        video.probe(broken)


def test_texts_say_what_the_film_shows(written):
    for number, row in enumerate(sorted(told(written, "ssv2")[0], key=lambda row: int(row["path"][:-5]))[:6]):
        take = script_take(SEED, egoit_sources.FIRST_TAKE["ssv2"] + number)
        facts = take.facts(take.events[number % len(take.events)])
        assert row["text"] == f"{facts.verb} the {facts.object}"
    words = {word for row in told(written, "egtea")[0] for word in row["text"].lower().split()}
    assert words <= {word for phrase in (*kitchen_grammar.VERBS, *kitchen_grammar.KINDS) for word in phrase.split()}


def test_right_answers_are_the_script_s(written):
    slots = {"colour": "colour", "kind": "type", "do": "verb"}
    asked = json.loads((written[0] / "egotimeqa" / egotimeqa.FILE).read_text())
    for row in asked:
        facts = kitchen_grammar.parse_narration(row["narrations"])
        word = next(word for word in slots if word in row["question"].split())
        assert row["answer"] == getattr(facts, slots[word])
    assert Counter(row["video_id"] for row in asked).most_common(1)[0][1] == egoit_sources.QUESTIONS_PER_CLIP


def test_a_cut_shows_its_part_of_the_script_in_both_containers(written, tmp_path):
    for suffix in (".webm", ".mp4"):
        cut = next(cut for cut in written[1] if cut.path.suffix == suffix and cut.end_s - cut.start_s < 8)
        make(cut, size_px=SIZE_PX)
        seen = video.probe(cut.path)
        frames = round((cut.end_s - cut.start_s) * cut.fps)
        assert (seen.frames, seen.fps) == (frames, cut.fps)
        wanted = np.array([0, frames // 2, frames - 1])
        for index, frame in zip(wanted, video.decode(cut.path, wanted, size_px=SIZE_PX), strict=True):
            truth = render(cut.take, cut.start_s + index / cut.fps, "ego", size_px=SIZE_PX)
            assert np.abs(frame.astype(int) - truth).mean() < 6


def test_an_episode_shows_its_take(written):
    row = told(written, "openeqa")[0][0]
    frames = video.decode(written[0] / "openeqa/data/frames" / row["path"], np.arange(8), size_px=SIZE_PX)
    take = script_take(SEED, egoit_sources.FIRST_TAKE["openeqa"])
    assert (frames[3] == render(take, 7.0, "ego", size_px=SIZE_PX)).all()
    missing = {row["path"] for row in told(written, "openeqa")[0]}
    assert sum(not (written[0] / "openeqa/data/frames" / path).is_dir() for path in missing) == 1
