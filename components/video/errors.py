"""What goes wrong with video files."""

from __future__ import annotations

from pathlib import Path


class VideoError(Exception):
    """A video cannot be read.

    Attributes:
        path: of the video; absolute paths are for messages to a person.
        cause: what is wrong, without the path and the time of day: tables must be equal in every folder and run.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(path, cause)  # as `args`, so that the error can be pickled from a worker process
        self.path, self.cause = path, cause

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


class PathError(VideoError):
    """A path of a dataset leaves the dataset's root."""


class NumberingError(VideoError):
    """Images that should be numbered one after the other are not: the time of an image is unknown."""
