"""The evaluation of one checkpoint against that of commit 02b4f5b, and against a model that is asked one by one.

Run as: python -m tests.benchmarks.evaluation --checkpoint checkpoints/sft-… [--data data]

All tasks of params/eval.yaml that the data has, the model's own answers and those of every control. A trained
checkpoint is wanted: a random one never ends an answer.

Ours reads the frames of a moment once, through the language model too (components/evaluation/prefix_cache.py), asks
equal prompts once, ranks the options of a question beside one another on one row, and decodes without copying what it
has read. Peers, over the same checkpoint, samples and frames:

- what commit 02b4f5b did, written down here again, for its formats are others: frames are embedded once, but every
  question reads its whole prompt, in batches of 64, is answered by transformers' own loop, and ranking copies what was
  read of a prompt for each option;
- a plain one: every question by itself, with frames read and encoded for it, and every option with the whole prompt;
  it answers each tenth item.

All sides have the same answers (asserted: at most TOLERANCE of them differ, for rounding may decide between two words
that are equally likely). CPU and wall seconds of the whole evaluation but the start of the process, each side in a
process of its own with one thread; an answer's share is of answering alone, without tables, intervals and files.
"""

from __future__ import annotations

import argparse
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from components import params, records
from components.evaluation.answer import Answerer
from components.evaluation.replies import Reply, written
from components.models import checkpoint_files
from components.models.processing import context, layout
from tests.benchmarks import rows, training

SIDES = ("ours", "02b4f5b", "plain")
TOLERANCE = 1e-3  # of the answers
BATCH = 64  # of 02b4f5b's params/eval.yaml
EACH = 10  # plain answers one of so many


