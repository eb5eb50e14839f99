"""Batches answer as one sample alone would, and see the frames that they are told to see."""

import numpy as np
import pytest
import torch

from components.evaluation import answer, ranking
from components.evaluation.answer import Answerer
from components.evaluation.replies import TOO_LONG, Reply
from components.models.processing import layout, normalise

WORDS = "C picks up the red cup with the right hand what does do".split()


def some_choices(seed: int) -> list[str]:
    """Two to four different options of one to seven words."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=n, replace=False)) for n in rng.permutation([1, 2, 4, 7])[: 2 + seed % 3]]


class Frames:
    """A store of random frames: of its name, 2 or 4 of them; remembers what was asked."""

    def __init__(self):
        self.asked: list[str] = []

    def frames(self, sample_id: str) -> np.ndarray:
        self.asked.append(sample_id)
        seed, count = sample_id.split("-")
        return np.random.default_rng(int(seed)).integers(0, 255, (int(count), 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def samples() -> list[dict]:
    return [
        {
            "sample_id": f"{number}-{(2, 4)[number % 2]}",
            "view": ("ego", "exo", "ego")[number % 3],
            "question": ("what does C do?", "C picks up the red cup")[number % 2],
            "question_type": "action",
            "answer": "",
            "corpus": "egore",
            "media": [{"start_s": 0.0, "end_s": 2.0}],
            "target": {"kind": "choice", "choices": some_choices(number)},
        }
        for number in range(8)
    ]


def said(samples: list[dict], options: list[int]) -> list[Reply]:
    return [Reply(sample["target"]["choices"][option]) for sample, option in zip(samples, options, strict=True)]


def ids_of(samples: list[dict]) -> list[str]:
    return [sample["sample_id"] for sample in samples]


@pytest.fixture
def sharp(model):
    """The tiny model with a louder head: a fresh one finds all words about equally likely."""
    with torch.no_grad():
        model.lm_head.weight.mul_(40)
    return model


ALONE, SOME, ALL = 1, 150, 10_000  # tokens of a batch: that of one sample each, of some, of all


def answerer(model, processor, *, tokens: int = SOME, store: Frames | None = None) -> Answerer:
    return Answerer(model, processor, store or Frames(), reasoned=False, max_batch_tokens=tokens, max_new_tokens=6)


def log_likelihoods(model, processor, sample: dict, *, guidance: bool) -> list[np.ndarray]:
    """Of every option, alone and without padding: the log-probability of each of its tokens."""
    frames = Frames().frames(sample["sample_id"])
    guided = guidance and sample["view"] == "ego"
    visual = layout(model.config, sample["view"], len(frames), guidance=guided)
    prompt = f"<bos>{visual}<user>{sample['question']}<assistant>"
    found = []
    for option in sample["target"]["choices"]:
        ids, whole = (
            processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
            for text in (prompt, f"{prompt}{option}<eos>")
        )
        with torch.no_grad():
            logp = model(input_ids=whole, pixel_values=normalise(frames)).logits[0].log_softmax(-1)
        answer = range(ids.shape[1], whole.shape[1])
        found.append(np.array([float(logp[place - 1, whole[0, place]]) for place in answer]))
    return found


@pytest.mark.parametrize("guidance", [False, True])
@pytest.mark.parametrize("tokens", [ALONE, SOME, ALL])
def test_ranking_equals_the_plain_mean_log_likelihood(sharp, processor, samples, tokens, guidance):
    sharp.config.guidance = guidance
    plain = [log_likelihoods(sharp, processor, sample, guidance=guidance) for sample in samples]
    expected = [int(np.argmax([tokens.mean() for tokens in options])) for options in plain]
    chosen = answerer(sharp, processor, tokens=tokens).rank(samples, ids_of(samples))
    assert chosen == said(samples, expected)


def test_an_option_that_merges_with_the_prompt_is_ranked_as_the_whole_text_reads(
    sharp, processor, samples, monkeypatch
):
    """The prompt ends in 1: before the option "0 cup" the two are the number 10, one token."""
    monkeypatch.setattr(processor, "turn_words", ("<user>", " 1"))
    choices = ["0 cup", "2 red hand", "7", "00"]
    samples = [sample | {"target": {"kind": "choice", "choices": choices}} for sample in samples]
    expected = []
    for sample in samples:
        frames = Frames().frames(sample["sample_id"])
        prompt = f"<bos>{layout(sharp.config, sample['view'], len(frames))}<user>{sample['question']} 1"
        before = len(processor.tokenizer(prompt, add_special_tokens=False)["input_ids"]) - 1  # all but the 1
        means = []
        for option in choices:
            whole = processor.tokenizer(f"{prompt}{option}<eos>", add_special_tokens=False, return_tensors="pt")
            ids = whole["input_ids"][0]
            with torch.no_grad():
                logits = sharp(input_ids=ids[None], pixel_values=normalise(frames)).logits[0]
            means.append(logits[before - 1 : -1].log_softmax(-1).gather(1, ids[before:, None]).mean().item())
        expected.append(int(np.argmax(means)))
    assert answerer(sharp, processor).rank(samples, ids_of(samples)) == said(samples, expected)
    [kept], [options] = ranking.continued(processor.tokenizer, ["C 1"], [choices])
    assert processor.tokenizer.convert_ids_to_tokens(kept) == ["C"]
    firsts = processor.tokenizer.convert_ids_to_tokens([ids[0] for ids in options])
    assert firsts == ["10", "12", "17", "100"], "no option stands behind a 1 of its own"


def test_ranking_is_not_by_the_sum(sharp, processor, samples):
    """The table of samples above tells the two apart, or the test above would prove little."""
    plain = [log_likelihoods(sharp, processor, sample, guidance=False) for sample in samples]
    by_sum = [int(np.argmax([tokens.sum() for tokens in options])) for options in plain]
    assert said(samples, by_sum) != answerer(sharp, processor).rank(samples, ids_of(samples))


def test_completions_do_not_depend_on_the_batch(sharp, processor, samples):
    together, alone = (answerer(sharp, processor, tokens=n).complete(samples, ids_of(samples)) for n in (ALL, ALONE))
    assert together == alone
    assert len(set(together)) > 1 and not any("<" in reply.completion for reply in together)


def test_completions_equal_those_of_whole_prompts(sharp, processor, samples):
    """A question that goes on from embedded frames reads as a prompt that stands in one piece."""
    expected = []
    for sample in samples:
        frames = Frames().frames(sample["sample_id"])
        prompt = f"<bos>{layout(sharp.config, sample['view'], len(frames))}<user>{sample['question']}<assistant>"
        tokens = processor.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        ids = sharp.generate(**tokens, pixel_values=normalise(frames), max_new_tokens=6, do_sample=False)
        answer = ids[0, tokens["input_ids"].shape[1] :]
        expected.append(processor.tokenizer.decode(answer, skip_special_tokens=True))
    replies = answerer(sharp, processor).complete(samples, ids_of(samples))
    assert [reply.completion for reply in replies] == expected


def test_the_frames_shown_are_those_asked_for(sharp, processor, samples):
    store, others = Frames(), ["98-4", "99-2"] * 4
    answers = answerer(sharp, processor, store=store)
    blind = answers.complete(samples, others)
    assert set(store.asked) == set(others)
    assert blind != answers.complete(samples, ids_of(samples))


def test_frames_are_read_and_encoded_once(sharp, processor, samples, monkeypatch):
    steps = []
    encode = sharp.model.encode

    def counting(frames_NCHW: torch.Tensor, view: str) -> torch.Tensor:
        steps.append(len(frames_NCHW) // sharp.config.tubelet_frames)
        return encode(frames_NCHW, view)

    monkeypatch.setattr(sharp.model, "encode", counting)
    samples = [{**sample, "view": "ego"} for sample in samples]
    seen, blind = ids_of(samples), ids_of(samples[2:] + samples[:2])
    alone = [answerer(sharp, processor).complete(samples, names) for names in (seen, blind)]
    steps.clear()
    store = Frames()
    shared = answerer(sharp, processor, store=store)
    assert [shared.complete(samples, names) for names in (seen, blind)] == alone
    assert shared.rank(samples, blind) == answerer(sharp, processor, tokens=ALL).rank(samples, blind)
    assert store.asked == seen
    one_pass = sum(int(name.split("-")[1]) for name in seen) // sharp.config.tubelet_frames
    assert sum(steps) == 2 * one_pass  # the shared one, and the one that ranked alone


def test_what_does_not_fit_is_forgotten_and_answers_stay_the_same(sharp, processor, samples, monkeypatch):
    store = Frames()
    answers = answerer(sharp, processor, store=store)
    kept = answers.complete(samples[:4], ids_of(samples[:4]))
    monkeypatch.setattr(answer, "KEPT_BYTES", 0)
    answers.complete(samples[4:], ids_of(samples[4:]))
    assert len(answers._embedded) == 4
    assert answers.complete(samples[:4], ids_of(samples[:4])) == kept and len(store.asked) == 12


def test_the_same_frames_under_another_view_are_another_context(sharp, processor, samples):
    """And under another name they are the same: two questions about one clip have ids of their own."""
    store = Frames()
    ego, exo, twin = ({**samples[0], "view": view} for view in ("ego", "exo", "ego"))
    shown = answerer(sharp, processor, store=store)._prefixes([ego, exo, twin], ["0-2", "0-2", "00-2"])
    assert store.asked == ["0-2", "0-2", "00-2"]
    assert shown[0] is shown[2] and not torch.equal(shown[0].inputs, shown[1].inputs)


def test_how_much_was_written_is_counted_and_what_the_budget_ended_is_cut(sharp, processor, samples):
    replies = answerer(sharp, processor, tokens=ALL).complete(samples, ids_of(samples))
    assert all(1 <= reply.tokens <= 6 for reply in replies)
    assert any(reply.is_cut for reply in replies) and all(reply.tokens == 6 for reply in replies if reply.is_cut)
    for reply in answerer(sharp, processor).rank(samples, ids_of(samples)):
        assert (reply.tokens, reply.is_cut) == (0, False)


def test_a_prompt_beyond_the_context_is_not_asked_and_the_others_are(sharp, processor, samples):
    expected = answerer(sharp, processor).complete(samples, ids_of(samples))
    samples[3] = {**samples[3], "question": "C " * 600}
    assert sharp.config.text_config.max_position_embeddings == 512
    replies = answerer(sharp, processor).complete(samples, ids_of(samples))
    assert replies[3] == TOO_LONG and replies[:3] + replies[4:] == expected[:3] + expected[4:]


def test_a_model_answers_in_its_own_dtype(sharp, processor, samples):
    answers = answerer(sharp.to(torch.bfloat16), processor)
    assert len(answers.complete(samples, ids_of(samples))) == len(answers.rank(samples, ids_of(samples))) == 8
    assert {prefix.inputs.dtype for prefix in answers._embedded.values()} == {torch.bfloat16}
