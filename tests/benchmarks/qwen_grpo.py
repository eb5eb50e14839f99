"""A GRPO step of a tiny Qwen2.5-VL, each prompt read once for its group, against TRL's trainer as it is.

Run as: python -m tests.benchmarks.qwen_grpo [--steps 2] [--frames 54 17]

The same random weights, question about the same frames of a film, seed and float32 on both sides, one thread. Two rows
for each length of the prompt: a whole step under ZeRO-2 (frames and tokens, sampling, rewards, reference, policy,
update; each side in a process of its own, the least of the steps after the first, and both must sample the same
completions), and the log-probabilities of given completions with their gradients (both sides in one process, equal
within TOLERANCE). Every completion has all its tokens: the end token is not sampled.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np

from components import params, video
from components.world import films, script
from tests.benchmarks import rows, training

COMPLETIONS, TOKENS = 8, 256
TOLERANCE = {"log-probabilities": 1e-5, "gradients": 1e-4}
TEXT = {
    "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
}  # fmt: skip
VISION = {
    "depth": 2, "hidden_size": 128, "out_hidden_size": 256, "num_heads": 4, "intermediate_size": 256,
    "window_size": 112, "fullatt_block_indexes": [1],
}  # fmt: skip


class Samples:
    """A question about the first frames of a film, for every prompt of every step."""

    def __init__(self, frames_THWC: np.ndarray, count: int):
        self.frames_THWC, self.count = frames_THWC, count

    def __len__(self) -> int:
        return self.count

    def describe(self, step: int) -> str:
        return f"step {step}"

    def __getitem__(self, index: int) -> dict:
        return {
            "sample_id": f"s{index}", "turns": [(f"where is the red cup? {index}", "")], "view": "ego",
            "frames": self.frames_THWC, "question_type": "spatial_object", "times_s": None, "media": [{}],
            "target": {"kind": "box", "box_xyxy": [10.0, 20.0, 50.0, 60.0]}, "reasoned": True, "answer": "",
        }  # fmt: skip


def base(folder: Path, most_frames: int) -> None:
    """Write the weights to `folder / "base"`, and frames of a film to `folder / "frames.npy"`."""
    from tests.components import tiny_qwen

    film = films.Film(folder / "film.mp4", script.script_take(7, 0, take_s=16.0), 0.0, 16.0, 8)
    films.make(film, size_px=128)
    np.save(folder / "frames.npy", video.decode(film.path, np.arange(most_frames), size_px=128))
    tiny_qwen.write_base(folder / "base", "qwen2_5_vl", text=TEXT, vision=VISION)


def loaded(folder: Path):
    """Load the model, whose attention is sdpa as transformers chooses it, with its processor."""
    from components.models import qwen_vl

    model = qwen_vl.load(folder / "base")
    model.set_attn_implementation("sdpa")
    model.generation_config.suppress_tokens += [model.generation_config.eos_token_id]
    return model, qwen_vl.load_processor(folder / "base", pixels=None)


def step(ours: bool, folder: Path, frames: int, steps: int) -> dict:
    """Train some steps; give the least CPU and wall seconds of one, what was said first, and what was learned."""
    training.rank()
    from transformers import TrainerCallback, set_seed

    from components.models import qwen_vl
    from components.models.hub_configs import QWEN_PARTS
    from components.train import algorithms, checkpoints
    from components.train.grpo import trainer

    class Clock(TrainerCallback):
        def __init__(self):
            self.seconds: list[tuple[float, float]] = []

        def on_step_begin(self, *_, **__) -> None:
            self.began = time.process_time(), time.perf_counter()

        def on_step_end(self, *_, **__) -> None:
            self.seconds.append((time.process_time() - self.began[0], time.perf_counter() - self.began[1]))

    if not ours:
        trainer.OrderedGRPOTrainer.__bases__ = (training.plain_grpo(),)
        trainer.encode_once = lambda model: None
        del qwen_vl.QwenProcessor._process_images  # then it is transformers' own
    said: list[str] = []

    def reward(completions, **columns) -> list[float]:
        said.extend(each[0]["content"] for each in completions)
        return training.even_letters(completions)

    trainer.reward_function = lambda name: reward
    recipe = params.load(training.ROOT / "params/recipes/egothinker.yaml", params.Recipe)
    stage = next(stage for stage in recipe.stages if stage.algorithm == "grpo")
    asked = stage.grpo.model_copy(
        update={"max_completion_length": TOKENS, "reward_weights": {"even": 1.0}, "num_generations": COMPLETIONS}
    )
    stage = stage.model_copy(
        update={
            "max_steps": steps, "num_train_epochs": None, "save_steps": steps + 1, "ranks": 1, "train_batch_size": 1,
            "per_device_train_batch_size": 1, "zero_stage": 2, "gradient_checkpointing": False, "grpo": asked,
        }
    )  # fmt: skip
    set_seed(stage.seed)
    model, processor = loaded(folder)
    checkpoints.prepare(model, stage.learning_rates, None, QWEN_PARTS)
    clock, shown = Clock(), np.load(folder / "frames.npy")[:frames]
    with TemporaryDirectory() as output:
        model.config._name_or_path = str(folder / "base")
        engine = trainer.trainer(
            model, processor, stage, asked, Samples(shown, steps), output=Path(output) / "trainer", callbacks=[clock],
            groups=algorithms.groups(model, stage, QWEN_PARTS),
        )  # fmt: skip
        engine.ref_model.set_attn_implementation("sdpa")
        engine.train()
    learned = [row["grad_norm"] for row in engine.state.log_history if "grad_norm" in row]
    cpu_s, wall_s = (min(column) for column in zip(*clock.seconds[1:], strict=True))
    return {"cpu_s": cpu_s, "wall_s": wall_s, "said": said[:COMPLETIONS], "grad_norm": learned[0]}


def reading(folder: Path, frames: int) -> dict:
    """Read the same completions by both sides, with gradients; give CPU seconds of each, and how much differs."""
    import torch
    from trl import GRPOTrainer
    from trl.trainer.utils import add_fused_lm_head

    from components.models import qwen_vl
    from components.train.grpo.shared_prompt import SharedPromptTrainer

    torch.set_num_threads(1)
    model, processor = loaded(folder)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    sample = Samples(np.load(folder / "frames.npy")[:frames], 1)[0]
    asked = qwen_vl.encode(processor, [sample | {"question": sample["turns"][0][0]}])
    images = {
        "pixel_values": torch.as_tensor(asked["pixel_values"]).repeat(COMPLETIONS, 1),
        "image_grid_thw": torch.as_tensor(asked["image_grid_thw"]).repeat(COMPLETIONS, 1),
        "num_images": [frames] * COMPLETIONS,
    }
    generator = torch.Generator().manual_seed(0)
    said = torch.randint(0, 256, (COMPLETIONS, TOKENS), generator=generator)
    ids = torch.cat([torch.tensor(asked["input_ids"]).repeat(COMPLETIONS, 1), said], 1)
    accelerator = SimpleNamespace(autocast=nullcontext, is_main_process=False)
    like = SimpleNamespace(accelerator=accelerator, _tokenizer=processor.tokenizer)
    weights = torch.randn(said.shape, generator=generator)

    def read(owner: type) -> tuple[float, torch.Tensor, dict[str, torch.Tensor]]:
        model.zero_grad()
        began_s = time.process_time()
        logps, _, _ = owner._get_per_token_logps_and_entropies(
            like, model, ids, torch.ones_like(ids), TOKENS, compute_entropy=True,
            mm_token_type_ids=(ids == processor.image_token_id).int(), **images,
        )  # fmt: skip
        (logps * weights).mean().backward()
        seconds = time.process_time() - began_s
        return seconds, logps.detach(), {name: one.grad.clone() for name, one in model.named_parameters()}

    found = {owner: [read(owner) for _ in range(2)] for owner in (SharedPromptTrainer, GRPOTrainer)}
    (_, our_logps, our_gradients), (_, logps, gradients) = (each[-1] for each in found.values())
    largest = max(one.abs().max() for one in gradients.values())
    seconds = [min(second for second, _, _ in each) for each in found.values()]
    return {
        "prompt": len(asked["input_ids"][0]),
        "cpu_s": seconds,
        "log-probabilities": (our_logps - logps).abs().max().item(),
        "gradients": max((our_gradients[name] - one).abs().max() / largest for name, one in gradients.items()).item(),
    }


def measure(run: Callable, folder: Path, frames: int, steps: int) -> list[dict]:
    """Measure both sides at one length of the prompt, and make sure that they did the same work."""
    both = run(partial(reading, folder, frames))
    for name, most in TOLERANCE.items():
        assert both[name] <= most, f"{name} differ by {both[name]:.2g}, allowed is {most:g}"
    size = f"{both['prompt']} prompt tokens, {COMPLETIONS} completions of {TOKENS}"
    made = [rows.row(f"Qwen2.5-VL log-probabilities and gradients, {size}", *both["cpu_s"], unit="CPU s")]
    ours, peer = (run(partial(step, side, folder, frames, steps)) for side in (True, False))
    same = np.mean([one == two for one, two in zip(ours["said"], peer["said"], strict=True)])
    assert same > 0.8, f"only {same:.0%} of the first completions are the same"  # a near-tie may fall either way
    if same == 1:
        assert abs(ours["grad_norm"] / peer["grad_norm"] - 1) < 1e-3, (ours["grad_norm"], peer["grad_norm"])
    for name, key, unit in (("GRPO step", "cpu_s", "CPU s"), ("GRPO step by the clock", "wall_s", "s")):
        made.append(rows.row(f"Qwen2.5-VL {name}, {size}", ours[key], peer[key], unit=unit))
    return made


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.qwen_grpo", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--frames", type=int, nargs="+", default=[54, 17], help="of each prompt, 25 tokens and 2 each")
    asked = parser.parse_args()
    with (
        TemporaryDirectory() as root,
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone,
    ):
        alone.submit(base, Path(root), max(asked.frames)).result()
        run = lambda task: alone.submit(task).result()  # noqa: E731
        made = [row for frames in asked.frames for row in measure(run, Path(root), frames, asked.steps)]
    rows.write(made, training.BENCH_TRAIN)
    print(rows.show(made))  # noqa: T201


if __name__ == "__main__":
    main()
