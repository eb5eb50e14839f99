"""What a case is, and the strokes that its generators share; they spoil a copy of the folder of `running.Good`."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ANNOTATIONS, CLIPS, FRAMES = ("annotations",), ("annotations", "clips"), ("frames",)
TAKES, SPLITS = "raw/egoexo4d/takes.json", "raw/egoexo4d/annotations/splits.json"
SAID = "raw/egoexo4d/annotations/atomic_descriptions_train.json"
STREAMS = 7  # of a take: three of the Aria, two exo cameras, a collage, and the best exo view
Spoil = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A defect and its outcome.

    The last of `steps` either raises one ValueError that says `error` (a regular expression), or rejects so many rows
    more than of the good input, by reason; `rows` is how many rows the defect itself adds.
    """

    name: str
    spoil: Spoil
    rejects: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    error: str = ""
    steps: tuple[str, ...] = ANNOTATIONS


def put(path: str, content: bytes) -> Spoil:
    """Write a file anew."""
    return lambda folder: _written(folder / path, content)


def _written(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def recoded(path: str, change: Callable[[bytes], bytes]) -> Spoil:
    """Change the bytes of a file."""
    return lambda folder: _written(folder / path, change((folder / path).read_bytes()))


def edited(path: str, change: Callable[[object], None]) -> Spoil:
    """Change what a JSON file holds; NaN and Infinity are written as Python's and JavaScript's writers do."""

    def spoil(folder: Path) -> None:
        content = json.loads((folder / path).read_text())
        change(content)
        (folder / path).write_text(json.dumps(content))

    return spoil


def replaced_by_folder(path: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / path).unlink()
        (folder / path).mkdir()

    return spoil


def narrated(folder: Path) -> dict:
    """Give the first training take that has narrations, as takes.json lists it."""
    said = json.loads((folder / SAID).read_text())["annotations"]
    return next(take for take in json.loads((folder / TAKES).read_text()) if take["take_uid"] in said)


def refuse_anyway(change: Callable[[dict], None]) -> Spoil:
    """Change the take of the test split, of which every stream is a reject `test_split`."""

    def spoil(folder: Path) -> None:
        splits = json.loads((folder / SPLITS).read_text())["take_uid_to_split"]

        def change_take(takes: list[dict]) -> None:
            change(next(take for take in takes if splits[take["take_uid"]] == "test" and not take["is_dropped"]))

        edited(TAKES, change_take)(folder)

    return spoil


def camera(change: Callable[[dict], None]) -> Spoil:
    """Change the streams by camera of the first narrated training take."""

    def spoil(folder: Path) -> None:
        uid = narrated(folder)["take_uid"]

        def change_take(takes: list[dict]) -> None:
            change(next(take for take in takes if take["take_uid"] == uid)["frame_aligned_videos"])

        edited(TAKES, change_take)(folder)

    return spoil


def path_of_cam01(path: object) -> Spoil:
    return camera(lambda streams: streams["cam01"]["0"].update(relative_path=path))


def annotations_of_take(change: Callable[[list[dict]], None]) -> Spoil:
    """Change the annotations of the first narrated training take."""

    def spoil(folder: Path) -> None:
        uid = narrated(folder)["take_uid"]
        edited(SAID, lambda content: change(content["annotations"][uid]))(folder)

    return spoil


def first(annotations: list[dict]) -> dict:
    """Give the first annotation that no reviewer refused."""
    return next(annotation for annotation in annotations if not annotation["rejected"])


def description(**members: object) -> Spoil:
    """Change members of a description; a member that is `...` goes."""

    def change(annotations: list[dict]) -> None:
        said = first(annotations)["descriptions"][0]
        said.update(members)
        for name in [name for name, value in members.items() if value is ...]:
            del said[name]

    return annotations_of_take(change)


def one_more_description(**members: object) -> Spoil:
    """Say the first description again, with other members."""
    return annotations_of_take(
        lambda annotations: first(annotations)["descriptions"].append(first(annotations)["descriptions"][0] | members)
    )
