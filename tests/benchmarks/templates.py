"""EgoRe's short-term questions about clips, against a plain reading that asks them clip by clip.

Run as: python -m tests.benchmarks.templates [--rows 5000000] [--peer-rows 200000]

CPU seconds; every measurement has a process of its own, so that its peak memory is its own too (the tables that come
in are a part of it). Ours goes from the tables of clips, narrations, intervals, boxes and videos to the sample table, a
partition of takes at a time, as large as those of the step (components/data/partition/runner.py). The peer
(tests/benchmarks/plain.py) goes from rows that already lie in memory to the same table: all seven types, options,
thoughts and content ids, asserted equal row for row on the peer's rows. Its time grows with its rows alone: it is
measured on fewer, and counted by the row for all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pyarrow as pa

from components import records
from components.data import sample_table
from components.data.egore.rule_based.short_questions import TYPES
from components.data.egore.rule_based.short_term import short_term
from components.data.partition import runner
from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, Facts, narrate
from tests.benchmarks import plain, rows
from tests.benchmarks.clips import TAKE_S, _peak_gb, timed

HOW = {"per_clip": 2, "cot_fraction": 0.1, "choices": 4, "seed": 7}
EVENTS, TOLD_TWICE = 60, 0.5  # of a take, which then has 90 narrations; in systems §1.2 it has 89
CAMERAS = 5  # of a take, one of them ego
HANDLED, LYING = 6, 4  # objects of a take
BOX_FRAMES, BOXES, INTERVALS = 30, 3, 10  # of a take; boxes of a frame
UNPARSED, UNSURE = 0.05, 0.02  # shares of narrations; each that no grammar reads has words of its own
ROWS_A_TAKE = EVENTS * (1 + TOLD_TWICE) * (1 + CAMERAS) + CAMERAS + BOX_FRAMES * BOXES + INTERVALS
TAKES_AT_ONCE = round(runner.PARTITION_ROWS / ROWS_A_TAKE)
# times are multiples of this: they stay exact on our one line of all takes, so that both sides round alike
TICK_S = 1 / 64
LOOKS = [f"{colour} {kind}" for colour in COLOURS for kind in KINDS]
TEXTS = np.array(
    [narrate(Facts(verb, *look.split(), hand)) for verb in VERBS for look in LOOKS for hand in (*HANDS, None)],
    dtype=object,
).reshape(len(VERBS), len(LOOKS), 3)


def partition(takes: int, first: int = 0) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Give the clips of some takes in every view, and the annotations that their questions need."""
    rng = np.random.default_rng(first)
    names = np.array([records.content_id("take", first + number) for number in range(takes)], dtype=object)
    shared = {"source": "egoexo4d", "split": "train"}
    looks = rng.random((takes, len(LOOKS))).argsort(axis=1)[:, : HANDLED + LYING]
    videos = pd.DataFrame(
        {
            "video_id": [f"{name}-{camera}" for name in names for camera in range(CAMERAS)],
            "take_id": names.repeat(CAMERAS),
            "view": ["ego", *["exo"] * (CAMERAS - 1)] * takes,
            "duration_s": TAKE_S,
        }
    )
    narrations = _narrations(rng, looks, names).assign(**shared)
    clips = narrations.drop(columns=["ego_visible", "unsure", "annotator_id"]).loc[narrations.index.repeat(CAMERAS)]
    # the length of clips comes from the density of their take: one take in 500 has clips over ten seconds
    half_s = np.ceil(rng.lognormal(-0.7, 0.8, takes) / TICK_S) * TICK_S
    camera = np.tile(np.arange(CAMERAS), len(narrations))
    of_take = clips.pop("take").to_numpy()
    time_s = clips.pop("time_s").to_numpy()
    clips = clips.assign(
        clip_id=[f"{name}-{number}" for name, number in zip(clips["narration_id"], camera, strict=True)],
        video_id=videos["video_id"].to_numpy()[of_take * CAMERAS + camera],
        view=videos["view"].to_numpy()[camera],
        start_s=np.maximum(time_s - half_s[of_take], 0.0),
        end_s=np.minimum(time_s + half_s[of_take], TAKE_S),
    )
    annotations = {
        "narrations": narrations.drop(columns="take"),
        "videos": videos,
        "boxes": _boxes(rng, looks, names),
        "intervals": _intervals(rng, looks, names),
    }
    return clips.reset_index(drop=True), annotations


