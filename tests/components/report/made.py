"""A pipeline run as the report meets it: checkpoint folders, a data folder and runs in an MLflow database."""

import json
import math
from pathlib import Path

import numpy as np

from components import tracking
from components.data.contracts.quality import TYPES
from components.evaluation.promotion_gate import Decision
from components.prompts import think_answer
from components.records import PREDICTION, REJECT, SAMPLE, VIDEO, write_table

STAGES = ("language", "encoder", "init_exo", "init_ego", "stage1", "stage2", "stage3", "sft", "grpo")
COLUMNS = {
    "caption_ego": ("verb", "colour", "type", "hand", "all"),
    "caption_exo": ("verb", "colour", "type", "hand", "all"),
    "qa": ("accuracy",),
    "ground_spatial": ("miou", "r1_50", "format"),
    "ground_temporal": ("miou", "r1_30", "r1_50", "format"),
}
HOSTILE = "<script>document.title='owned'</script><img src=http://evil.example/x.png>"


def frames(sample_id: str) -> np.ndarray:
    """Stripes that move: uint8 [8, 64, 64, 3]."""
    y, x = np.mgrid[0:64, 0:64]
    base = int(sample_id[:4], 16)
    return np.stack(
        [
            np.stack([(x * 3 + t * 20 + base) % 256, (y * 4 + base // 3) % 256, np.full_like(x, 120)], -1)
            for t in range(8)
        ]
    ).astype(np.uint8)


def _media(end_s: float) -> list[dict]:
    return [{"video_id": "v", "view": "ego", "start_s": 0.0, "end_s": end_s}]


def _sample(number: int, task: str, view: str, question: str, target: dict, end_s: float) -> dict:
    empty = {"kind": None, "text": None, "choices": None, "answer_index": None, "span": None, "box_xyxy": None}
    return {
        "sample_id": f"{number:04x}{task[:2]}", "corpus": "egore", "task": task, "question_type": "x",
        "take_id": f"take{number}", "split": "test", "view": view, "media": _media(end_s), "paired": [],
        "frame_kind": "clip", "question": question, "answer": "a", "target": empty | target, "parents": [],
    }  # fmt: skip


def samples() -> list[dict]:
    """Five of every task."""
    rows = []
    for number in range(5):
        text = {"kind": "text", "text": "C picks up the red cup with the right hand."}
        rows += [_sample(100 * number + 7, "caption", view, "what does C do?", text, 1.5) for view in ("ego",)]
        rows += [_sample(100 * number + 8, "caption", "exo", f"what does C do? {HOSTILE}", text, 1.5)]
        choice = {"kind": "choice", "choices": ["the red cup", "the blue pan"], "answer_index": 0}
        rows += [_sample(100 * number + 9, "qa", "ego", "what does C hold?", choice, 2.0)]
        box = {"kind": "box", "box_xyxy": [20.0, 24.0, 52.0, 60.0]}
        rows += [_sample(100 * number + 10, "ground_spatial", "ego", "locate the red cup in the image.", box, 0.1)]
        span = {"kind": "span", "span": {"start_s": 3.0, "end_s": 6.0}}
        rows += [_sample(100 * number + 11, "ground_temporal", "ego", "when does C wash the red cup?", span, 16.0)]
    return rows


def pairs() -> list[dict]:
    """Four pairs of views of each kind, ego before exo."""
    rows = []
    for number in range(4):
        for view in ("ego", "exo"):
            choice = {"kind": "choice", "choices": ["yes", "no"], "answer_index": number % 2}
            span = {"kind": "span", "span": {"start_s": 2.0 + number, "end_s": 6.0 + number}}
            for task, target, length_s in (("verify", choice, 4.0), ("ground_temporal", span, 16.0)):
                question = f"{task} {number}? {HOSTILE}"
                row = _sample(3 * number + 1000 * (view == "exo"), task, view, question, target, length_s)
                rows.append(row | {"take_id": f"take{number}", "parents": [f"event{number}"]})
    return rows


def _pair_predictions(rows: list[dict]) -> list[dict]:
    """Right in both, in ego alone, in exo alone, and in none."""
    found = []
    for place, row in enumerate(rows):
        number, view = place // 4, row["view"]
        right = {"ego": (1.0, 1.0, 0.0, 0.0), "exo": (1.0, 0.0, 1.0, 0.0)}[view][number]
        task, truth = ("con_verify", row["target"]) if row["task"] == "verify" else ("con_ground", row["target"])
        if task == "con_verify":
            said = truth["choices"][truth["answer_index"] if right else 1 - truth["answer_index"]]
        else:
            start_s = truth["span"]["start_s"] + (0 if right else 7)
            said = think_answer("C cuts the cup", f"({start_s:g}, {start_s + 4:g})")
        scores = {view: right}
        if view == "ego":
            scores |= {"consistent": float(number == 0), "agreement": float(number in (0, 3)), "excess": 0.0}
        found += [
            {"sample_id": row["sample_id"], "take_id": row["take_id"], "task": task, "view": view,
             "condition": "model", "completion": said, "question": row["question"], "answer": "a", "parsed": said,
             "tokens": 9, "is_cut": False, "seconds": 0.1, "score_name": name, "score": score}
            for name, score in scores.items()
        ]  # fmt: skip
    return found


def _pair_metrics() -> dict:
    """What `_pair_predictions` add up to; with chance above the score, nothing is learned."""
    found = {}
    for task, last in (("con_verify", "said_yes"), ("con_ground", "mutual_tiou")):
        for name, value in {
            "ego": 0.5,
            "exo": 0.5,
            "consistent": 0.25,
            "agreement": 0.5,
            "excess": 0.0,
            last: 0.6,
        }.items():
            lead = {"difference": value - 0.5, "lo": value - 0.7, "hi": value - 0.3}
            found[f"{task}/{name}"] = {
                "value": value, "lo": max(0.0, value - 0.2), "hi": value + 0.2, "n": 4, "chance": 0.5,
                "controls": {"guesser": {"value": 0.5, "n": 4} | lead}, "strongest": "guesser",
                "learned": None, "reason": None, "constant": 0.5, "coin": 0.25,
            }  # fmt: skip
    return found


def _predictions(rows: list[dict], stage: int) -> list[dict]:
    found = []
    for row in rows:
        completion = {
            "text": "C picks up the red cup with the left hand.",
            "choice": "the red cup",
            "box": think_answer("the red cup is on the left", f"[{16 + stage}, 24, 48, 56]"),
            "span": think_answer("C washes the red cup", "(4, 7)") if stage % 2 else "no idea " + HOSTILE,
        }[row["target"]["kind"]]
        names = {"text": ("verb", "hand"), "choice": ("accuracy",)}.get(row["target"]["kind"], ("miou",))
        for condition in ("model", "grey"):
            found += [
                {"sample_id": row["sample_id"], "take_id": row["take_id"], "task": row["task"], "view": row["view"],
                 "condition": condition, "completion": completion if condition == "model" else "ANSWER OF A CONTROL",
                 "question": row["question"], "answer": row["answer"], "parsed": None, "tokens": 9, "is_cut": False,
                 "seconds": 0.1, "score_name": name, "score": 0.0 if name == "hand" else 0.7}
                for name in names
            ]  # fmt: skip
    return found


def _metrics(stage: int) -> dict:
    found = {}
    for task, metrics in COLUMNS.items():
        for place, metric in enumerate(metrics):
            value = min(0.97, 0.15 + 0.09 * stage + 0.03 * place)
            guessed = 0.16 + 0.02 * place
            learned = value - 0.08 > guessed and metric != "format"
            lead = {"difference": value - guessed, "lo": value - 0.08 - guessed, "hi": value + 0.08 - guessed}
            found[f"{task}/{metric}"] = {
                "value": value, "lo": value - 0.05, "hi": value + 0.05, "n": 240, "chance": 0.125,
                "controls": {"guesser": {"value": guessed, "n": 240} | lead}, "strongest": "guesser",
                "learned": learned, "reason": None,
            }  # fmt: skip
    return found


def _history(stage: int, name: str) -> list[dict]:
    rows = []
    for step in range(0, 300, 2):
        wave = 0.1 * math.sin(step / 5 + stage)
        row = {"step": step, "time_s": 0.0, "loss": 3 * math.exp(-step / 90) + wave, "lr": 1e-3 * (1 - step / 300)}
        if name == "stage2":
            row |= {"loss/vtg": row["loss"] * 0.6, "loss/ccl": 0.5 * math.exp(-step / 60), "loss/kl": 0.2 + wave / 3}
        if name == "grpo":
            row |= {"reward": 1.4 + step / 900 + wave, "reward/format": 0.99, "reward/box_iou": 0.5 + step / 900,
                    "kl": step / 4000, "completions/mean_length": 12.0}  # fmt: skip
        rows.append(row)
    rows[3]["loss"] = float("nan")
    return rows


def make_run(folder: Path) -> dict:
    """Write everything and give the arguments of `report.build`."""
    data, rows, both = folder / "data", samples(), pairs()
    write_table(data / "dataset" / "samples.parquet", rows + both, SAMPLE)
    film = {
        "video_id": "v",
        "take_id": "take0",
        "take_name": "take0",
        "source": "egoexo4d",
        "view": "ego",
        "path": "v.mp4",
    }
    write_table(data / "annotations" / "videos.parquet", [dict.fromkeys(VIDEO.names) | film], VIDEO)
    tally = [{"corpus": "egore", "task": "qa", "split": split, "samples": 2301} for split in ("train", "test")]
    counts = {"samples": tally, "splits": {"train": {"takes": 384}}, "rejects": [{"step": "x", "rows": 77777}]}
    (data / "dataset" / "counts.json").write_text(json.dumps(counts))
    reject = {"step": "clips", "row_id": "r", "reason": "fewer than two frames", "detail": ""}
    write_table(data / "clips" / "rejects.parquet", [reject] * 3 + [reject | {"reason": "unsure"}], REJECT)
    (data / "clips" / "stats.json").write_text(json.dumps({"alpha_s": 1.9211, "clips": {"ego": 10240}}))

    quality = dict.fromkeys(TYPES.names) | {"corpus": "egore", "task": "qa", "question_type": HOSTILE, "samples": 3}
    none = dict.fromkeys(("checked", "right", "blind_asked", "near_duplicates", "contaminated"), 0)
    write_table(data / "quality" / "types.parquet", [quality | none], TYPES)

    tags = {"recipe": "miniature", "dataset_digest": "9f2c" * 16, "git_commit": "c0ffee" * 6 + "abcd"}
    tags |= {"overrides": "stages.stage3.max_steps=8", "code_digest": "c"}
    pipeline = tracking.open_pipeline_run("miniature", tags=tags)
    stages = []
    for number, name in enumerate(STAGES):
        checkpoint = folder / "checkpoints" / f"{name}-0123456789ab"
        (checkpoint / "evaluation").mkdir(parents=True)
        (checkpoint / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _history(number, name)))
        if number == 1:  # evaluated by an earlier version, before there were controls
            (checkpoint / "evaluation" / "metrics.json").write_text('{"qa/accuracy": {"value": 0.5, "blind": 0.1}}')
        if number >= 2:
            of_pairs = _pair_metrics() if number >= 7 else {}
            (checkpoint / "evaluation" / "metrics.json").write_text(json.dumps(_metrics(number - 1) | of_pairs))
            skipped = [{"task": "qa", "reason": "an open answer <b>", "samples": 2}] if number == 8 else []
            (checkpoint / "evaluation" / "skipped.json").write_text(json.dumps(skipped))
            answered = _predictions(rows, number) + (_pair_predictions(both) if of_pairs else [])
            write_table(checkpoint / "evaluation" / "predictions.parquet", answered, PREDICTION)
        parents: dict = {"parents": {"all": STAGES[number - 1]}} if number else {}
        parents |= {"muon_learning_rate": 0.01 if name == "language" else None}
        if name == "grpo":
            (checkpoint / "rollouts").mkdir()
            (checkpoint / "rollouts" / "step-000040.html").write_text("completions")
        tags = {"stage_key": name, "code_digest": "b" if number == 0 else "c", "git_commit": "feed" * 10}
        run_id = tracking.open_stage_run(pipeline, name, params=parents, tags=tags, dataset_digest=None)
        tracking.finish(run_id, "FINISHED")
        reused = number < 3
        stages.append((name, checkpoint, tracking.link_reused(pipeline, name, run_id) if reused else run_id, reused))
    tracking.finish(pipeline, "FINISHED")
    decision = decided(folder / "checkpoints" / f"{STAGES[7]}-0123456789ab")
    steps = [("clips", "ran", 75.0), ("frames", "reused", 0.2)]
    output = folder / "reports" / pipeline
    return {
        "pipeline_run_id": pipeline,
        "stages": stages,
        "data": data,
        "output": output,
        "decision": decision,
        "data_steps": steps,
    }


def decided(champion: Path) -> Decision:
    """A gate that the last stage passed: better in one metric, and a guardrail that holds."""
    better = {"value": 0.09, "lo": 0.02, "hi": 0.16, "p_above": 0.004, "p_holm": 0.008}
    held = {"value": 0.01, "lo": -0.01, "hi": 0.03, "p_above": 0.2, "p_holm": 0.2, "margin": 0.02}
    numbers = {f"ground_spatial/miou.{name}": value for name, value in better.items()}
    numbers |= {f"qa/accuracy.{name}": value for name, value in held.items()}
    return Decision("4", True, "ground_spatial/miou is better than the champion's", numbers, "3", champion)
