"""Pairs of views stand next to each other, on one rank, in the order of the seed."""

import logging
from collections import Counter

import pyarrow.compute as pc
import pytest

from components import params
from components.data.frames.store import FrameStore
from components.rewards import CROSS_VIEW, REWARDS
from components.train.grpo.paired_samples import PairedSamples
from components.train.grpo.trainer import rewarded_part
from components.train.judge import mixture, stages
from tests.components.train.judge.spoilt import DATA, RECIPES, changed

MIXTURE = {
    f"egore/{task}/{view}": share
    for task, share in (("verify", 0.3), ("ground_temporal", 0.2))
    for view in ("ego", "exo")
}


@pytest.fixture(scope="module")
def options(tiny_data):
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    return {"seed": 5, "exo_views": None, "contract": digest}


def test_a_pair_is_one_query_of_both_views(tiny_data, options):
    samples = PairedSamples(tiny_data, MIXTURE, steps=6, batch=8, **options)
    assert len(samples) == 48 and samples.steps == 6
    items = [samples[index] for index in range(len(samples))]
    for ego, exo in zip(items[::2], items[1::2], strict=True):
        assert (ego["view"], exo["view"]) == ("ego", "exo")
        assert ego["query"] == exo["query"]
        for name in ("corpus", "task", "question", "parents", "target", "take_id"):
            assert ego[name] == exo[name]
        assert ego["media"][0]["start_s"] == exo["media"][0]["start_s"]
    told = {part.name: part for part in samples.mixture_parts()}
    assert told.keys() == MIXTURE.keys()
    assert told["egore/verify/ego"].shown == told["egore/verify/exo"].shown
    again = PairedSamples(tiny_data, MIXTURE, steps=6, batch=8, **options)
    assert again.samples_digest(6) == samples.samples_digest(6)


def test_what_one_view_is_asked_alone_is_left_out_and_counted(tiny_data, options, caplog):
    def without_some(table, names):
        is_exo = pc.equal(table["view"], "exo")
        question = table["question"].filter(pc.and_(is_exo, pc.equal(table["task"], "verify")))[0]
        return table.filter(pc.invert(pc.and_(is_exo, pc.equal(table["question"], question))))

    with caplog.at_level(logging.INFO, logger="components.train.grpo.paired_samples"):
        samples = PairedSamples(tiny_data, MIXTURE, steps=4, batch=4, leave_out=without_some, **options)
    told = {part.name: part.samples for part in samples.mixture_parts()}
    assert told["egore/verify/ego"] == told["egore/verify/exo"]
    left = int(caplog.text.split("egore/verify/ego: ")[1].split()[0])
    assert left > 0 and "egore/verify/exo: 0 of" in caplog.text
    with pytest.raises(
        ValueError, match="none of the .* samples of egore/ground_spatial/ego has its query asked of the"
    ):
        PairedSamples(tiny_data, {"egore/ground_spatial/ego": 1.0}, steps=1, batch=2, **options)


def test_an_epoch_shows_each_pair_once(tiny_data, options):
    mixture = {key: 1.0 for key in MIXTURE if "verify" in key}
    samples = PairedSamples(tiny_data, mixture, steps=None, epochs=1, batch=2, **options)
    assert samples.steps * 2 == sum(part.samples for part in samples.mixture_parts())
    assert set(Counter(samples.order).values()) == {1}


def problems(**values) -> list[str]:
    keys = {"egore/verify/ego": 0.5, "egore/verify/exo": 0.5}
    spoilt = {"grpo.mixture": keys, "grpo.grpo.paired_views": True} | {
        f"grpo.{key}": value for key, value in values.items()
    }
    recipe = params.Recipe.model_validate(changed(RECIPES["miniature"], spoilt))
    return [str(found) for found in (*stages.problems(recipe), *mixture.problems(recipe, DATA, None))]


def test_a_recipe_that_tears_pairs_apart_is_refused():
    weights = {"choice": 1.0, "cross_view_structure": 0.3}
    good = {"grpo.reward_weights": weights, "reasoned": True}
    assert problems(**good) == []
    [torn] = problems(**good, train_batch_size=6)
    assert "6 came for 2 ranks, and `grpo.paired_views` shows prompts in twos; allowed: multiples of 4" in torn
    [uneven, _] = problems(**good, mixture={"egore/verify/ego": 0.6, "egore/verify/exo": 0.4})
    assert "mixture.egore/verify/ego`: 0.6 came, and egore/verify/exo has 0.4" in uneven
    [unpaired] = problems(**good | {"grpo.paired_views": False})
    assert "reward_weights.cross_view_structure`: it applies to no sample" in unpaired


def test_the_rationale_that_is_taught_earns_full_marks(tiny_data, options):
    keys = {key.replace("egore", "view30k"): share for key, share in MIXTURE.items()}
    samples = PairedSamples(tiny_data, keys, steps=4, batch=8, **options)
    items = [samples[index] for index in range(len(samples))]
    for ego, exo in zip(items[::2], items[1::2], strict=True):
        (_, said), (_, other) = ego["turns"][0], exo["turns"][0]
        row = rewarded_part(ego) | {"other_view": [other]}
        earned = {name: REWARDS[name](said, row) for name in ("format", "rationale", *sorted(CROSS_VIEW))}
        assert earned.pop("cross_view_structure") > 0  # each view tells of what it shows
        assert earned.pop("cross_view_answers") > 0.5  # spans are rounded to the grid that is taught
        assert earned == {"format": 1.0, "rationale": 1.0}
