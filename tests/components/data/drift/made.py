"""Sample tables whose takes differ from one another, as takes do: each has verbs of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components import params, records
from components.data.drift import profile
from components.world import narrate, plan

ROOT = Path(__file__).parents[4]
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
            view, seconds = "ego" if rng.random() < 0.5 else "exo", float(rng.gamma(4, 0.3))
            row = _caption(f"{seed}-{take}", 1000 * take + number, f"C {verb} the cup.", view=view, seconds=seconds)
            target = row["target"] | {"kind": "choice", "text": None, "choices": list(VERBS[:4])}
            of_questions = {
                "corpus": "egore",
                "task": "qa",
                "question_type": "action",
                "question": "which action is this?",
                "answer": verb,
                "target": target | {"answer_index": int(rng.integers(4))},
            }
            rows.append(row | (of_questions if asks else {}))
    return rows


def narrated(takes: int) -> list[dict]:
    """Return captions of takes of the miniature: what its annotators say, at the times when they say it."""
    data, rows = params.load(ROOT / "params/data.yaml", params.Data), []
    size = data.world.model_dump(include={"take_s", "val_fraction", "test_fraction"})
    for planned in plan.plan_takes(data.seed, takes=takes, **size):
        said = narrate.annotate(planned, seed=data.seed)[-1]["descriptions"]
        for number, one in enumerate(said):
            seconds = max(0.5, planned.take.take_s - one["timestamp"])
            place = 1000 * planned.number + number
            rows.append(_caption(planned.uid, place, one["text"], view="ego", seconds=seconds))
    return rows


def _caption(take_id: str, number: int, text: str, *, view: str, seconds: float) -> dict:
    target = dict.fromkeys(("text", "choices", "answer_index", "span", "box_xyxy"))
    return dict.fromkeys(records.SAMPLE.names) | {
        "sample_id": f"{take_id}-{number}",
        "corpus": "egoexoclip",
        "task": "caption",
        "question_type": "narration",
        "take_id": take_id,
        "split": "train",
        "view": view,
        "media": [{"video_id": "v", "view": "ego", "start_s": 0.0, "end_s": seconds}],
        "paired": [],
        "frame_kind": "clip",
        "question": "what does C do?",
        "answer": text,
        "parents": [],
        "target": target | {"kind": "text", "text": text},
    }


def profiled(folder: Path, rows: list[dict], monkeypatch: pytest.MonkeyPatch, *, brightness: float = 1.0):
    """Return the profile of a data folder that has these samples."""
    monkeypatch.setattr(profile, "FrameStore", Frames)
    monkeypatch.setattr(Frames, "brightness", brightness)
    records.write_table(folder / "dataset/samples.parquet", rows, records.SAMPLE)
    return profile.write(folder, folder / "profile.parquet")
