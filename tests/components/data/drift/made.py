"""Sample tables whose takes differ from one another, as takes do: each has verbs of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components import records
from components.data.drift import profile

VERBS = ("picks up", "puts down", "washes", "cuts", "opens", "stirs")
OF_A_TAKE = 16


class Frames:
    """Stands for the frame store: every clip has a light of its own."""

    brightness = 1.0

    def __init__(self, root: Path):
        self.root = root

    def holds(self, sample_ids) -> np.ndarray:
        return np.ones(len(sample_ids), bool)

    def frames(self, sample_id: str) -> np.ndarray:
        rng = np.random.default_rng(int(sample_id.rpartition("-")[2]))
        noisy = rng.uniform(60, 140) + rng.normal(0, 20, (4, 8, 8, 3))
        return (self.brightness * noisy).clip(0, 255).astype(np.uint8)


def samples(takes: int, *, seed: int, favoured: dict[str, float] | None = None) -> list[dict]:
    """Return rows of samples, half of them captions and half of them questions with options.

    Args:
        takes: how many.
        seed: of everything.
        favoured: verb -> how much more often than otherwise.
    """
    rng, rows = np.random.default_rng(seed), []
    weights = np.array([(favoured or {}).get(verb, 1.0) for verb in VERBS])
    for take in range(takes):
        own = rng.dirichlet(np.full(len(VERBS), 0.6)) * weights
        for number in range(OF_A_TAKE):
            verb = VERBS[rng.choice(len(VERBS), p=own / own.sum())]
            asks = number % 2
            row = dict.fromkeys(records.SAMPLE.names) | {
                "sample_id": f"{seed}-{take}-{1000 * take + number}",
                "corpus": "egore" if asks else "egoexoclip",
                "task": "qa" if asks else "caption",
                "question_type": "action" if asks else "narration",
                "take_id": f"{seed}-{take}",
                "split": "train",
                "view": "ego" if rng.random() < 0.5 else "exo",
                "media": [{"video_id": "v", "view": "ego", "start_s": 0.0, "end_s": float(rng.gamma(4, 0.3))}],
                "paired": [],
                "frame_kind": "clip",
                "question": "which action is this?" if asks else "what does C do?",
                "answer": verb if asks else f"C {verb} the cup.",
                "parents": [],
            }
            target = dict.fromkeys(("text", "choices", "answer_index", "span", "box_xyxy"))
            choice = {"kind": "choice", "choices": list(VERBS[:4]), "answer_index": int(rng.integers(4))}
            rows.append(row | {"target": target | (choice if asks else {"kind": "text", "text": row["answer"]})})
    return rows


def profiled(folder: Path, rows: list[dict], monkeypatch: pytest.MonkeyPatch, *, brightness: float = 1.0):
    """Return the profile of a data folder that has these samples."""
    monkeypatch.setattr(profile, "FrameStore", Frames)
    monkeypatch.setattr(Frames, "brightness", brightness)
    records.write_table(folder / "dataset/samples.parquet", rows, records.SAMPLE)
    return profile.write(folder, folder / "profile.parquet")
