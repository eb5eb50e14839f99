import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.train.batch import IGNORE, draw_order, pad


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


def test_only_answers_are_learned():
    rows = [([1, 2, 3, 4, 5], [IGNORE, IGNORE, IGNORE, 4, 5]), ([1, 6], [IGNORE, 6])]
    batch = pad(rows, pad_id=0)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5], [1, 6, 0, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORE, IGNORE, IGNORE, 4, 5], [IGNORE, 6, IGNORE, IGNORE, IGNORE]]
    assert batch["attention_mask"].tolist() == [[1] * 5, [1, 1, 0, 0, 0]]
