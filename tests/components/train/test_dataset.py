import hashlib
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.frames.store import FrameStore
from components.train import feature_cache, supervised
from components.train.dataset import Collate, SampleDataset
from components.train.sample_order import draw_order


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


def test_epochs_are_counted_in_frames_and_end_with_a_whole_step(tiny_data):
    mixture = {"egoexoclip/caption/ego": 1.0}
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    options = {"batch": 4, "seed": 5, "exo_views": None, "contract": digest}
    once = SampleDataset(tiny_data, mixture, steps=None, epochs=1, **options)
    count = len(once.questions)
    assert (once.steps, len(once)) == (-(-count // 4), 4 * -(-count // 4))
    assert set(once.order) == set(range(count))
    thrice = SampleDataset(tiny_data, mixture, steps=None, epochs=2.5, **options)
    assert thrice.steps == -(-5 * count // 8)


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
    met = Counter(
        (of.asked(index)[0]["sample_id"], of.exo_view[index]) for of in (two,) for index in range(2 * len(views))
    )
    assert met == {(sample_id, view): 1 for sample_id in views for view in range(2)}
    assert len({*one.exo_view}) == 2 and len(one) == 4 * -(-len(views) // 4)  # an epoch is as long as with one view


def test_each_pair_of_a_moment_and_an_exo_view_is_a_sample_of_its_own(tiny_data):
    pairs = exo_dataset(tiny_data, "each", 1)
    expected = {(row["sample_id"], view) for row in pairs.samples.to_pylist() for view in range(len(row["paired"]))}
    met = [(pairs.asked(index)[0]["sample_id"], pairs.exo_view[index]) for index in range(len(pairs))]
    assert set(met) == expected and pairs.steps == -(-len(expected) // 4)


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
