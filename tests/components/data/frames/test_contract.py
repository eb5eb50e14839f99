"""A frame store whose files are not those that the stage wrote is refused, with the file and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.frames import contract, shards
from components.data.frames.store import INDEX, FrameStore

FRAMES = 4


def index(sample_id: str) -> pa.Table:
    return pa.table([[sample_id], ["media"], [list(range(FRAMES))]], schema=INDEX)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write(tmp_path)


def write(root: Path) -> Path:
    """Write a store of one sample, whose frames lie in two shards of equal size."""
    import cv2

    jpegs = [cv2.imencode(".jpg", np.full((8, 8, 3), 40 * number, np.uint8))[1].tobytes() for number in range(FRAMES)]
    for number in (0, 1):
        table = pa.table([jpegs[2 * number : 2 * number + 2]], schema=shards.SHARD)
        with pa.ipc.new_file(str(shards.shard_path(root, number)), shards.SHARD) as file:
            file.write_batch(table.to_batches()[0])
    pq.write_table(index("a"), root / "index.parquet")
    files = {path.name: contract.digest_of(path) for path in root.iterdir()}
    layout = {"shards": 2, "shard_frames": 2, "size_px": 8, "digest": "d", "files": files}
    (root / contract.CONTRACT).write_text(json.dumps(layout))
    return root


def cut(name: str, keep: int = -9) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:keep])


def without_digests(root: Path) -> None:
    (root / contract.CONTRACT).write_text(json.dumps({"shards": 2}))


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "shard cut off": (cut("shard-00001.arrow"), r"shard-00001.arrow has [\d,]+ bytes, it should have"),
    "shard of zero bytes": (cut("shard-00001.arrow", 0), "shard-00001.arrow has 0 bytes"),
    "shard gone": (lambda root: (root / "shard-00000.arrow").unlink(), "shard-00000.arrow is gone"),
    "index gone": (lambda root: (root / "index.parquet").unlink(), "index.parquet is gone"),
    "index of another table": (
        lambda root: pq.write_table(index("b"), root / "index.parquet"),
        "index.parquet has (other content|[0-9]+ bytes)",
    ),
    "contract cut off": (cut("contract.json"), "contract.json is cut off"),
    "contract of zero bytes": (cut("contract.json", 0), "contract.json is cut off"),
    "contract of an earlier version": (without_digests, "contract.json is cut off or has no digests"),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damage_is_found_when_the_store_is_opened(damage, told: str, store: Path):
    assert FrameStore(store).frames("a").shape == (FRAMES, 8, 8, 3)
    damage(store)
    with pytest.raises(contract.DamagedFramesError, match=f"{store}/.*{told}.*`dvc repro --force frames`"):
        FrameStore(store)


def test_exchanged_shards_are_found_on_demand(store: Path):
    first, second = (shards.shard_path(store, number) for number in (0, 1))
    held = shutil.copy(first, store / "held")
    shutil.copy(second, first)
    shutil.copy(held, second)
    files = contract.read(store)["files"]
    found = list(contract.problems(store, files))
    assert len(found) == 2 and all("has other content than the stage `frames` wrote" in told for told in found)


def test_a_garbled_frame_is_told_with_its_shard(store: Path):
    path = shards.shard_path(store, 1)
    content = path.read_bytes()
    at = content.rindex(b"\xff\xd8\xff")  # where a JPEG begins
    path.write_bytes(content[:at] + bytes(64) + content[at + 64 :])
    with pytest.raises(
        contract.DamagedFramesError, match=r"frame 1 of .*shard-00001.arrow is no JPEG.*doctor --verify"
    ):
        FrameStore(store).frames("a")
