"""EPIC-100's retrieval on its real classes: chance as published, an independent sum, scikit-learn's nDCG, order."""

import ast
import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from components.metrics.retrieval import of_features, ranked, relevance

RELEASED = Path("../shared/data/benchmarks")


def classes() -> tuple[list, list]:
    """The actions of the 9,668 test videos and of the 3,842 captions, which name the video that has their classes."""
    with (RELEASED / "epic100_retrieval_test.csv").open() as file:
        videos = {
            row["narration_id"]: (int(row["verb_class"]), set(ast.literal_eval(row["all_noun_classes"])))
            for row in csv.DictReader(file)
        }
    with (RELEASED / "epic100_retrieval_test_sentence.csv").open() as file:
        return list(videos.values()), [videos[row["narration_id"]] for row in csv.DictReader(file)]


def slowly(similarities: list[float], relevances: list[float]) -> tuple[float, float]:
    """Average precision and nDCG of one query, one candidate after the other."""
    order = sorted(range(len(similarities)), key=lambda place: -similarities[place])
    gained = precisions = dcg = ideal = 0.0
    relevant = sum(value > 0 for value in relevances)
    for rank, place in enumerate(order, start=1):
        gained += relevances[place]
        precisions += gained / rank if relevances[place] == 1 else 0.0
        dcg += relevances[place] / math.log2(rank + 1) if rank <= relevant else 0.0
    for rank, value in enumerate(sorted(relevances, reverse=True), start=1):
        ideal += value / math.log2(rank + 1)
    return precisions / relevances.count(1), dcg / ideal


@pytest.mark.skipif(not RELEASED.is_dir(), reason="the real EPIC-100 annotations lie in ../shared/data")
def test_random_features_score_what_the_paper_prints_for_chance_in_both_directions():
    videos, captions = classes()
    assert (len(videos), len(captions)) == (9668, 3842)
    rng = np.random.default_rng(0)
    video_VD, caption_CD = (rng.normal(size=(len(of), 32)).astype("f4") for of in (videos, captions))
    some = slice(None, None, 16)  # 605 videos and 241 captions as queries
    forth = of_features(video_VD[some], caption_CD, videos[some], captions)
    back = of_features(caption_CD[some], video_VD, captions[some], videos)
    # chance in Damen et al. 2022, and the figures of all queries here; of every 16th the mean has an error of its own
    for values, published in (
        (forth.average_precision, 5.7), (back.average_precision, 5.6), (forth.ndcg, 10.8), (back.ndcg, 10.9)
    ):  # fmt: skip
        error = 100 * values.std() / len(values) ** 0.5
        assert error < 0.7 and abs(100 * values.mean() - published) < 3 * error
    for query in (0, 100):
        seen = relevance([videos[16 * query]], captions)[0]
        expected = slowly((caption_CD @ video_VD[16 * query]).tolist(), seen.tolist())
        assert (forth.average_precision[query], forth.ndcg[query]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(not RELEASED.is_dir(), reason="the real EPIC-100 annotations lie in ../shared/data")
def test_whoever_knows_the_classes_is_always_right():
    videos, captions = classes()
    known = relevance(videos[::500], captions)
    best = ranked(known, known)
    assert best.average_precision == pytest.approx(1) and best.ndcg == pytest.approx(1)
    constant = ranked(np.zeros_like(known), known)
    assert constant.average_precision.mean() < 0.06 and constant.ndcg.mean() < 0.11


def test_relevance_is_half_of_the_verb_and_half_of_the_nouns():
    table = relevance([(1, {2, 3}), (4, {5})], [(1, {2, 3}), (1, {3, 9}), (0, {2}), (4, {301})])
    assert table == pytest.approx(np.array([[1, 0.5 + 1 / 6, 0.25, 0], [0, 0, 0, 0.5]]))


@given(st.integers(0, 10_000), st.integers(2, 40))
def test_ndcg_is_scikit_learns_where_all_are_relevant_and_the_order_of_candidates_is_nothing(seed, count):
    rng = np.random.default_rng(seed)
    gains = rng.choice([0.25, 0.5, 1.0], (3, count))
    gains[:, 0] = 1.0
    similarity = rng.permutation(3 * count).reshape(3, count).astype(float)
    one = ranked(similarity, gains)
    assert one.ndcg.mean() == pytest.approx(ndcg_score(gains, similarity))
    tied = similarity // 4
    order = rng.permutation(count)
    there, moved = ranked(tied, gains), ranked(tied[:, order], gains[:, order])
    assert there.average_precision == pytest.approx(moved.average_precision)
    assert there.ndcg == pytest.approx(moved.ndcg)


def test_by_hand():
    found = ranked(np.array([[3.0, 2.0, 1.0]]), np.array([[0.5, 1.0, 0.0]]))
    assert found.average_precision.tolist() == [0.75]  # (.5 + 1) / 2 at the second rank
    assert found.ndcg[0] == pytest.approx((0.5 + 1 / math.log2(3)) / (1 + 0.5 / math.log2(3)))


def test_blocks_change_nothing():
    rng = np.random.default_rng(1)
    actions = [(int(verb), {int(noun)}) for verb, noun in rng.integers(0, 3, (17, 2))]
    features = rng.normal(size=(17, 4))
    whole = of_features(features, features, actions, actions)
    parts = of_features(features, features, actions, actions, queries_at_once=5)
    assert parts.average_precision == pytest.approx(whole.average_precision)
    assert parts.ndcg == pytest.approx(whole.ndcg)


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(ValueError, match="1 of 1 queries have no candidate of relevance 1"):
        ranked(np.ones((1, 2)), np.array([[0.5, 0.0]]))
    with pytest.raises(ValueError, match="1 similarities not finite"):
        ranked(np.array([[np.nan]]), np.ones((1, 1)))
    with pytest.raises(ValueError, match="2 queries and 2 candidates came with 1 and 2 actions"):
        of_features(np.ones((2, 3)), np.ones((2, 3)), [(0, {1})], [(0, {1}), (0, {1})])
