"""The control that never sees a frame: answers from training text alone.

Options are guessed by how often each was right in training, as the quality of the questions is measured
(components/data/quality/blind_baseline.py). A box or an interval is the training answer that overlaps the others most,
which is the best constant answer among them; a text is the most frequent one. The order of the rows changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from components import prompts, records
from components.data.contracts.quality import KEYS
from components.data.quality import batches, blind_baseline
from components.metrics import box_iou, temporal_iou

ENOUGH = 20  # training answers to the very question; with fewer, those to its whole type say more
MOST = 500  # different boxes or intervals that are compared with one another, the most frequent ones

Sample = dict
_READ: dict[str, tuple[Callable, Callable]] = {
    "box": (prompts.parse_box, box_iou),
    "span": (prompts.parse_span, temporal_iou),
}


def guess(train: pa.Table, samples: Sequence[Sample]) -> list[str]:
    """Return an answer to each sample as its score reads it.

    Of options with equal odds, as all are of a type without training rows, one is drawn by the sample's id, so that the
    place of an option is worth nothing. Of other targets, the answer is "" where training has none of its type.

    Args:
        train: rows of `records.SAMPLE`, training samples of the task and view.
        samples: held-out rows of the same with one kind of target, with `reasoned`, whether the answer must stand
            inside the answer tags.
    """
    if samples[0]["target"]["kind"] == "choice":
        return _likeliest_options(train, samples)
    return _typical_answers(train, samples)


def _likeliest_options(train: pa.Table, samples: Sequence[Sample]) -> list[str]:
    held_out = batches.offered(pa.Table.from_pylist(list(samples), records.SAMPLE))
    guesser = blind_baseline.fit(lambda: [batches.offered(train), held_out])
    odds = guesser.odds(held_out).to_numpy()
    of_sample = np.split(odds, np.cumsum([len(sample["target"]["choices"]) for sample in samples])[:-1])
    texts = [
        _drawn(sample, np.flatnonzero(odds == odds.max())) for sample, odds in zip(samples, of_sample, strict=True)
    ]
    return [
        prompts.think_answer("", text) if sample["reasoned"] else text
        for sample, text in zip(samples, texts, strict=True)
    ]


def _drawn(sample: Sample, likeliest: np.ndarray) -> str:
    place = int(records.content_id(sample["sample_id"]), 16) % len(likeliest)
    return sample["target"]["choices"][likeliest[place]]


def _typical_answers(train: pa.Table, samples: Sequence[Sample]) -> list[str]:
    known = batches.typed(train.select([*KEYS, "question", "answer"]))
    of_type = known.groupby("type")["answer"].groups
    asked = known[known["question"].isin([sample["question"] for sample in samples])]
    of_question = asked.groupby(["type", "question"])["answer"].groups
    guesses: dict[tuple[str, ...], str] = {}
    found = []
    for sample in samples:
        key: tuple[str, ...] = ("/".join(sample[name] for name in KEYS), sample["question"])
        places = of_question.get(key, [])
        if len(places) < ENOUGH:
            key, places = key[:1], of_type.get(key[0], [])
        if key not in guesses:
            guesses[key] = typical(known["answer"].loc[places].tolist(), sample["target"]["kind"])
        found.append(guesses[key])
    return found


def typical(answers: Sequence[str], kind: str) -> str:
    """Return the answer that agrees most with the others; "" of none.

    Args:
        answers: as they are trained on. Of a "box" or "span" only the value counts, not the thought before it.
        kind: of the target: of a "box" or "span" the overlap is the agreement, else the answers must be equal.

    >>> typical(["put down", "cut", "cut"], "text")
    'cut'
    """
    texts = Counter(answers)
    if kind not in _READ:
        return next(iter(_by_count(texts)), "")
    parse, overlap = _READ[kind]
    times: Counter[tuple[float, ...]] = Counter()
    written: dict[tuple[float, ...], str] = {}  # a text of each value
    for text in sorted(texts):
        parts = prompts.split_think_answer(text)
        if parts and (value := parse(parts[1])):
            times[value] += texts[text]
            written.setdefault(value, text)
    known = _by_count(times)[:MOST]
    agreements = {mine: sum(times[other] * overlap(mine, other) for other in known) for mine in known}
    return written[max(agreements, key=agreements.__getitem__)] if known else ""


def _by_count(times: Counter) -> list:
    """Return what was counted, the most frequent first; of equals a draw by content decides, not their order."""
    return sorted(times, key=lambda value: (-times[value], records.content_id(value)))
