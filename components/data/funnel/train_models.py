"""Train classifier and detector on takes of known view, judge them on held-out takes, and keep both as safetensors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from components.data.funnel import (
    classifier_metrics,
    clip_reader,
    ego_exo_classifier,
    features,
    hand_detector,
    optimizer,
    training_set,
)
from components.data.partition.finished_parts import written_whole
from components.metrics import Estimate, bootstrap
from components.video.killable_worker import KillableWorker

SEED_OF = {"classifier": 1, "detector": 2}
REPORT = "classifier.json"


def learn(
    data_dir: Path,
    folder: Path,
    roots: dict[str, Path],
    *,
    encoder: str,
    frames: int,
    size_px: int,
    train_takes: int,
    test_takes: int,
    timeout_s: float,
    seed: int,
) -> dict:
    """Write folder/models/{classifier,detector}.safetensors and folder/classifier.json, if they are not there yet.

    Returns:
        The report: of both models how many clips or frames of the takes they learned and were judged by, of the
        classifier accuracy and AUC, of the detector recall and precision at IoU 0.5; {value, lo, hi, n} each.
    """
    drawn = {
        "train": training_set.choose(data_dir, takes=train_takes, split="train", seed=seed),
        "test": training_set.choose(data_dir, takes=test_takes, split="test", seed=seed),
    }
    sizes = [path.stat().st_size for path in _files(drawn, roots) if path.is_file()]
    code = code_of(ego_exo_classifier, features, optimizer, clip_reader, hand_detector, training_set)
    settings = (features.digest(encoder), frames, size_px, seed, torch.__version__, code)
    plan = hashlib.sha256(repr((settings, drawn, sizes)).encode()).hexdigest()
    paths = {name: folder / f"models/{name}.safetensors" for name in SEED_OF}
    report = folder / REPORT
    known = json.loads(report.read_text()) if report.is_file() else {}
    if known.get("plan") == plan and all(path.is_file() for path in paths.values()):
        return known
    with KillableWorker(timeout_s=timeout_s) as worker:
        seen = {
            split: training_set.read(each, roots, worker, frames=frames, size_px=size_px)
            for split, each in drawn.items()
        }
    torch.set_num_threads(1)  # sums in another order would give other weights
    encode = features.opened(encoder)
    told = {split: np.stack([encode(clip) for clip in each.clips]) for split, each in seen.items()}
    train, test = seen["train"], seen["test"]
    views = ego_exo_classifier.train(told["train"], train.is_ego, seed=seed + SEED_OF["classifier"])
    finder = hand_detector.train(train.stills, train.boxes, seed=seed + SEED_OF["detector"])
    guessed = ego_exo_classifier.scores(views, told["test"])
    judged = classifier_metrics.evaluate(guessed, test.is_ego, test.clip_takes, seed=seed)
    made = {
        "plan": plan,
        "classifier": {"train_clips": len(train.clips), "test_clips": len(test.clips)}
        | {name: plain(value) for name, value in judged.items()},
        "detector": {"train_frames": len(train.stills), "test_frames": len(test.stills)}
        | evaluate(finder, test, seed=seed),
    }
    report.unlink(missing_ok=True)  # it tells what the models beside it are
    for name, model in (("classifier", views), ("detector", finder)):
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        with written_whole(paths[name]) as partial:
            save_file(model.state_dict(), partial)
    report.write_text(json.dumps(made, indent=2) + "\n")
    return made


def _files(drawn: dict[str, list[training_set.Lesson]], roots: dict[str, Path]) -> list[Path]:
    return [roots[each.source] / each.path for every in drawn.values() for each in every]


def code_of(*modules: ModuleType) -> str:
    """Return the digest of modules: what their code made is made anew when it changes."""
    return hashlib.sha256(b"".join(Path(each.__file__).read_bytes() for each in modules)).hexdigest()


def load(folder: Path) -> tuple[ego_exo_classifier.Classifier, hand_detector.Detector]:
    """Load what `learn` wrote."""
    views = load_file(folder / "models/classifier.safetensors")
    model = ego_exo_classifier.Classifier(len(views["mean"]))
    model.load_state_dict(views)
    finder = hand_detector.Detector()
    finder.load_state_dict(load_file(folder / "models/detector.safetensors"))
    return model.eval(), finder.eval()


def evaluate(finder: hand_detector.Detector, test: training_set.Lessons, *, seed: int) -> dict:
    """Return recall and precision of hands and of objects in frames with boxes, at IoU 0.5."""
    seen = hand_detector.detect(finder, test.stills)
    made = {}
    for kind, found in (("hand", seen.hands), ("object", seen.objects)):
        true = [
            [
                tuple(value / 100 for value in box)
                for name, box in each
                if (name in hand_detector.SIDES) == (kind == "hand")
            ]
            for each in test.boxes
        ]
        pairs = [hand_detector.matched(*both) for both in zip(found, true, strict=True)]
        made[kind] = {
            name: _estimate([hits[which] for hits in pairs], test.still_takes, seed=seed)
            for which, name in enumerate(("precision", "recall"))
        }
    return made


def _estimate(hits: list[list[bool]], takes: np.ndarray, *, seed: int) -> dict | None:
    """Average over all boxes of all frames; None where there is no box."""
    every = np.concatenate([np.array(each, dtype=np.float64) for each in hits])
    if not len(every):
        return None
    return plain(bootstrap(every, np.repeat(takes, [len(each) for each in hits]), seed=seed))


def plain(estimate: Estimate) -> dict:
    """Return an estimate as JSON has it: the interval of a single take, which is not known, is null."""
    return {name: value if np.isfinite(value) else None for name, value in asdict(estimate).items()}
