"""The hand and object detector that is learned: a small CenterNet trained on VISOR's boxes.

For each cell of a grid it predicts whether the centre of a hand or of an object lies there, which hand it is, and the
box. A folder's detector (`folder_detector`) takes its place by returning the same `Detections`.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from components.data.funnel.detections import (
    DECIMALS,
    SIDES,
    THRESHOLD,
    Candidate,
    Detections,
    NamedBoxes,
    ranked,
    without_duplicates,
)
from components.data.funnel.optimizer import fit

SIZE_PX, CELLS = 32, 8
WIDTH = 32
HAND, OBJECT, SIDE, BOXES = 0, 1, 2, slice(3, 11)  # channels: two heatmaps, the side, a box of each kind
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 16, 16, 1e-2, 1e-2
_LEAST_LOGIT = math.log(THRESHOLD / (1 - THRESHOLD))
_SIGMA = 0.6  # cells; of the Gaussian around a centre, inside which a false positive costs less


class Detector(nn.Module):
    """Map frames [N, 3, SIZE_PX, SIZE_PX] in 0..1 to channels [N, 11, CELLS, CELLS]: heatmaps, side, boxes."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 16, 2), (16, 32, 2), (32, WIDTH, 1), (WIDTH, WIDTH, 1)):
            conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False, dtype=torch.float64)
            layers += [conv, nn.BatchNorm2d(outputs, dtype=torch.float64), nn.ReLU()]
        head = nn.Conv2d(WIDTH, 11, 1, dtype=torch.float64)
        self.layers = nn.Sequential(*layers, head)
        nn.init.constant_(head.get_parameter("bias")[:SIDE], -3.0)  # centres are rare

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the maps of frames."""
        return self.layers(frames - 0.5)


def tensor_of(frames: np.ndarray) -> torch.Tensor:
    """Convert uint8 frames [N, S, S, 3] to the detector's input [N, 3, SIZE_PX, SIZE_PX]."""
    import cv2

    small = np.stack([cv2.resize(frame, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA) for frame in frames])
    return torch.from_numpy(small).permute(0, 3, 1, 2).double() / 255


def targets_of(boxes: list[NamedBoxes]) -> dict[str, torch.Tensor]:
    """Convert the boxes of each frame to the maps that the detector should predict.

    Returns:
        `heat` [N, 2, CELLS, CELLS], 1 at centres and less around them; `side` [N, CELLS, CELLS], -1 where no hand is;
        `box` [N, 2, 4, CELLS, CELLS]: centre offset from the cell's middle in cells, width and height in 0..1.
    """
    n = len(boxes)
    heat, box = torch.zeros(n, 2, CELLS, CELLS).double(), torch.zeros(n, 2, 4, CELLS, CELLS).double()
    side = torch.full((n, CELLS, CELLS), -1.0).double()
    middles = torch.arange(CELLS).double() + 0.5
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
    """Train a detector; the same frames and seed give the same weights on every processor.

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
    maps = model(tensor_of(frames)).round(decimals=DECIMALS)
    logits = maps[:, :SIDE]  # they rank the boxes: a sigmoid's last bit depends on the processor
    peak = (functional.max_pool2d(logits, 3, stride=1, padding=1) == logits).numpy()
    logits, sides, boxes = logits.numpy(), (maps[:, SIDE] > 0).numpy(), maps[:, BOXES].unflatten(1, (2, 4)).numpy()
    hands: list[list[Candidate]] = [[] for _ in frames]
    objects: list[list[Candidate]] = [[] for _ in frames]
    for kind, found in ((HAND, hands), (OBJECT, objects)):
        for frame, row, column in np.argwhere(peak[:, kind] & (logits[:, kind] >= _LEAST_LOGIT)):
            dx, dy, width, height = boxes[frame, kind, :, row, column]
            x, y = (column + 0.5 + dx) / CELLS, (row + 0.5 + dy) / CELLS
            corners = np.clip([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 0, 1)
            x1, y1, x2, y2 = map(float, corners)
            found[frame].append((logits[frame, kind, row, column], (x1, y1, x2, y2), int(sides[frame, row, column])))
    return ranked(*([without_duplicates(of_frame) for of_frame in found] for found in (hands, objects)))