def _narrations(rng: np.random.Generator, looks: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    take = np.arange(len(names)).repeat(EVENTS)
    time_s = _times(rng, len(take))
    # the smaller of two draws: some verbs are said more often, and follow one another more often
    verb = rng.integers(0, len(VERBS), (2, len(take))).min(axis=0)
    thing, hand = looks[take, rng.integers(0, HANDLED, len(take))], rng.integers(0, 3, len(take))
    twice = np.flatnonzero(rng.random(len(take)) < TOLD_TWICE)
    row = np.concatenate([np.arange(len(take)), twice])
    later_s = np.zeros(len(row))
    later_s[len(take) :] = rng.integers(1, 32, len(twice)) * TICK_S
    text = TEXTS[verb[row], thing[row], hand[row]]
    numbers = np.flatnonzero(rng.random(len(row)) < UNPARSED)
    text[numbers] = [f"C talks to person {number}" for number in numbers]
    frame = pd.DataFrame(
        {
            "take": take[row],
            "take_id": names[take[row]],
            "annotator_id": np.where(np.arange(len(row)) < len(take), "1", "2"),
            "time_s": np.minimum(time_s[row] + later_s, TAKE_S),
            "text": text,
            "ego_visible": rng.random(len(row)) >= UNSURE,
            "unsure": rng.random(len(row)) < UNSURE,
        }
    )
    frame = frame.sort_values(["take", "time_s"], kind="stable", ignore_index=True)
    place = frame.groupby("take").cumcount()
    return frame.assign(narration_id=[f"{name}-{n:03d}" for name, n in zip(frame["take_id"], place, strict=True)])


def _boxes(rng: np.random.Generator, looks: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    take = np.arange(len(names)).repeat(BOX_FRAMES)
    tick = rng.integers(0, round(TAKE_S / TICK_S), len(take)).repeat(BOXES)
    take = take.repeat(BOXES)
    # past the objects of a take, a hand
    place = rng.integers(0, HANDLED + LYING + 2, len(take))
    thing = np.append(looks, np.full((len(looks), 2), len(LOOKS)), axis=1)[take, place]
    name = np.array([*LOOKS, "left hand"], dtype=object)[thing]
    ego = np.array([f"{name}-0" for name in names], dtype=object)[take]
    return pd.DataFrame(
        {"take_id": names[take], "video_id": ego, "name": name, "time_s": tick * TICK_S, "frame": tick // 2}
    )


def _intervals(rng: np.random.Generator, looks: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    take = np.arange(len(names)).repeat(INTERVALS)
    thing = looks[take, rng.integers(0, HANDLED, len(take))]
    text = TEXTS[rng.integers(0, len(VERBS), len(take)), thing, 2]
    return pd.DataFrame({"take_id": names[take], "start_s": _times(rng, len(take)), "text": text})


def _times(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, round(TAKE_S / TICK_S), count) * TICK_S


def ours(clips: pd.DataFrame, annotations: dict[str, pd.DataFrame]) -> pa.Table:
    """Make the samples with the functions of the step."""
    return sample_table.table(short_term(clips, annotations, **HOW)[0])


def peer(clips: list[dict], annotations: dict[str, list[dict]]) -> pa.Table:
    """Make the samples one by one."""
    return pa.Table.from_pylist(plain.short_term(clips, annotations, **HOW), records.SAMPLE)


def _partitions(takes: int = TAKES_AT_ONCE) -> Iterator[tuple[pd.DataFrame, dict[str, pd.DataFrame]]]:
    first = 0
    while True:
        yield partition(takes, first)
        first += takes


def compare(count: int, *, takes: int = TAKES_AT_ONCE) -> dict:
    """Time both sides on partitions until there are `count` samples; assert that they give the same, of every type."""
    total = {"ours": 0.0, "peer": 0.0, "rows": 0}
    kinds = set()
    for clips, given in _partitions(takes):
        ours_s, mine = timed(ours, clips, given)
        said = {name: frame.to_dict("records") for name, frame in given.items()}
        peer_s, theirs = timed(peer, clips.to_dict("records"), said)
        assert mine.equals(theirs)
        kinds |= set(mine["question_type"].to_pylist())
        total = {"ours": total["ours"] + ours_s, "peer": total["peer"] + peer_s, "rows": total["rows"] + len(mine)}
        if total["rows"] >= count:
            break
    assert kinds == {*TYPES, "cot"}
    return total


def scale(count: int) -> dict:
    """Time our side alone on partitions until there are `count` samples, with the peak memory of the process."""
    seconds, made = 0.0, 0
    for clips, given in _partitions():
        took_s, table = timed(ours, clips, given)
        seconds, made = seconds + took_s, made + len(table)
        if made >= count:
            break
    return {"seconds": seconds, "rows": made, "peak_gb": _peak_gb()}


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.templates", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000, help="samples that our side makes, at least")
    parser.add_argument("--peer-rows", type=int, default=200_000, help="samples that both sides make, at least")
    given = parser.parse_args()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        both = alone.submit(compare, given.peer_rows).result()
        many = alone.submit(scale, given.rows).result()
    peer_s = both["peer"] * many["rows"] / both["rows"]
    few, all_rows = (f"egore: {count:,} short-term samples" for count in (given.peer_rows, given.rows))
    made = [
        rows.row(f"{few}, clip by clip", both["ours"], both["peer"], unit="CPU s"),
        rows.row(f"{all_rows}, peer by the row", many["seconds"], peer_s, unit="CPU s"),
        rows.row(f"{all_rows}, peak memory", many["peak_gb"], unit="GB"),
    ]
    rows.write(made)
    print(f"{both['rows']:,} samples by both sides, {many['rows']:,} by ours in partitions of {TAKES_AT_ONCE} takes")
    print(rows.show(made))


if __name__ == "__main__":
    main()
