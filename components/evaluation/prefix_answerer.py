"""Answers of any model to samples whose prompts begin with frames: greedy completions, and the ranking of options."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel, ProcessorMixin

from components.evaluation import greedy
from components.evaluation.prefix_cache import Prefix, Reader
from components.evaluation.ranking import continued, likeliest
from components.evaluation.replies import TOO_LONG, Reply, batches, written

Sample = dict


class PrefixAnswerer:
    """A model in evaluation mode with its processor; a class of each architecture lays its prompts out.

    Args:
        model: put into evaluation mode.
        processor: of the model.
        max_batch_tokens: of the prompts and answers of samples that are answered at once, padding counted.
        max_new_tokens: longest completion.
        reader: of the model.
        end: text of the token that ends an answer.
    """

    # of the classes that each architecture's own is made with
    model: Any
    processor: Any

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        *,
        max_batch_tokens: int,
        max_new_tokens: int,
        reader: Reader,
        end: str,
    ):
        self.model, self.processor = model.eval(), processor
        self.max_batch_tokens, self.max_new_tokens = max_batch_tokens, max_new_tokens
        self.end, self._reader = end, reader

    def _laid_out(self, samples: list[Sample], frames_of: list[str]) -> tuple[list[Prefix], list[str]]:
        """Return what stands before each question, and the question as the model is asked it."""
        raise NotImplementedError

    @torch.no_grad()
    def complete(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Decode an answer to each sample greedily, while sample i is shown the frames of sample id `frames_of[i]`."""
        prefixes, asked = self._laid_out(samples, frames_of)
        turns = self._tokens(asked)
        replies: dict[int, Reply] = {}
        alike = _alike([(prefix.key, tuple(ids)) for prefix, ids in zip(prefixes, turns, strict=True)])
        for places in self._batches(prefixes, turns, alike, new_tokens=self.max_new_tokens):
            prompts = self._reader.read([prefixes[place] for place in places], [turns[place] for place in places])
            decode = partial(greedy.decode, prompts=prompts)
            # `generate` wants prompts, which are read: it gets the last token of each
            last = torch.tensor([turns[place][-1:] for place in places], device=self.model.device)
            ids = self.model.generate(
                last, max_new_tokens=self.max_new_tokens, do_sample=False, custom_generate=decode,
                attention_mask=torch.ones_like(last),
            )  # fmt: skip
            for place, reply in zip(places, written(ids, self.model, self.processor.tokenizer), strict=True):
                replies |= dict.fromkeys(alike[place], reply)
        return [replies.get(place, TOO_LONG) for place in range(len(samples))]

    @torch.no_grad()
    def rank(self, samples: list[Sample], frames_of: list[str]) -> list[Reply]:
        """Answer each multiple-choice sample by its likeliest option, by the mean log-probability of its tokens."""
        choices = [sample["target"]["choices"] for sample in samples]
        prefixes, asked = self._laid_out(samples, frames_of)
        ended = [[text + self.end for text in texts] for texts in choices]
        turns, options = continued(self.processor.tokenizer, asked, ended)
        longest = max(len(ids) for ranked in options for ids in ranked)
        replies: dict[int, Reply] = {}
        sizes = {"new_tokens": longest, "answers": max(map(len, choices))}
        for places in self._batches(prefixes, turns, range(len(samples)), **sizes):
            prompts = self._reader.read([prefixes[place] for place in places], [turns[place] for place in places])
            chosen = likeliest(self.model, prompts, [options[place] for place in places])
            replies |= {place: Reply(choices[place][option]) for place, option in zip(places, chosen, strict=True)}
        return [replies.get(place, TOO_LONG) for place in range(len(samples))]

    def _batches(
        self,
        prefixes: list[Prefix],
        turns: list[list[int]],
        asked: Iterable[int],
        *,
        new_tokens: int,
        answers: int = 1,
    ) -> Iterator[list[int]]:
        """Yield the places that are asked, in batches (`replies.batches`)."""
        places = [*asked]
        lengths = [prefixes[place].tokens + len(turns[place]) for place in places]
        limits = {"most_tokens": self.max_batch_tokens, "answers": answers}
        known = self.model.config.text_config.max_position_embeddings
        for batch in batches(lengths, new_tokens=new_tokens, context_tokens=known, **limits):
            yield [places[place] for place in batch]

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        return self.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]


def _alike(prompts: Sequence[Hashable]) -> dict[int, list[int]]:
    """Return the places of equal prompts, by the first of them: a model is asked each once.

    Controls that show nothing make many such: what is left is the question, and there are few.

    >>> _alike(["a", "b", "a"])
    {0: [0, 2], 1: [1]}
    """
    firsts: dict[Hashable, int] = {}
    found: dict[int, list[int]] = {}
    for place, prompt in enumerate(prompts):
        found.setdefault(firsts.setdefault(prompt, place), []).append(place)
    return found