class Of02b4f5b(Answerer):
    """Answers as the build of commit 02b4f5b did."""

    @torch.no_grad()
    def complete(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
        """Decode an answer to each sample by transformers' own loop."""
        said: dict[int, Reply] = {}
        for places, embeds, mask in self._prompts(samples, frames_of):
            ids = self.model.generate(
                inputs_embeds=embeds, attention_mask=mask, max_new_tokens=self.max_new_tokens, do_sample=False
            )
            said |= zip(places, written(ids, self.model, self.processor.tokenizer), strict=True)
        return [said[place] for place in range(len(samples))]

    @torch.no_grad()
    def rank(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
        """Rank the options of each sample, each behind a copy of what was read of its prompt."""
        said: dict[int, Reply] = {}
        for places, embeds, mask in self._prompts(samples, frames_of):
            options = [(row, text) for row, at in enumerate(places) for text in samples[at]["target"]["choices"]]
            of_row = torch.tensor([row for row, _ in options])
            tokens = self._tokens([f"{text}<eos>" for _, text in options])
            answers = self.processor.tokenizer.pad({"input_ids": tokens}, padding_side="right", return_tensors="pt")
            ids, real = answers["input_ids"], answers["attention_mask"]
            read = self.model(inputs_embeds=embeds, attention_mask=mask, use_cache=True, logits_to_keep=1)
            read.past_key_values.batch_select_indices(of_row)
            attention = torch.cat([mask[of_row], real], dim=1)
            follow = self.model(ids, attention_mask=attention, past_key_values=read.past_key_values)
            logits = torch.cat([read.logits[of_row], follow.logits[:, :-1]], dim=1)
            logp = logits.float().log_softmax(-1).gather(2, ids.unsqueeze(2)).squeeze(2)
            means = ((logp * real).sum(1) / real.sum(1)).numpy()
            for row, place in enumerate(places):
                best = int(np.argmax(means[of_row.numpy() == row]))
                said[place] = Reply(samples[place]["target"]["choices"][best])
        return [said[place] for place in range(len(samples))]

    def _prompts(self, samples: list[dict], frames_of: list[str]):
        words = self.model.get_input_embeddings()
        prefixes, asked = self._laid_out(samples, frames_of)
        prompts = [
            torch.cat([prefix.inputs, words(torch.tensor(ids))])
            for prefix, ids in zip(prefixes, self._tokens(asked), strict=True)
        ]
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            chosen = [prompts[place] for place in places]
            ones = [torch.ones(len(prompt), dtype=torch.long) for prompt in chosen]
            embeds, mask = (pad_sequence(each, batch_first=True, padding_side="left") for each in (chosen, ones))
            yield places, embeds, mask


class OneByOne(Answerer):
    """Answers every question by itself, and nothing is kept for the next."""

    @torch.no_grad()
    def complete(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
        """Decode an answer to each sample from its whole prompt."""
        said = []
        for sample, sample_id in zip(samples, frames_of, strict=True):
            prompt, pixel_values = self._prompt(sample, sample_id)
            inputs = self.processor.tokenizer([prompt], add_special_tokens=False, return_tensors="pt")
            ids = self.model.generate(
                **inputs, pixel_values=pixel_values, max_new_tokens=self.max_new_tokens, do_sample=False
            )
            said += written(ids[:, inputs["input_ids"].shape[1] :], self.model, self.processor.tokenizer)
        return said

    @torch.no_grad()
    def rank(self, samples: list[dict], frames_of: list[str]) -> list[Reply]:
        """Rank the options of each sample, each behind the whole prompt."""
        said = []
        for sample, sample_id in zip(samples, frames_of, strict=True):
            means = []
            for text in sample["target"]["choices"]:
                prompt, pixel_values = self._prompt(sample, sample_id)
                length = len(self._tokens([prompt])[0])
                ids = torch.tensor(self._tokens([f"{prompt}{text}<eos>"]))
                logits = self.model(input_ids=ids, pixel_values=pixel_values).logits[0, length - 1 : -1]
                means.append(-float(torch.nn.functional.cross_entropy(logits.float(), ids[0, length:])))
            said.append(Reply(sample["target"]["choices"][int(np.argmax(means))]))
        return said

    def _prompt(self, sample: dict, sample_id: str) -> tuple[str, torch.Tensor]:
        frames = self.store.frames(sample_id)
        self._n_frames[sample_id] = len(frames)
        visual = layout(self.model.config, sample["view"], len(frames))
        [asked] = self._asked([sample], [sample_id])
        return context(visual) + asked, self.processor.image_processor([list(frames)])["pixel_values"]


def measure(side: str, checkpoint: Path, data: Path, fewer: int) -> dict:
    """Evaluate a checkpoint, whose folder takes the results; give CPU and wall seconds, and the answers by item.

    Args:
        side: of SIDES.
        checkpoint: a copy of it.
        data: the data folder.
        fewer: by how much the limits of params/eval.yaml are divided.
    """
    from components.evaluation import answer
    from components.evaluation import measure as evaluation

    torch.set_num_threads(1)
    settings = params.load(training.ROOT / "params/eval.yaml", params.Eval)
    settings = settings.model_copy(
        update={
            name: {of: -(-limit // fewer) for of, limit in getattr(settings, name).items()}
            for name in ("limits", "controls")
        }
    )
    stage = checkpoint_files.check(checkpoint, members=("params",))["params"]
    how = evaluation.Asked(
        tasks=[task for task in settings.limits if task in get_args(params.Task)],
        rank_options=stage["rank_options"],
        max_new_tokens=settings.max_new_tokens,
        time_step_s=params.load(training.ROOT / "params/data.yaml", params.Data).egore.time_step_s,
    )
    if side != "ours":
        answer.Answerer = {"02b4f5b": Of02b4f5b, "plain": OneByOne}[side]
        evaluation.ITEMS_AT_ONCE = 10**9
    if side == "plain":
        whole = evaluation._items
        evaluation._items = lambda *given: (whole(*given)[0][::EACH], [])
    answer_all, answering_s = evaluation.answer_all, []

    def timed(*given) -> None:
        began_s = time.process_time()
        answer_all(*given)
        answering_s.append(time.process_time() - began_s)

    evaluation.answer_all = timed
    began_s, began_wall_s = time.process_time(), time.monotonic()
    evaluation.evaluate(checkpoint, data, settings, how)
    seconds = {"cpu_s": time.process_time() - began_s, "wall_s": time.monotonic() - began_wall_s}
    seconds["answering_s"] = sum(answering_s)
    table = records.read_table(checkpoint / "evaluation" / "predictions.parquet", records.PREDICTION)
    named = ("task", "condition", "sample_id", "completion", "tokens")
    said = zip(*(table[name].to_pylist() for name in named), strict=True)
    answers = {tuple(key): tuple(value) for *key, value in ((*each[:3], each[3:]) for each in said)}
    return seconds | {"answers": {key: value for key, value in answers.items() if key[1] != "guesser"}}


def main() -> None:
    """Measure, print the table and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.evaluation", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of a finished stage of the miniature")
    parser.add_argument("--data", type=Path, default=training.ROOT / "data", help="that it was trained on")
    parser.add_argument("--fewer", type=int, default=1, help="divide the limits of params/eval.yaml by this")
    options = parser.parse_args()
    told = {}
    alone = ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1)
    with TemporaryDirectory() as root, alone:
        for side in SIDES:
            copy = Path(root) / side / options.checkpoint.name
            shutil.copytree(options.checkpoint, copy, ignore=shutil.ignore_patterns("evaluation"))
            told[side] = alone.submit(measure, side, copy, options.data, options.fewer).result()
            print(side, *(f"{name} {value:.1f}" for name, value in told[side].items() if name != "answers"), flush=True)
    ours = told["ours"]["answers"]
    for side in SIDES[1:]:
        theirs = told[side]["answers"]
        other = [key for key, value in theirs.items() if ours[key] != value]
        print(f"{len(other)} of {len(theirs)} answers differ from those of {side}")
        assert len(other) <= TOLERANCE * len(theirs), [(key, ours[key], theirs[key]) for key in other[:5]]
    assert ours.keys() == told["02b4f5b"]["answers"].keys()
    what = f"evaluation of one checkpoint, {len(ours)} answers"
    made = [
        rows.row(f"{what}, against commit 02b4f5b{more}", *(told[side][name] for side in SIDES[:2]), unit=unit)
        for name, unit, more in (("cpu_s", "CPU s", ""), ("wall_s", "s", ", wall"))
    ]
    per_answer = {side: 1000 * each["answering_s"] / len(each["answers"]) for side, each in told.items()}
    made += [
        rows.row(f"answer of an evaluation, against {peer}", per_answer["ours"], per_answer[side], unit="CPU ms")
        for side, peer in (("02b4f5b", "commit 02b4f5b"), ("plain", "one by one"))
    ]
    rows.write(made, training.BENCH_TRAIN)
    print(rows.show(made))


if __name__ == "__main__":
    main()
