import hashlib
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.frames.store import FrameStore
from components.train import feature_cache, supervised
from components.train.dataset import Collate, SampleDataset
from components.train.sample_order import Part, count_parts, count_steps, draw_order, epoch_visits


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 8), st.integers(0, 5))
def test_order_is_seeded_and_fills_every_step(n, steps, batch, seed):
    groups, weights = np.arange(n) % 3, np.ones(n)
    order = draw_order(groups, weights, steps=steps, batch=batch, seed=seed)
    assert len(order) == steps * batch
    assert set(order) <= set(range(n))
    assert (order == draw_order(groups, weights, steps=steps, batch=batch, seed=seed)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(1, 6), st.integers(0, 5))
def test_whole_epochs_show_every_sample_equally_often(n, epochs, seed):
    order = draw_order(np.arange(n) % 3, np.ones(n), steps=epochs, batch=n, seed=seed)
    assert (np.bincount(order, minlength=n) == epochs).all()


def test_batches_hold_samples_of_like_length():
    groups = np.tile([0, 1, 2, 3], 64)
    order = draw_order(groups, np.ones(256), steps=32, batch=8, seed=0)
    mixed = [len(set(groups[order[i : i + 8]])) for i in range(0, 256, 8)]
    assert np.mean(mixed) < 1.6


def test_mixture_shares_are_kept():
    groups = np.zeros(100, int)
    weights = np.where(np.arange(100) < 10, 0.5 / 10, 0.5 / 90)
    order = draw_order(groups, weights, steps=100, batch=10, seed=0)
    assert abs((order < 10).mean() - 0.5) < 0.05


def test_questions_about_the_same_frames_come_together_and_take_turns(tiny_data):
    mixture = {"egore/ground_temporal/ego": 1.0}
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    options = {"seed": 5, "exo_views": None, "contract": digest}
    samples = SampleDataset(tiny_data, mixture, steps=12, batch=4, turns=2, **options)
    by_question = {(row["take_id"], row["question"]): row for row in samples.samples.to_pylist()}
    asked = Counter()
    for index in range(len(samples)):
        item = samples[index]
        for question, answer in item["turns"]:
            truth = by_question[item["take_id"], question.removeprefix("16 s, frames every 0.5 s from 0.25 s: ")]
            assert truth["answer"] == answer and truth["media"][0]["video_id"] == item["media"][0]["video_id"]
            asked[item["take_id"], truth["question"]] += 1
        assert len(set(item["turns"])) == min(2, sum(take == item["take_id"] for take, _ in by_question))
    assert set(asked) == set(by_question)
    for take in {take for take, _ in asked}:
        counts = [count for (of, _), count in asked.items() if of == take]
        assert max(counts) - min(counts) <= 1
    again = pickle.loads(pickle.dumps(samples))
    assert len(pickle.dumps(samples)) < 10_000 and again[7]["turns"] == samples[7]["turns"]


def test_the_order_of_a_stage_of_steps_is_what_it_always_was():
    """A changed order changes every checkpoint: the digest was taken before epochs counted questions."""
    rng = np.random.default_rng(0)
    groups, parts = rng.integers(0, 50, 3000), rng.integers(0, 3, 3000)
    weights = np.array([0.1, 0.72, 0.18])[parts] / np.bincount(parts)[parts]
    order = draw_order(groups, weights, steps=60, batch=64, seed=3)
    assert hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()[:16] == "52d3334f3d0ab799"


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=40),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.integers(1, 4),
)
def test_an_epoch_shows_as_many_samples_as_there_are_in_the_shares_of_the_mixture(contexts, shares, turns):
    parts, questions = (np.array(column) for column in zip(*contexts, strict=True))
    names, parts = np.unique(parts, return_inverse=True)
    given_shares = np.array(shares)[names]
    visits = epoch_visits(parts, questions, given_shares, turns=turns)
    shown = np.bincount(parts, weights=visits * np.minimum(questions, turns))
    assert shown.sum() == pytest.approx(questions.sum())
    assert shown / shown.sum() == pytest.approx(given_shares / given_shares.sum())
    # within a part no question comes more often than another
    each = visits * np.minimum(questions, turns) / questions
    assert all(np.ptp(each[parts == part]) == pytest.approx(0, abs=1e-9) for part in range(len(names)))


