"""How near a student that sees a moment from outside comes to a teacher that sees it from inside (systems §2.4).

The teacher answers about the ego view of a held-out moment, greedily. Then both read that answer word by word (teacher
forcing), the teacher with the ego view before it and the student with the exo view:

- log-perplexity is the student's mean negative log-likelihood of the teacher's tokens; perplexity is its exponential;
- kl is the mean over the same tokens of KL(teacher || student), over all words that could stand there.

Both are in nats, and lower is nearer. A control shows the student other frames in the place of the exo view.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from torch.nn import functional

from components.evaluation.answer import Answerer, Sample
from components.evaluation.caption_slots import Scores
from components.evaluation.replies import TOO_LONG, Reply

TASK = "alignment"


def score(samples: list[Sample], completions: list[str]) -> Scores:
    """Score answers of `Alignment`, so that the mean over answers is the mean over their tokens.

    Scores of two models or conditions may be subtracted where the answers are of the same samples.

    Args:
        samples: of them.
        completions: JSON, as `Alignment.answer` writes it.
    """
    read = [json.loads(completion) for completion in completions]
    tokens = sum(each["tokens"] for each in read) / max(1, len(read))
    return {
        "log_perplexity": [each["nll"] / tokens for each in read],
        "kl": [each["kl"] / tokens for each in read],
    }


def chance(samples: list[Sample]) -> dict[str, float]:
    """Return nothing: what a guess would score depends on the vocabulary."""
    return {}


TASKS: dict[str, tuple[Callable, Callable]] = {TASK: (score, chance)}  # as score.TASKS


class Alignment:
    """Answers of a teacher, with what a student makes of them.

    Args:
        student: has its model, the frame store and the lengths of answers.
        teacher: likewise, of the same store.

    Raises:
        ValueError: the two have other words, so that their probabilities cannot be compared.
    """

    def __init__(self, student: Answerer, teacher: Answerer):
        if student.processor.tokenizer.get_vocab() != teacher.processor.tokenizer.get_vocab():
            raise ValueError(
                "teacher and student have tokenizers with other words, so that their probabilities cannot be compared; "
                "name a `teacher` of the same language model in the recipe"
            )
        limits = {"max_batch_tokens": student.max_batch_tokens, "max_new_tokens": student.max_new_tokens}
        outside: Any = SimpleNamespace(frames=partial(student.store.frames, exo_view=0))
        self.student = Answerer(student.model, student.processor, outside, reasoned=False, **limits)
        self.teacher = teacher
        self._said: dict[str, Reply] = {}  # by sample id: every control reads the same answers

    def answer(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Return for each sample JSON with the teacher's words, their tokens, and sums over these of both measures.

        Args:
            samples: ego samples with an exo view.
            frames_of: the student is shown the exo view of sample id `frames_of[i]`, or frames of a control.
        """
        own = [sample["sample_id"] for sample in samples]
        new = [sample for sample in samples if sample["sample_id"] not in self._said]
        names = [sample["sample_id"] for sample in new]
        self._said |= zip(names, self.teacher.complete(new, names) if new else (), strict=True)
        said = [self._said[name] for name in own]
        tokenizer = self.teacher.processor.tokenizer
        texts = [reply.completion + "<eos>" * (not reply.is_cut) for reply in said]
        tokens: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
        inside = dict(self.teacher.log_probabilities(samples, own, tokens))
        exo = [{**sample, "view": "exo"} for sample in samples]
        made: dict[int, Reply] = {}
        for place, log_q in self.student.log_probabilities(exo, frames_of, tokens):
            if said[place].is_too_long or place not in inside or not tokens[place]:
                continue
            ids = log_q.new_tensor(tokens[place]).long()
            kl = functional.kl_div(log_q, inside[place], reduction="sum", log_target=True)
            nll = functional.nll_loss(log_q, ids, reduction="sum")
            sums = {"words": said[place].completion, "tokens": len(ids), "nll": float(nll), "kl": float(kl)}
            made[place] = Reply(json.dumps(sums))
        return [made.get(place, TOO_LONG) for place in range(len(samples))]
