"""EK-VISOR grounding (EgoThinker): where is the hand or the object in a frame of EPIC-KITCHENS?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components import prompts
from components.benchmarks.shared.files import RowError, find, loaded, read_json
from components.benchmarks.shared.sample import Benchmark, Box, Loaded, Medium, Sample

FILES = ("visor_test.json", "visor_val_1027.json")
SIZE_PX = (1920, 1080)  # of VISOR's sparse frames, where boxes are in pixels


def load(folder: Path) -> Loaded:
    """Read the queries; the unit of the boxes is told by their numbers, for the files do not say it.

    Args:
        folder: with one of FILES; images are at the `path` of each row.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    rows = read_json(find(folder, FILES), list)
    boxes = [row["gt"] for row in rows if isinstance(row, dict) and isinstance(row.get("gt"), list)]
    numbers = [number for box in boxes for number in box if isinstance(number, int | float)]
    is_fraction = bool(numbers) and max(numbers) <= 1
    width, height = (1, 1) if is_fraction else SIZE_PX
    unit = "fractions" if is_fraction else "pixels"

    def sample_of(row: tuple[int, Mapping[str, Any]]) -> Sample:
        place, found = row
        x1, y1, x2, y2 = (float(number) for number in found["gt"])
        if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
            raise RowError("box_outside_image", f"{found['gt']} in {unit} of {width} x {height}")
        box = (100 * x1 / width, 100 * y1 / height, 100 * x2 / width, 100 * y2 / height)
        path = PurePosixPath(found["path"])
        video = path.stem.split("_frame_")[0]
        question = prompts.spatial_question(found["object"])
        return Sample(str(place), video, question, (Medium(str(path)),), Box(box), (f"boxes in {unit}",))

    return loaded(list(enumerate(rows)), sample_of, row_id=lambda row, place: str(place))


BENCHMARK = Benchmark(
    title="EK-VISOR grounding",
    load=load,
    files=FILES,
    metric="box",
    splits="validation, about 13,000 queries",
    licence="CC BY-NC 4.0",
    origin="hub data set `hyf015/egothinker_eval_dataset`; no public copy was read, tests write the form of its reader",
    frames=2,
    published=(("Qwen2-VL-7B", 28.6), ("EgoThinker", 53.7)),
    note="Loc-Acc is not defined by the paper (64.5 and 80.3): `loc_acc` is the centre in the box, `r1_50` IoU of a "
    "half; the unit, pixels or fractions, is read from the numbers",
)
