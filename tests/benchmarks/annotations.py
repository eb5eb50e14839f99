"""The step `annotations` over four corpora of the size of a release, against plain readings of the same files.

Run as: python -m tests.benchmarks.annotations, some two minutes of a core

CPU seconds, each measurement in a process of its own, so that its peak memory is its own too. Ours is the whole step:
cleaned text, checked times and paths, content ids, rejects and Parquet files. The peer of a row "to Parquet" is a short
script: the same ids, paths, times and texts, read row by row with `csv` or `json` and written as Parquet (asserted).
The peer of a row "read alone" only brings the file into memory, by `pandas.read_csv` or `json.load`; it checks nothing
and writes nothing. What is asked of ours is ROWS_PER_S and PEAK_MB.
"""

from __future__ import annotations

import csv
import gc
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components import params
from components.data import annotations
from components.records import content_id
from components.video import Probe
from components.video.killable_worker import KillableWorker
from tests.benchmarks import rows
from tests.benchmarks.clips import alone, timed

ROOT = Path(__file__).parents[2]
PEAK_MB, ROWS_PER_S = 600, 60_000  # what is asked of each corpus
SENTENCES = [
    f"C {verb} the {colour} {thing} {place}"
    for verb in ("picks up", "puts down", "washes", "looks at")
    for colour in ("red", "blue", "wooden", "small")
    for thing in ("cup", "knife", "bag of clothes", "cutting board")
    for place in ("with his right hand", "on the counter", "from the floor, slowly")
]


def uid(number: int) -> str:
    """Return a text of the form of a video's id."""
    return f"{number:08x}-2743-47fc-8564-d5efd11f9e90"


def write_egoclip(root: Path, count: int) -> None:
    """Write egoclip.csv, which is separated by tabs; every thousandth text has an odd number of quotes."""
    time_s = np.random.default_rng(0).uniform(0, 900, count).round(6)
    with (root / "egoclip.csv").open("w") as file:
        file.write(
            "clip_idx\tvideo_uid\tvideo_dur\tnarration_source\tnarration_ind\tnarration_time\tclip_start\tclip_end\t"
            "clip_text\ttag_verb\ttag_noun\n"
        )
        for n, t in enumerate(time_s.tolist()):
            quote = '"' if n % 1000 == 0 else ""
            text = f"#C {SENTENCES[n % len(SENTENCES)]} {quote}{n}"
            file.write(f"{n}\t{uid(n // 400)}\t901.3\tnarration_pass_1\t{n % 400}\t{t}\t{t - 0.4}\t{t + 0.5}\t{text}")
            file.write(f"\t[{n % 118}]\t[{n % 582}, 115]\n")


def write_ego4d(root: Path, count: int) -> None:
    """Write narration.json, two passes of two hundred narrations for each video."""
    time_s = np.random.default_rng(0).uniform(1, 900, count).round(5).tolist()

    def narration(n: int) -> dict:
        told = {"timestamp_sec": time_s[n], "timestamp_frame": round(30 * time_s[n])}
        return told | {"narration_text": f"#C {SENTENCES[n % len(SENTENCES)]} {n}", "annotation_uid": uid(n)}

    (root / "v2/annotations").mkdir(parents=True)
    (root / "v2/full_scale").mkdir()
    with (root / "v2/annotations/narration.json").open("w") as file:
        for start in range(0, count, 400):
            (root / f"v2/full_scale/{uid(start)}.mp4").touch()  # no film is decoded: tables alone are measured
            passes = {
                f"narration_pass_{1 + first // 200}": {
                    "narrations": [narration(n) for n in range(start + first, min(start + first + 200, count))],
                    "summaries": [{"start_sec": 0.0, "end_sec": 300.0, "summary_text": "#Summary C was in a room"}],
                }
                for first in (0, 200)
            }
            file.write("{" if start == 0 else ", ")
            file.write(json.dumps(uid(start)) + ": " + json.dumps({"status": "complete"} | passes))
        file.write("}")


