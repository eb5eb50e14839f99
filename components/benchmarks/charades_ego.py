"""Charades-Ego: which action does the person do, of five, in films of the same acts from both views?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from components.benchmarks.shared.choices import choice, shuffled
from components.benchmarks.shared.distractors import nearest
from components.benchmarks.shared.files import RowError, find, loaded, read_csv
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("CharadesEgo/CharadesEgo_v1_test.csv", "CharadesEgo_v1_test.csv", "CharadesEgo_v0_test.csv")
CLASSES = ("CharadesEgo/Charades_v1_classes.txt", "Charades_v1_classes.txt")
FILMS = "CharadesEgo_v1_480"  # where the release has them
WRONG = 4
QUESTION = "What is the person doing in the video?"


def load(folder: Path, nearest: Callable[..., list[str]] = nearest) -> Loaded:
    """Read one question of each action of each film: its name among the four most like it that the film does not show.

    Args:
        folder: with one of FILES and the names of the classes; films are `<id>.mp4`, in FILMS where that is there.
        nearest: chooses wrong options, as `shared.distractors.nearest` by words or as `shared.sentences.nearest_of`.

    Raises:
        ValueError: a file is missing.
    """
    lines = find(folder, CLASSES).read_text(encoding="utf-8").splitlines()
    names = dict(line.split(" ", 1) for line in lines if line.strip())

    films = Path(FILMS) if (folder / FILMS).is_dir() else Path()

    def sample_of(row: tuple[str, str, list[str], str | None]) -> Sample:
        video, action, shown, length = row
        name, start, end = action.split(" ")
        start_s, end_s = float(start), float(end)
        if length:  # actions that go on at the end are marked up to a time behind it
            end_s = min(end_s, float(length))
        if start_s >= end_s:
            raise RowError("empty_span", action)
        if name not in names:
            raise RowError("unknown_class", name)
        wrong = nearest(names[name], (text for key, text in names.items() if key not in shown), count=WRONG)
        sample_id = f"{video} {action}"
        # the file has no options, so no order of them could leak
        target = replace(shuffled(choice([names[name], *wrong], 0), sample_id), index_in_file=None)
        view = "ego" if video.endswith("EGO") else "exo"
        medium = Medium(str(films / f"{video}.mp4"), view, start_s, end_s)
        return Sample(sample_id, video.removesuffix("EGO"), QUESTION, (medium,), target, (view,), end_s - start_s)

    rows = []
    for row in read_csv(find(folder, FILES), ("id", "actions")):
        actions = list(filter(None, (row["actions"] or "").split(";")))
        shown = [action.split(" ")[0] for action in actions]
        rows += [(row["id"], action, shown, row.get("length")) for action in actions]
    return loaded(rows, sample_of, row_id=lambda row, place: f"{row[0]} {row[1]}")


BENCHMARK = Benchmark(
    title="Charades-Ego",
    load=load,
    load_alike=load,
    files=FILES,
    metric="accuracy",
    splits="test, one question of each labelled action; a film and its first-person twin are one recording",
    licence="non-commercial, Allen Institute",
    origin="`gsig/actor-observer`, `datasets/labels/` has version 0; version 1 is on the authors' site",
    frames=16,
    published=(("Exo2Ego", 70.9),),
    note="Exo2Ego's wrong options are the most similar by an unnamed sentence model, here by words, or by the model "
    "that `sentence_model` of params/eval.yaml names: figures of the two differ; "
    "the classical mAP over 157 classes wants a score of each class and is not computed",
)
