"""EgoRe's short-term questions about clips, against a plain reading that asks them clip by clip.

Run as: python -m tests.benchmarks.templates [--rows 5000000] [--peer-rows 500000]

CPU seconds; every measurement has a process of its own, so that its peak memory is its own too. From a table of clips
to the sample table, with options, thoughts and content ids. Both sides give the same samples (asserted on the peer's
rows). The peer's time grows with its rows alone: it is measured on fewer, and counted by the row for all.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pyarrow as pa

from components import records
from components.data import samples
from components.data.egore import cot, short
from components.data.egore.build import short_term
from components.data.egore.qa import QA
from components.prompts import COLOURS, HANDS, KINDS, VERBS, Facts, narrate, parse_narration, think_answer
from components.records import content_id
from tests.benchmarks import rows
from tests.benchmarks.clips import _peak_gb, timed

PER_CLIP, COT_FRACTION, CHOICES, SEED = 2, 0.1, 4, 7
CLIPS_AT_ONCE = 250_000
UNPARSED = 0.05  # share of narrations that no grammar reads


def clips(count: int, first: int = 0) -> pd.DataFrame:
    """Give ego clips with narrations of every kind: verb x colour x object x hand, and some that do not parse."""
    rng = np.random.default_rng(first)
    texts = [narrate(Facts(*slots)) for slots in _slots()]
    texts += [f"C talks to person {number}" for number in range(round(len(texts) * UNPARSED))]
    starts_s = rng.uniform(0, 100, count)
    return pd.DataFrame(
        {
            "clip_id": [f"{number:016x}" for number in range(first, first + count)],
            "video_id": [f"{number // 90:016x}" for number in range(first, first + count)],
            "take_id": [f"take {number // 90}" for number in range(first, first + count)],
            "text": rng.choice(texts, count),
            "start_s": starts_s,
            "end_s": starts_s + 0.7,
            "view": "ego",
            "source": "egoexo4d",
            "split": "train",
        }
    )


def _slots() -> list[tuple]:
    return [(v, c, k, h) for v in VERBS for c in COLOURS for k in KINDS for h in ("", *HANDS)]


def ours(frame: pd.DataFrame) -> pa.Table:
    """Make the samples with the functions of the step."""
    made, _ = short_term(frame, per_clip=PER_CLIP, cot_fraction=COT_FRACTION, choices=CHOICES, seed=SEED)
    return samples.table(made)


def plain(clips: list[dict]) -> list[dict]:
    """Make the samples one by one."""
    made = []
    for clip in clips:
        facts = parse_narration(clip["text"])
        if facts is None:
            continue
        asked = sorted(short.questions(facts), key=lambda qa: content_id(SEED, clip["clip_id"], qa.question))
        for qa in asked[:PER_CLIP]:
            made.append(_plain_choice(clip, qa))
    by_id = {clip["clip_id"]: clip for clip in clips}
    for row in list(made):
        clip_id, question = row["parents"][0], row["question"]
        if int(content_id(SEED, "cot", clip_id, question), 16) % 1_000_000 < COT_FRACTION * 1_000_000:
            qa = QA(row["question_type"], question, row["answer"], ())
            answer = think_answer(cot.thought(parse_narration(by_id[clip_id]["text"]), qa), qa.answer)
            thought = {"question_type": "cot", "question": cot.question(qa), "answer": answer}
            made.append(_with_id(row | thought))
    return made


def _plain_choice(clip: dict, qa: QA) -> dict:
    key = content_id(SEED, clip["clip_id"], qa.question)
    false = sorted(set(qa.distractors) - {qa.answer}, key=lambda option: content_id(key, option))[: CHOICES - 1]
    position = int(content_id(key, "position"), 16) % (len(false) + 1)
    choices = [*false[:position], qa.answer, *false[position:]]
    target = {"kind": "choice", "text": None, "choices": choices, "answer_index": position, "span": None}
    media = {name: clip[name] for name in ("video_id", "view", "start_s", "end_s")}
    return _with_id(
        {
            "corpus": "egore",
            "task": "qa",
            "question_type": qa.question_type,
            "take_id": clip["take_id"],
            "split": clip["split"],
            "view": clip["view"],
            "media": [media],
            "paired": [],
            "frame_kind": "clip",
            "question": qa.question,
            "answer": qa.answer,
            "target": target | {"box_xyxy": None},
            "parents": [clip["clip_id"]],
        }
    )


def _with_id(row: dict) -> dict:
    keys = ("corpus", "task", "question_type", "question", "answer")
    sample_id = content_id(*(row[key] for key in keys), *row["parents"], *row["media"][0].values())
    return row | {"sample_id": sample_id}


def compare(count: int) -> dict:
    """Time both sides and assert that they give the same samples."""
    frame = clips(count)
    ours_s, mine = timed(ours, frame)
    given = frame.to_dict("records")
    peer_s, theirs = timed(lambda: pa.Table.from_pylist(plain(given), records.SAMPLE))
    assert mine.equals(theirs)
    return {"ours": ours_s, "peer": peer_s, "rows": len(mine)}


def scale(count: int) -> dict:
    """Time our side alone on many rows, some clips at once, with the peak memory of the process."""
    seconds, made, first = 0.0, 0, 0
    while made < count:
        took_s, table = timed(ours, clips(CLIPS_AT_ONCE, first))
        seconds, made, first = seconds + took_s, made + len(table), first + CLIPS_AT_ONCE
    return {"seconds": seconds, "rows": made, "peak_gb": _peak_gb()}


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.templates", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000, help="samples that our side makes")
    parser.add_argument("--peer-rows", type=int, default=500_000, help="samples that both sides make")
    given = parser.parse_args()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        both = alone.submit(compare, given.peer_rows // PER_CLIP).result()
        many = alone.submit(scale, given.rows).result()
    peer_s = both["peer"] * many["rows"] / both["rows"]
    all_rows = f"egore: {many['rows']:,} short-term samples, peer by the row"
    made = [
        rows.row(f"egore: {both['rows']:,} short-term samples, clip by clip", both["ours"], both["peer"], unit="CPU s"),
        rows.row(all_rows, many["seconds"], peer_s, unit="CPU s"),
        rows.row(f"egore: peak memory of {CLIPS_AT_ONCE:,} clips at once", many["peak_gb"], unit="GB"),
    ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
