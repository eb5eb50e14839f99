"""Finished items of an evaluation on disk, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from components.evaluation.items import Item
from components.evaluation.replies import Reply

Key = tuple[str, str, str, str]  # of an `Item`


class Journal:
    """The replies of one evaluation: a folder with a file of each rank, which holds a line for each item.

    Args:
        folder: of this evaluation's identity; made where it is not there.
        rank: whose file is written; the files of all ranks are read, of however many there were.
    """

    def __init__(self, folder: Path, *, rank: int):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._path = folder, folder / f"rank-{rank}.jsonl"
        self._drop_torn_line()

    def read(self) -> dict[Key, tuple[Reply, float]]:
        """Return the replies and seconds of all finished items, by their keys."""
        found = {}
        for path in sorted(self._folder.glob("*.jsonl")):
            for line in path.read_text().split("\n")[:-1]:  # what another rank is writing has no end yet
                row = json.loads(line)
                found[tuple(row["item"])] = (Reply(**row["reply"]), row["seconds"])
        return found

    def write(self, items: Iterable[Item], replies: Iterable[Reply], *, seconds: float) -> None:
        """Append finished items.

        Args:
            items: that were answered together.
            replies: of them.
            seconds: of each.
        """
        lines = [
            json.dumps({"item": item.key, "reply": vars(reply), "seconds": seconds})
            for item, reply in zip(items, replies, strict=True)
        ]
        with self._path.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def forget_others(self) -> None:
        """Delete what evaluations of another identity have left beside this one."""
        for folder in self._folder.parent.iterdir():
            if folder != self._folder:
                shutil.rmtree(folder)

    def _drop_torn_line(self) -> None:
        """Cut off what a killed process left of its last line: the next one would be written behind it."""
        if self._path.is_file():
            text = self._path.read_bytes()
            self._path.write_bytes(text[: text.rfind(b"\n") + 1])
