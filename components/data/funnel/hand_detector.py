"""The hand and object detector, a small CenterNet trained on VISOR's boxes, behind one call: `detect`.

For each cell of a grid it predicts whether the centre of a hand or of an object lies there, which hand it is, and the
box. Another detector takes its place by returning the same `Detections`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from components.data.funnel.optimizer import fit
from components.metrics import Box, box_iou

NamedBoxes = list[tuple[str, list[float]]]  # of one frame: name, and (x1, y1, x2, y2) in percent
Candidate = tuple[float, Box, int]  # score, box in 0..1 of the frame, and side where it is a hand

SIDES = ("left hand", "right hand")  # VISOR's names; everything else with a box is an object
SIZE_PX, CELLS = 32, 8
WIDTH = 32
HAND, OBJECT, SIDE, BOXES = 0, 1, 2, slice(3, 11)  # channels: two heatmaps, the side, a box of each kind
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 16, 16, 1e-2, 1e-2
THRESHOLD = {HAND: 0.5, OBJECT: 0.5}
SAME_IOU = 0.3  # from this overlap on, two boxes are detections of one thing
_SIGMA = 0.6  # cells; of the Gaussian around a centre, inside which a false positive costs less


class Detections(NamedTuple):
    """What was found in a clip, with a list for each frame, the highest score first.

    Attributes:
        hands: boxes (x1, y1, x2, y2) in 0..1 of the frame.
        sides: for each of these hands an index into SIDES.
        objects: boxes, as those of hands.
    """

    hands: list[list[Box]]
    sides: list[list[int]]
    objects: list[list[Box]]

    def centres(self) -> np.ndarray:
        """Return the centres of the surest left and right hand, float [T, 2, 2] in 0..1; NaN where there is none."""
        centres = np.full((len(self.hands), len(SIDES), 2), np.nan)
        for frame, (boxes, sides) in enumerate(zip(self.hands, self.sides, strict=True)):
            # in reverse, so that the box with the highest score is written last
            for box, side in reversed(list(zip(boxes, sides, strict=True))):
                centres[frame, side] = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return centres


class Detector(nn.Module):
    """Map frames [N, 3, SIZE_PX, SIZE_PX] in 0..1 to channels [N, 11, CELLS, CELLS]: heatmaps, side, boxes."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 16, 2), (16, 32, 2), (32, WIDTH, 1), (WIDTH, WIDTH, 1)):
            conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU()]
        head = nn.Conv2d(WIDTH, 11, 1)
        self.layers = nn.Sequential(*layers, head)
        nn.init.constant_(head.get_parameter("bias")[:SIDE], -3.0)  # centres are rare

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the maps of frames."""
        return self.layers(frames - 0.5)


def tensor_of(frames: np.ndarray) -> torch.Tensor:
    """Convert uint8 frames [N, S, S, 3] to the detector's input [N, 3, SIZE_PX, SIZE_PX]."""
    import cv2

    small = np.stack([cv2.resize(frame, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA) for frame in frames])
    return torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255


def targets_of(boxes: list[NamedBoxes]) -> dict[str, torch.Tensor]:
    """Convert the boxes of each frame to the maps that the detector should predict.

    Returns:
        `heat` [N, 2, CELLS, CELLS], 1 at centres and less around them; `side` [N, CELLS, CELLS], -1 where no hand is;
        `box` [N, 2, 4, CELLS, CELLS]: centre offset from the cell's middle in cells, width and height in 0..1.
    """
    n = len(boxes)
    heat, box = torch.zeros(n, 2, CELLS, CELLS), torch.zeros(n, 2, 4, CELLS, CELLS)
    side = torch.full((n, CELLS, CELLS), -1.0)
    middles = torch.arange(CELLS) + 0.5
    for number, named in enumerate(boxes):
        for name, percent in named:
            x1, y1, x2, y2 = (value / 100 for value in percent)
            x, y = (x1 + x2) / 2 * CELLS, (y1 + y2) / 2 * CELLS
            column, row = min(int(x), CELLS - 1), min(int(y), CELLS - 1)
            kind = HAND if name in SIDES else OBJECT
            around = torch.exp(-((middles - x) ** 2 + (middles[:, None] - y) ** 2) / (2 * _SIGMA**2))
            heat[number, kind] = torch.maximum(heat[number, kind], around)
            heat[number, kind, row, column] = 1
            box[number, kind, :, row, column] = torch.tensor([x - column - 0.5, y - row - 0.5, x2 - x1, y2 - y1])
            if kind == HAND:
                side[number, row, column] = SIDES.index(name)
    return {"heat": heat, "side": side, "box": box}


