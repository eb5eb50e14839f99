"""EgoExoBench: multiple choice over several films and images of both views."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_csv
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("EgoExoBench_MCQ.tsv",)
_TAKE = re.compile(r"(?:^|/)takes/([^/]+)/")  # other folders hold many recordings
_LETTER = re.compile(r"^\(?[A-Z][.):]\s*")


def load(folder: Path) -> Loaded:
    """Read the questions; a subtask is a subset.

    Args:
        folder: with EgoExoBench_MCQ.tsv, and the media at the paths of its rows.

    Raises:
        ValueError: no file.
    """

    def sample_of(row: Mapping[str, str]) -> Sample:
        media = tuple(medium for one in ast.literal_eval(row["medias"]) for medium in _media(one))
        if not media:
            raise RowError("no_media")
        options = [_LETTER.sub("", option) for option in ast.literal_eval(row["options"])]
        target = choice(options, row["answer"].strip())
        take = _TAKE.search(media[0].path)
        video = take[1] if take else PurePosixPath(media[0].path).stem
        return Sample(row["index"], video, row["question"].strip(), media, target, (row["subtask_type"],))

    rows = read_csv(find(folder, FILES), ("index",), delimiter="\t")
    return loaded(rows, sample_of, row_id=lambda row, place: str(row["index"]))


def _media(one: Mapping[str, Any]) -> Iterator[Medium]:
    if one["type"] == "video":
        end_s = one.get("video_end")
        path = one["video_path"]
        yield Medium(path, _view(path), float(one.get("video_start") or 0), None if end_s is None else float(end_s))
    elif one["type"] in ("image", "frames"):
        yield from (Medium(path, _view(path)) for path in one["image_paths"])
    else:
        raise RowError("unknown_medium", repr(one["type"]))


def _view(path: str) -> str:
    return "exo" if re.search(r"(^|[/_])(exo|cam\d|gp\d|tpv|third)", path.casefold()) else "ego"


BENCHMARK = Benchmark(
    title="EgoExoBench",
    load=load,
    files=FILES,
    metric="accuracy",
    splits="test, over 7,300 questions of 11 subtasks",
    licence="MIT; films of six data sets under their own",
    origin="`ayiyayi/EgoExoBench`, hub data set `Heleun/EgoExoBench_MCQ`; tests write its columns",
    frames=32,
    note="the view of a film is told by its path; EgoThinker's RES has 936 such questions (26.3 and 39.5)",
)
