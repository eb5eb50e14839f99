"""The films of a benchmark: which are there, and the frames of a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from components import video
from components.benchmarks.shared.sample import Loaded, Medium, Reject, Sample

SLACK_S = 0.5  # by which a span may pass the end of its film: annotations are rounded
NO_FRAMES = ""  # in the place of a sample id: what is shown of a sample that is asked without any


def folder_of(roots: Sequence[Path], name: str, files: Sequence[str]) -> Path:
    """Return the folder that holds the files of a benchmark: `<root>/<name>`, else the root itself.

    Args:
        roots: that are searched, in order.
        name: of the benchmark.
        files: names or patterns that its main file goes by.

    Raises:
        ValueError: none holds one of the files.
    """
    tried = [folder for root in roots for folder in (root / name, root)]
    for folder in tried:
        if any(path.is_file() for file in files for path in folder.glob(file)):
            return folder
    raise ValueError(
        f"{name}: none of {list(files)} in {', '.join(map(str, tried))}; docs/benchmarks.md says where to get it"
    )


def with_films(loaded: Loaded, folder: Path, *, n_frames: int | None) -> Loaded:
    """Leave out samples of which a film is not there, cannot be read, ends before its span or would get no frame.

    Args:
        loaded: samples and rejects of the annotation files.
        folder: that the paths of media lie below.
        n_frames: that a sample is shown; None opens no film and only looks whether they are there.

    Returns:
        The other samples; a film whose length the file does not say has that of its container.
    """
    known: dict[str, video.Probe | tuple[str, str] | None] = {}
    samples, rejects = [], list(loaded.rejects)
    for sample in loaded.samples:
        problem = next(
            filter(None, (_problem(medium, folder, known, n_frames=n_frames) for medium in sample.media)), None
        )
        if problem is None and n_frames is not None and len(sample.media) > n_frames:
            problem = "more_media_than_frames", f"{len(sample.media)} media, {n_frames} frames"
        if problem:
            rejects.append(Reject(sample.sample_id, *problem))
        else:
            samples.append(_with_length(sample, known))
    return Loaded(samples, rejects)


def _with_length(sample: Sample, known: Mapping[str, video.Probe | tuple[str, str] | None]) -> Sample:
    [first, *more] = sample.media
    found = known[first.path]
    # an image has no times to tell
    if more or sample.length_s is not None or not isinstance(found, video.Probe) or found.frames == 1:
        return sample
    end_s = found.duration_s if first.end_s is None else first.end_s
    return replace(sample, length_s=end_s - first.start_s)


def _problem(
    medium: Medium, folder: Path, known: dict[str, video.Probe | tuple[str, str] | None], *, n_frames: int | None
) -> tuple[str, str] | None:
    if medium.path not in known:
        known[medium.path] = _opened(folder, medium.path, probed=n_frames is not None)
    found = known[medium.path]
    if isinstance(found, video.Probe):
        spans = {"fps": found.fps, "total_frames": found.index_count}
        end_s = found.duration_s if medium.end_s is None else medium.end_s
        # past the end the last frame would be shown again and again
        if not video.span_allowed(medium.start_s, end_s, **spans) or end_s > found.duration_s + SLACK_S:
            return "span_outside_film", f"{medium.path}: [{medium.start_s}, {end_s}) s of {found.duration_s:g} s"
        return None
    return found


def _opened(folder: Path, path: str, *, probed: bool) -> video.Probe | tuple[str, str] | None:
    try:
        film = video.inside(folder, path)
        if not film.exists():
            return "film_missing", path
        return video.probe(film) if probed else None
    except video.PathError as error:
        return "path_leaves_root", str(error)
    except video.VideoError as error:
        return "unreadable_film", str(error)


class Films:
    """The frames of a benchmark's samples in the place of a frame store: decoded when they are asked for.

    Args:
        folder: that the paths of media lie below.
        samples: by id.
        n_frames: of a sample; several media share them.
        size_px: side of the square frames, by the sampling contract.
    """

    def __init__(self, folder: Path, samples: Mapping[str, Sample], *, n_frames: int, size_px: int):
        self._folder, self._samples = folder, samples
        self.n_frames, self.size_px = n_frames, size_px
        self.unreadable: dict[str, str] = {}  # id -> why its film could be probed, but not decoded

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        """Return the frames of a sample, uint8 [T, H, W, 3], RGB: of each medium the middles of equal segments.

        Args:
            sample_id: of the sample, or NO_FRAMES for none.
            exo_view: benchmarks have none.

        Returns:
            No frame, [0, H, W, 3], also of a film that cannot be decoded; `unreadable` then says so.
        """
        none = np.zeros((0, self.size_px, self.size_px, 3), np.uint8)
        if sample_id == NO_FRAMES or not self.n_frames:
            return none
        media = self._samples[sample_id].media
        counts = [len(part) for part in np.array_split(np.arange(self.n_frames), len(media))]
        try:
            return np.concatenate([self._decoded(*part) for part in zip(media, counts, strict=True)])
        except video.VideoError as error:  # one damaged film must not stop the others
            self.unreadable[sample_id] = str(error)
            return none

    def _decoded(self, medium: Medium, count: int) -> np.ndarray:
        path = video.inside(self._folder, medium.path)
        probe = video.probe(path)
        end_s = probe.duration_s if medium.end_s is None else medium.end_s
        sizes = {"fps": probe.fps, "n_frames": count, "total_frames": probe.index_count}
        indices = video.sample_frame_indices(medium.start_s, end_s, **sizes)
        return video.decode(path, indices, size_px=self.size_px)
