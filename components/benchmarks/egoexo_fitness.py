"""EgoExo-Fitness cross-view sequence verification: do two films, often of other views, show the same exercises?"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from components import prompts
from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("test_pairs_open.txt", "test_pairs.txt")
OPTIONS = (prompts.YES, prompts.NO)
QUESTION = (
    "The first half of the frames is of one video, the second half of another. Do both show the same exercises in the "
    "same order?"
)
VIEWS = ("ego", "exo")


def load(folder: Path) -> Loaded:
    """Read the pairs; whether they are of one view or of two is a subset.

    Args:
        folder: with one of FILES; films are folders of frames, `<record>/<camera>/<name>`, one image a frame.

    Raises:
        ValueError: no file.
    """

    def sample_of(row: tuple[int, str]) -> Sample:
        place, line = row
        words = line.split()
        if len(words) != 8:
            raise RowError("malformed_row", f"{len(words)} words, not two of path, labels, first and last frame")
        first, second = (_medium(*words[start : start + 4]) for start in (0, 4))
        is_same = words[1] == words[5]
        kinds = "cross-view" if first.view != second.view else f"{first.view} alone"
        target = choice(OPTIONS, OPTIONS.index(prompts.YES if is_same else prompts.NO))
        record = PurePosixPath(first.path).parts[0]
        # the same parts of the same records, filmed from inside both times or from outside both times
        pair = " ".join([*_part(words[:4]), *_part(words[4:])]) if first.view == second.view else ""
        return Sample(str(place), record, QUESTION, (first, second), target, (kinds,), pair=pair)

    lines = find(folder, FILES).read_text(encoding="utf-8").splitlines()
    return loaded(list(enumerate(lines)), sample_of, row_id=lambda row, place: str(place))


def _part(words: list[str]) -> list[str]:
    return [PurePosixPath(words[0]).parts[-3], *words[1:]]


def _medium(path: str, labels: str, first: str, last: str) -> Medium:
    *_, record, camera, name = PurePosixPath(path).parts  # the rest is a place on the authors' disk
    view = camera.split("_")[0]
    if view not in VIEWS:
        raise RowError("unknown_view", camera)
    # a folder of images shows one a second
    return Medium(f"{record}/{camera}/{name}", view, float(first), float(last) + 1)


BENCHMARK = Benchmark(
    title="EgoExo-Fitness CVSV",
    load=load,
    files=FILES,
    metric="yes_no",
    splits="test, 12,449 pairs",
    licence="EgoExo-Fitness licence, for research",
    origin="`iSEE-Laboratory/EgoExo-Fitness`, `CVSV_benchmark/annotations/`",
    frames=32,
    official="yes_unless_no",
    note="the authors report the area under the curve of a distance; yes and no have an accuracy and an F1; what was "
    "filmed from inside both times and from outside both times is a pair of views",
)