def loss_of(maps: torch.Tensor, targets: dict[str, torch.Tensor]) -> torch.Tensor:
    """Sum CenterNet's focal loss of the centres, the L1 error of the boxes and the cross-entropy of the sides.

    Args:
        maps: [N, 11, CELLS, CELLS], as `Detector` predicts them.
        targets: as `targets_of` returns them.

    Returns:
        A scalar, per centre.
    """
    heat, logits = targets["heat"], maps[:, :SIDE]
    centre, found = heat == 1, torch.sigmoid(logits)
    positive = (1 - found) ** 2 * functional.logsigmoid(logits) * centre
    negative = (1 - heat) ** 4 * found**2 * functional.logsigmoid(-logits) * ~centre
    boxes = maps[:, BOXES].unflatten(1, (2, 4))
    off = ((boxes - targets["box"]).abs() * torch.tensor([1.0, 1.0, 4.0, 4.0])[:, None, None]).sum(2) * centre
    hand = targets["side"] >= 0
    sides = functional.binary_cross_entropy_with_logits(maps[:, SIDE][hand], targets["side"][hand], reduction="sum")
    return (off.sum() + sides - positive.sum() - negative.sum()) / centre.sum().clamp_min(1)


def flip_vertically(frames: np.ndarray, boxes: list[NamedBoxes]) -> tuple[np.ndarray, list[NamedBoxes]]:
    """Flip frames vertically with their boxes: the hands of another person reach in from above."""
    turned = [[(name, [x1, 100 - y2, x2, 100 - y1]) for name, (x1, y1, x2, y2) in named] for named in boxes]
    return frames[:, ::-1], turned


def train(frames: np.ndarray, boxes: list[NamedBoxes], *, seed: int) -> Detector:
    """Train a detector; the same frames and seed give the same weights on one thread.

    Args:
        frames: uint8 [N, S, S, 3].
        boxes: of each frame.
        seed: of the initial weights and of the order of the frames.

    Returns:
        The detector, in evaluation mode.
    """
    torch.manual_seed(seed)
    model, turned = Detector(), flip_vertically(frames, boxes)
    inputs, targets = tensor_of(np.concatenate([frames, turned[0]])), targets_of([*boxes, *turned[1]])
    batches = [rows for _ in range(EPOCHS) for rows in torch.randperm(len(inputs)).split(BATCH)]

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return loss_of(model(inputs[rows]), {name: target[rows] for name, target in targets.items()})

    losses = (partial(loss, rows) for rows in batches)
    fit(model, losses, steps=len(batches), learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    return model.eval()


@torch.inference_mode()
def detect(model: Detector, frames: np.ndarray) -> Detections:
    """Find hands and objects in uint8 frames [T, S, S, 3]."""
    maps = model(tensor_of(frames))
    heat = torch.sigmoid(maps[:, :SIDE])
    peak = (functional.max_pool2d(heat, 3, stride=1, padding=1) == heat).numpy()
    heat, sides, boxes = heat.numpy(), (maps[:, SIDE] > 0).numpy(), maps[:, BOXES].unflatten(1, (2, 4)).numpy()
    hands: list[list[Candidate]] = [[] for _ in frames]
    objects: list[list[Candidate]] = [[] for _ in frames]
    for kind, found in ((HAND, hands), (OBJECT, objects)):
        for frame, row, column in np.argwhere(peak[:, kind] & (heat[:, kind] >= THRESHOLD[kind])):
            dx, dy, width, height = boxes[frame, kind, :, row, column]
            x, y = (column + 0.5 + dx) / CELLS, (row + 0.5 + dy) / CELLS
            corners = np.clip([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 0, 1)
            x1, y1, x2, y2 = map(float, corners)
            found[frame].append((heat[frame, kind, row, column], (x1, y1, x2, y2), int(sides[frame, row, column])))
    kept_hands, kept_objects = ([_without_duplicates(of_frame) for of_frame in found] for found in (hands, objects))
    return Detections(
        [[box for _, box, _ in of_frame] for of_frame in kept_hands],
        [[side for _, _, side in of_frame] for of_frame in kept_hands],
        [[box for _, box, _ in of_frame] for of_frame in kept_objects],
    )


def _without_duplicates(found: list[Candidate]) -> list[Candidate]:
    """Sort by score and drop a box that overlaps one of higher score: two cells may detect one thing."""
    kept: list[Candidate] = []
    for candidate in sorted(found, key=lambda candidate: -candidate[0]):
        if all(box_iou(candidate[1], other[1]) < SAME_IOU for other in kept):
            kept.append(candidate)
    return kept


def matched(found: list[Box], true: list[Box], *, iou: float = 0.5) -> tuple[list[bool], list[bool]]:
    """Pair the boxes found in a frame with the true ones, each at most once.

    Args:
        found: the highest score first.
        true: of the same frame.
        iou: overlap from which on a box counts as found.

    Returns:
        Whether each of the found boxes is one of the true ones, and whether each of the true ones was found.
    """
    hit, taken = [], [False] * len(true)
    for box in found:
        free = [(box_iou(box, other), place) for place, other in enumerate(true) if not taken[place]]
        best, place = max(free, default=(0.0, -1))
        hit.append(best >= iou)
        if hit[-1]:
            taken[place] = True
    return hit, taken
