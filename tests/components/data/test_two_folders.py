"""The same sources below two folders give the same bytes: no output holds the path of its folder or a time of day."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components import params
from components.data import annotations, media


def project_at(folder: Path, sources: Path, data: params.Data) -> params.Data:
    """Copy the sources below a project folder, break films of both kinds, and name the sources relative to it."""
    shutil.copytree(sources, folder / "data/raw")
    names = {name: Path("data/raw") / path.relative_to(sources) for name, path in data.sources.given().items()}
    takes = sorted((folder / names["egoexo4d"] / "takes").glob("*/frame_aligned_videos/cam0*.mp4"))
    takes[0].unlink()
    takes[1].write_bytes(takes[1].read_bytes()[:500])
    takes[2].unlink()
    takes[2].symlink_to(folder)  # a link out of the root
    clips = sorted((folder / names["egtea"] / media.FOLDERS["egtea"][0]).rglob("*.mp4"))
    clips[0].unlink()
    clips[1].write_bytes(b"")
    return data.model_copy(update={"sources": data.sources.model_copy(update=names)})


@pytest.mark.slow
def test_annotations_and_media_write_the_same_bytes_below_two_folders(tiny_world, tmp_path):
    outputs = []
    for folder in (tmp_path / "a", tmp_path / "another/folder"):
        parameters = project_at(folder, tiny_world.root / "data/raw", tiny_world.params)
        for step in (annotations, media):
            step.run(parameters, folder / "data")
        written = [path for step in ("annotations", "media") for path in sorted((folder / "data" / step).rglob("*.*"))]
        outputs.append({str(path.relative_to(folder)): path.read_bytes() for path in written})
    assert outputs[0] == outputs[1]
    reasons = [
        reason
        for step in ("annotations", "media")
        for reason in pq.read_table(tmp_path / f"a/data/{step}/rejects.parquet")["reason"].to_pylist()
    ]
    broken = {"file_missing", "unreadable_video", "path_outside_root", "missing_medium", "unreadable_medium"}
    assert broken <= set(reasons)  # else the comparison says nothing of them