@given(st.integers(1, 10**6), st.integers(1, 512), st.floats(0.01, 0.99))
def test_shares_do_not_add_a_step_to_an_epoch_of_whole_steps(steps, batch, share):
    samples = steps * batch
    assert count_steps(None, 1, contexts=share * samples + (1 - share) * samples, batch=batch) == steps
    assert count_steps(None, 3, contexts=samples + 0.0, batch=batch) == 3 * steps


def test_epochs_count_questions_and_end_with_a_whole_step(tiny_data):
    """The windows of temporal grounding have several questions each: one epoch asks every one of them."""
    mixture = {"egore/ground_temporal/ego": 1.0}
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    options = {"batch": 4, "seed": 5, "exo_views": None, "contract": digest}
    once = SampleDataset(tiny_data, mixture, steps=None, epochs=1, **options)
    count = len(once.samples)
    assert count > 2 * len(once.questions)
    assert (once.steps, len(once)) == (-(-count // 4), 4 * -(-count // 4))
    asked = Counter(row["sample_id"] for index in range(len(once)) for row in once.asked(index))
    assert len(asked) >= 0.9 * count and max(asked.values()) <= 2
    [part] = once.mixture_parts()
    assert (part.name, part.samples, part.shown) == (*mixture, count, len(once))
    assert SampleDataset(tiny_data, mixture, steps=None, epochs=2.5, **options).steps == -(-5 * count // 8)
    # several questions at once need fewer steps for as many samples
    by_turns = SampleDataset(tiny_data, mixture, steps=None, epochs=4, turns=3, **options)
    [part] = by_turns.mixture_parts()
    assert part.shown == pytest.approx(4 * count, abs=4 * 3) and by_turns.steps < 2 * once.steps


def test_a_part_that_runs_out_comes_again(tiny_data):
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    mixture = {"egore/ground_temporal/ego": 0.5, "egore/ground_spatial/ego": 0.5}
    options = {"batch": 8, "seed": 5, "exo_views": None, "contract": digest}
    samples = SampleDataset(tiny_data, mixture, steps=None, epochs=1, **options)
    rare, common = sorted(samples.mixture_parts(), key=lambda part: part.samples)
    assert rare.samples < common.samples and rare.samples + common.samples == len(samples.samples)
    assert rare.shown == pytest.approx(len(samples.samples) / 2, rel=0.1) and rare.shown > 1.5 * rare.samples
    rows = [row["task"] for index in range(len(samples)) for row in samples.asked(index)]
    assert Counter(rows) == {part.name.split("/")[1]: part.shown for part in (rare, common)}
    again = sum(8 - len({tuple(item) for item in samples.ids(step)}) for step in range(samples.steps))
    assert rare.repeated * rare.shown + common.repeated * common.shown == pytest.approx(again)


def test_what_a_batch_repeats_is_counted_by_part():
    shown = pd.DataFrame({"part": list("aaabb"), "step": [0, 0, 1, 0, 0], "frames": [7, 7, 7, 7, 8]})
    parts = count_parts(shown, {"a": 1, "b": 9, "c": 3})
    assert parts == [Part("a", 1, 3, pytest.approx(1 / 3)), Part("b", 9, 2, 0.0), Part("c", 3, 0, 0.0)]


def test_the_ledger_tells_samples_order_and_steps_apart(tiny_data):
    mixture = {"egore/ground_temporal/ego": 1.0}
    digest = FrameStore(tiny_data / "frames").contract["digest"]

    def samples(**changes) -> SampleDataset:
        options = {"steps": 6, "batch": 4, "turns": 2, "seed": 5, "exo_views": None} | changes
        return SampleDataset(tiny_data, mixture, contract=digest, **options)

    one = samples()
    times = "16 s, frames every 0.5 s from 0.25 s:"
    seen = [[(f"{times} {row['question']}", row["answer"]) for row in one.asked(index)] for index in range(len(one))]
    assert seen == [one[index]["turns"] for index in range(len(one))]
    rows = [[str(index // 4), *(row["sample_id"] for row in one.asked(index))] for index in range(20)]
    text = "".join("\t".join(row) + "\n" for row in rows)
    assert one.samples_digest(5) == samples().samples_digest(5) == hashlib.sha256(text.encode()).hexdigest()
    others = [
        one.samples_digest(6),
        samples(seed=6).samples_digest(5),
        samples(turns=1).samples_digest(5),
        samples(batch=2).samples_digest(5),
    ]
    assert len({one.samples_digest(5), *others}) == 5


def exo_dataset(data, exo_views: str, epochs: float) -> SampleDataset:
    """The ego clips of Ego-ExoClip, each with an exo view of its moment."""
    options = {"seed": 5, "contract": FrameStore(data / "frames").contract["digest"]}
    mixture = {"egoexoclip/caption/ego": 1.0}
    return SampleDataset(data, mixture, steps=None, epochs=epochs, batch=4, exo_views=exo_views, **options)


def test_each_exo_view_of_a_moment_is_met_in_turn(tiny_data):
    one, two = exo_dataset(tiny_data, "draw", 1), exo_dataset(tiny_data, "draw", 2)
    views = {row["sample_id"]: len(row["paired"]) for row in one.samples.to_pylist()}
    assert set(views.values()) == {2}
    met = Counter((two.asked(index)[0]["sample_id"], two.exo_view[index]) for index in range(len(two)))
    # only what fills the last step comes once more
    assert met.keys() == {(sample_id, view) for sample_id in views for view in range(2)}
    assert met.total() - len(met) == len(two) - 2 * len(views) < 4
    assert len({*one.exo_view}) == 2 and len(one) == 4 * -(-len(views) // 4)  # an epoch is as long as with one view


def test_each_pair_of_a_moment_and_an_exo_view_is_a_sample_of_its_own(tiny_data):
    pairs = exo_dataset(tiny_data, "each", 1)
    expected = {(row["sample_id"], view) for row in pairs.samples.to_pylist() for view in range(len(row["paired"]))}
    met = [(pairs.asked(index)[0]["sample_id"], pairs.exo_view[index]) for index in range(len(pairs))]
    assert set(met) == expected and pairs.steps == -(-len(expected) // 4)
    assert [part.samples for part in pairs.mixture_parts()] == [len(expected)]


@pytest.mark.parametrize("exo_views", ["draw", "each"])
def test_what_an_item_shows_from_outside_follows_from_the_recipe_alone(tiny_data, exo_views):
    """Ranks and resumed runs make the dataset again; which of them asks for an item changes nothing."""
    one, other = exo_dataset(tiny_data, exo_views, 2), exo_dataset(tiny_data, exo_views, 2)
    assert (one.order == other.order).all() and (one.exo_view == other.exo_view).all()
    store, stored = FrameStore(tiny_data / "frames"), {}
    for row in one.samples.to_pylist():
        for place, span in enumerate(row["paired"]):
            stored[str(span)] = store.frames(row["sample_id"], exo_view=place)
    shown, _ = one.exo_frames(2)
    for index in reversed(range(0, len(one), 7)):
        frames = pickle.loads(pickle.dumps(other))[index]["paired_frames"]
        assert (frames == stored[shown[index].removeprefix("clip ")]).all()


def test_frames_that_come_again_are_read_as_features_with_the_same_losses(tiny_data, tmp_path, model, processor):
    model.model.exo_encoder.requires_grad_(False)
    samples = exo_dataset(tiny_data, "draw", 5)
    shown, counts = samples.exo_frames(model.config.tubelet_frames)
    known = {"shown": shown, "counts": counts, "batch": samples.batch, "contract": samples.store.contract["digest"]}
    kept = feature_cache.open_cache(model, tmp_path, **known, room_gib=1)
    collate = Collate(model.config, processor)
    compute = supervised.losses({"vtg": 1.0, "ccl": 1.0, "kl": 1.0}, kept)
    read = 0
    for step in range(samples.steps):
        places = range(4 * step, 4 * step + 4)
        samples.features = None
        with torch.no_grad():
            expected = compute(model, collate([samples[place] for place in places]))
            samples.features = kept
            items = [samples[place] for place in places]
            found = compute(model, collate(items))
        read += sum("paired_grids" in item for item in items)
        assert all(float(found[name]) == pytest.approx(float(value), rel=1e-5) for name, value in expected.items())
    assert read == kept.plan.reads.sum() > len(samples) // 3