def write_webvid(root: Path, count: int) -> None:
    """Write results_10M_train.csv; every twentieth name has a line break, every sixth is quoted for a comma."""
    with (root / "results_10M_train.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["videoid", "contentUrl", "duration", "page_dir", "name"])
        for n in range(count):
            ending = "\nslow motion" if n % 20 == 0 else ""
            url = f"https://example.org/videos/{n}/preview/stock-footage-{n}.mp4"
            name = f"{SENTENCES[n % len(SENTENCES)]} {n}{ending}"
            writer.writerow([n, url, "PT00H00M17S", f"{n // 50:06}_{n // 50 + 49:06}", name])


def write_egotimeqa(root: Path, count: int) -> None:
    """Write annotations.EgoTimeQA.json, with three wrong answers for each question."""
    path = root / "data/unified/annotations.EgoTimeQA.json"
    path.parent.mkdir(parents=True)
    time_s = np.random.default_rng(0).uniform(0, 400, count).round(6).tolist()
    asked = [
        {
            "video_id": uid(n // 50),
            "sample_id": None,
            "question": f"What did I pick up before {SENTENCES[n % len(SENTENCES)]}?",
            "answer": f"the cup {n}",
            "start_sec": start_s,
            "end_sec": start_s + 3.5,
            "moment_start_frame": 30 * start_s,
            "moment_end_frame": 30 * start_s + 105.0,
            "narrations": SENTENCES[n % 7],
            "wrong_answers": [f"a knife {n}", "the wooden board", "nothing"],
        }
        for n, start_s in enumerate(time_s)
    ]
    path.write_text(json.dumps(asked))


class Corpus(NamedTuple):
    """A corpus: how it is written and read plainly."""

    count: int
    write: Callable[[Path, int], None]
    read: Callable[[Path], object]  # the file into memory
    rows: Callable[[Path], Iterator[tuple]]  # (what the id is made of, columns of the table)
    table: str
    columns: tuple[str, ...]


def egoclip_rows(root: Path) -> Iterator[tuple]:
    """Read EgoClip line by line."""
    with (root / "egoclip.csv").open() as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            text = row["clip_text"].removeprefix("#C ") if row["clip_text"].startswith("#C C ") else row["clip_text"]
            start_s = max(float(row["clip_start"]), 0.0)
            yield row["clip_idx"], (row["video_uid"] + ".mp4", start_s, float(row["clip_end"]), text)


def ego4d_rows(root: Path) -> Iterator[tuple]:
    """Read Ego4D's narrations one by one."""
    told = json.loads((root / "v2/annotations/narration.json").read_text())
    for video, said in told.items():
        for name in ("narration_pass_1", "narration_pass_2"):
            for narration in said.get(name, {}).get("narrations", []):
                text, time_s = narration["narration_text"], narration["timestamp_sec"]
                bare = text.removeprefix("#C ") if text.startswith("#C C ") else text
                yield f"{video}/{name}/{repr(time_s).removesuffix('.0')}/{text}", (video, name, time_s, bare)


def webvid_rows(root: Path) -> Iterator[tuple]:
    """Read WebVid record by record."""
    with (root / "results_10M_train.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            path = f"videos/{row['page_dir']}/{row['videoid']}.mp4"
            yield row["videoid"], (path, row["name"].replace("\n", " "))


def egotimeqa_rows(root: Path) -> Iterator[tuple]:
    """Read EgoTimeQA's records one by one."""
    for row in json.loads((root / "data/unified/annotations.EgoTimeQA.json").read_text()):
        video, start_s, end_s, question = (row[name] for name in ("video_id", "start_sec", "end_sec", "question"))
        shown = (f"{video}.mp4", start_s, end_s, question, row["answer"], row["wrong_answers"])
        yield f"{video}/{start_s}/{end_s}/{question}", shown


def load_json(name: str, root: Path) -> object:
    """Bring a JSON file into memory."""
    return json.loads((root / name).read_text())


SPAN = ("path", "start_s", "end_s")
CORPORA = {
    "egoclip": Corpus(
        1_000_000,
        write_egoclip,
        lambda root: pd.read_csv(root / "egoclip.csv", sep="\t", quoting=csv.QUOTE_NONE),
        egoclip_rows,
        "captions",
        (*SPAN, "text"),
    ),
    "ego4d": Corpus(
        700_000,
        write_ego4d,
        partial(load_json, "v2/annotations/narration.json"),
        ego4d_rows,
        "narrations",
        ("take_id", "annotator_id", "time_s", "text"),
    ),
    "webvid": Corpus(
        200_000,
        write_webvid,
        lambda root: pd.read_csv(root / "results_10M_train.csv"),
        webvid_rows,
        "captions",
        ("path", "text"),
    ),
    "egotimeqa": Corpus(
        40_000,
        write_egotimeqa,
        partial(load_json, "data/unified/annotations.EgoTimeQA.json"),
        egotimeqa_rows,
        "questions",
        (*SPAN, "question", "answer", "wrong_answers"),
    ),
}


def plain(name: str, root: Path, path: Path) -> None:
    """Write the rows of a corpus as a short script would."""
    corpus = CORPORA[name]
    ids, shown = zip(*corpus.rows(root), strict=True)
    columns = dict(zip(corpus.columns, map(list, zip(*shown, strict=True)), strict=True))
    pq.write_table(pa.table({"id": [content_id(name, row) for row in ids]} | columns), path, compression="zstd")


def ours(name: str, root: Path, data_dir: Path) -> dict:
    """Run the step with this source alone."""
    gc.set_threshold(50_000, 50, 50)  # as `python -m components.data` does
    parameters = params.load(ROOT / "params/data.yaml", params.Data)
    parameters = parameters.model_copy(update={"sources": params.Sources(**{name: root})})
    with mock.patch.object(KillableWorker, "call", lambda self, function, path, *rest: Probe(1000.0, 30.0, 30_000)):
        seconds, made = timed(annotations.run, parameters, data_dir)
    # VmHWM is of this process alone: ru_maxrss begins with that of the one that started it
    status = Path("/proc/self/status").read_text()
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return {"s": seconds, "peak_mb": int(peak_kib) * 1024 / 1e6, "counts": made["counts"]}


def compare(name: str, count: int) -> dict:
    """Measure all sides over a corpus of so many rows, and assert that they give the same."""
    corpus = CORPORA[name]
    with TemporaryDirectory() as folder:
        root, data_dir, peer = Path(folder) / name, Path(folder) / "data", Path(folder) / "peer.parquet"
        root.mkdir()
        corpus.write(root, count)
        told = alone(ours, name, root, data_dir)
        assert told["counts"][corpus.table] == count and told["counts"]["rejects"] == 0, told
        told["plain_s"] = alone(seconds_of, plain, name, root, peer)
        told["read_s"] = alone(seconds_of, read_alone, name, root)
        theirs = pq.read_table(peer)
        made = pq.read_table(data_dir / f"annotations/{corpus.table}.parquet")
        made = made.select([annotations.IDS[corpus.table], *corpus.columns]).rename_columns(theirs.column_names)
        assert made.cast(theirs.schema).equals(theirs)
    return told


def read_alone(name: str, root: Path) -> None:
    """Bring the file of a corpus into memory."""
    CORPORA[name].read(root)


def seconds_of(work: Callable, *arguments: object) -> float:
    """Return the CPU seconds of a run."""
    return timed(work, *arguments)[0]


def main() -> None:
    """Measure, print the table and write the rows."""
    made = []
    for name, corpus in CORPORA.items():
        told = compare(name, corpus.count)
        print(
            f"{name}: {corpus.count / told['s']:,.0f} rows a CPU second (asked {ROWS_PER_S:,}), peak "
            f"{told['peak_mb']:.0f} MB (asked at most {PEAK_MB})",
            flush=True,
        )
        what = f"annotations: {corpus.count:,} rows of {name}"
        made += [
            rows.row(f"{what}, to Parquet", told["s"], told["plain_s"], unit="CPU s"),
            rows.row(f"{what}, read alone", told["s"], told["read_s"], unit="CPU s"),
            rows.row(f"{what}, peak memory", told["peak_mb"], unit="MB"),
        ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
