"""Video features for the ego/exo classifier: a small grid of colours, or the output of a vision encoder.

The paper uses InternVideo (systems §4.1); `funnel.features` may name the Hugging Face folder of a vision encoder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

Encode = Callable[[np.ndarray], np.ndarray]  # uint8 [T, S, S, 3] -> float32 [D]
GRID = "grid"
_COLOURS, _CHANGES = 8, 8  # cells along a side
_MEAN, _STD = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)  # CLIP's, for encoders that do not say theirs


def grid(frames: np.ndarray) -> np.ndarray:
    """Compute the mean colour of each cell of a grid, and how much its brightness changes from frame to frame.

    Args:
        frames: uint8 [T, S, S, 3].

    Returns:
        float32 [8 * 8 * 3 + 8 * 8], 0 to 1.
    """
    import cv2

    colours = np.stack([cv2.resize(frame, (_COLOURS, _COLOURS), interpolation=cv2.INTER_AREA) for frame in frames])
    light = [
        cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (2 * _CHANGES,) * 2, interpolation=cv2.INTER_AREA)
        for frame in frames
    ]
    changes = np.abs(np.diff(np.stack(light).astype(np.float32), axis=0)).reshape(-1, _CHANGES, 2, _CHANGES, 2)
    still = np.zeros((_CHANGES, _CHANGES), np.float32)
    changed = changes.mean((0, 2, 4)) if len(changes) else still
    return np.concatenate([colours.mean(0).ravel(), changed.ravel()]).astype(np.float32) / 255


def encoder(folder: Path) -> Encode:
    """Load a vision encoder from a Hugging Face folder; its pooled output is averaged over the frames.

    Args:
        folder: with the model in safetensors, and preprocessor_config.json for the mean and standard deviation.

    Returns:
        A function from uint8 frames [T, S, S, 3] to features float32 [D].

    Raises:
        ValueError: the folder holds no vision encoder.
    """
    import torch
    from transformers import AutoModel

    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"funnel.features is {str(folder)!r}: {error}; allowed are {GRID!r} and the folder of a Hugging Face "
            "vision encoder with safetensors; mend it in params/data.yaml"
        ) from error
    vision = getattr(model, "vision_model", model)
    size_px = vision.config.image_size
    given = folder / "preprocessor_config.json"
    settings = json.loads(given.read_text()) if given.is_file() else {}
    mean, std = (
        torch.tensor(settings.get(name, value)) for name, value in (("image_mean", _MEAN), ("image_std", _STD))
    )

    @torch.inference_mode()
    def encode(frames: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        pixels = torch.nn.functional.interpolate(pixels, size=(size_px, size_px), mode="bilinear", antialias=True)
        pixels = (pixels - mean[:, None, None]) / std[:, None, None]
        return vision(pixel_values=pixels).pooler_output.mean(0).numpy()

    return encode


def opened(features: str) -> Encode:
    """Return the encoder that `funnel.features` names."""
    return grid if features == GRID else encoder(Path(features))


def digest(features: str) -> str:
    """Return a digest of how features are made: a name for the grid, the sha256 of its files for an encoder."""
    return f"{GRID} {_COLOURS} {_CHANGES}" if features == GRID else digest_of_files(Path(features))


def digest_of_files(folder: Path) -> str:
    """Return a sha256 of the names and the contents of the files in a Hugging Face folder."""
    of_files = hashlib.sha256()
    for path in sorted(folder.glob("*.*")):
        with path.open("rb") as file:
            of_files.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return of_files.hexdigest()
