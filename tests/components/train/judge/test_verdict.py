"""What judging lets through, and what it says where the data and the machine are known."""

from pathlib import Path
from typing import get_args

import pytest

from components import params, records
from components.data.contracts.sample import CORPORA
from components.models.backbone import PARTS
from components.models.hub_configs import QWEN_PARTS
from components.params import model
from components.params.comparison import Comparison, recipe_of
from components.params.recipe import Loss
from components.rewards import CROSS_VIEW, REWARDS
from components.train import interpreter
from components.train.judge import mixture, samples, verdict
from components.train.judge.samples import Kind
from components.train.losses import FEATURES, GUIDANCE
from tests.components.train.judge.spoilt import DATA, EVALUATION, RECIPES, ROOT, changed, complaint


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_is_good(name):
    assert complaint(RECIPES[name], ROOT / f"params/recipes/{name}.yaml") == ""


def test_a_supervised_stage_of_a_qwen_model_may_ask_several_questions_about_its_frames():
    asked = changed(RECIPES["egothinker"], {"sft.questions_per_context": 4})
    assert complaint(asked, ROOT / "params/recipes/egothinker.yaml") == ""


@pytest.mark.parametrize("path", sorted((ROOT / "params/ablations").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_arm_of_every_shipped_comparison_is_good(path):
    comparison = params.load(path, Comparison)
    for arm in comparison.arms:
        recipe = params.Recipe.model_validate(recipe_of(comparison, RECIPES[comparison.recipe.stem], arm, 0))
        assert verdict.problems(recipe, DATA, EVALUATION) == [], arm


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nmodel: {image_px: 1, image_px: 2}\n",
        "stages:\n- name: a\n  grpo:\n    beta: 1\n    beta: 2\n",
        "changes:\n  sft.max_steps: 1\n  sft.max_steps: 2\n",
        "arms: {a: {changes: {sft.lora: {r: 1, r: 2}}}}\n",
    ],
)
@pytest.mark.parametrize("schema", [params.Recipe, Comparison])
def test_a_key_that_comes_twice_is_refused_at_every_depth(text, schema, tmp_path: Path):
    (tmp_path / "twice.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"twice.yaml, line \d: found duplicate key"):
        params.load(tmp_path / "twice.yaml", schema)


def test_the_words_of_recipes_are_those_of_the_code():
    assert set(get_args(Loss)) == {"vtg", *GUIDANCE, *FEATURES}
    assert set(model.EGOFLOW_PARTS) == set(PARTS) and set(model.QWEN_PARTS) == set(QWEN_PARTS)
    assert mixture.CORPORA == CORPORA


def test_every_reward_applies_to_some_kind_of_sample():
    every = dict.fromkeys(REWARDS, 1.0)
    keys = {"egore/qa/ego": 0.5, "egore/ground_spatial/ego": 0.25, "egore/ground_temporal/exo": 0.25}
    stage = params.Recipe.model_validate(
        changed(RECIPES["miniature"], {"grpo.mixture": keys, "grpo.grpo.reward_weights": every})
    ).stages[-1]
    shares = {name: mixture.of_mixture(stage, of_keys) for name, of_keys in mixture.shares(stage, None).items()}
    of_time = ("temporal_iou", "temporal_iou_shaped", "key_frames_cite", "key_frames_contrast")
    found = {"format": 1.0, "rationale": 1.0, "box_iou": 0.25, "choice": 0.5, "reasoning_consistency": 1.0}
    found |= dict.fromkeys(of_time, 0.25)
    assert shares == found | dict.fromkeys(CROSS_VIEW, 0.0)  # no query is asked of both views


def sample(**changes) -> dict:
    span = {"video_id": "v", "view": "ego", "start_s": 0.0, "end_s": 1.0}
    plain = {
        "sample_id": "s", "corpus": "egore", "task": "qa", "question_type": "action", "take_id": "t", "split": "train",
        "view": "ego", "media": [span], "paired": [], "frame_kind": "clip", "question": "q", "answer": "a",
        "target": {"kind": "choice", "choices": ["a", "b"], "answer_index": 0}, "parents": ["p"],
    }  # fmt: skip
    return plain | changes


def test_training_samples_are_counted_by_what_rewards_and_mixtures_tell_apart(tmp_path):
    assert samples.counted(tmp_path) is None
    box, exo = {"kind": "box", "box_xyxy": [0.0, 0.0, 1.0, 1.0]}, sample()["media"][0] | {"view": "exo"}
    rows = [
        sample(), sample(), sample(question_type="cot"), sample(split="test"),
        sample(task="ground_spatial", target=box, paired=[exo]),
    ]  # fmt: skip
    (tmp_path / "dataset").mkdir()
    records.write_table(tmp_path / "dataset/samples.parquet", rows, records.SAMPLE)
    assert samples.counted(tmp_path) == {
        Kind("egore/qa/ego", "choice", "action", False): 2,
        Kind("egore/qa/ego", "choice", "cot", False): 1,
        Kind("egore/ground_spatial/ego", "box", "action", True): 1,
    }


HERE = {
    Kind("egore/ground_spatial/ego", "box", "spatial_object", False): 10,
    Kind("egore/qa/ego", "choice", "action", False): 95,
    Kind("egore/qa/ego", "choice", "cot", False): 5,
    Kind("egoexoclip/caption/ego", "text", "narration", True): 3,
    Kind("egocook/count/ego", "text", "count", False): 3,
}


def judged(changes: dict, *, gpus: int | None = None, recipe: str = "miniature") -> list[str]:
    made = params.Recipe.model_validate(changed(RECIPES[recipe], changes))
    return [str(problem) for problem in verdict.problems(made, DATA, kinds=HERE, gpus=gpus)]


def test_what_the_data_has_not_is_refused_with_what_is_near():
    said = "\n".join(judged({"stage3.mixture": {"egore/qa/ego": 0.5, "egoit/qa/ego": 0.5}}))
    assert (
        "stage 'stage3', `mixture.egoit/qa/ego`: data/dataset has no training sample of it (did you mean egore/qa"
        in said
    )
    assert "stage 'stage2'" not in said and "`mixture.egore/qa/ego`" not in said
    paired = "\n".join(judged({"stage2.mixture": {"egore/qa/ego": 1.0}}))
    assert "`mixture.egore/qa/ego`: data/dataset has no training sample of it with an exo view" in paired


def test_words_that_only_the_data_knows_are_good():
    lines = judged({"stage3.mixture": {"egocook/count/ego": 1.0}})
    assert lines and not any("'stage3'" in line for line in lines)


def test_shares_of_rewards_are_those_of_the_data():
    changes = {
        "grpo.mixture": {"egore/qa/ego": 0.5, "egore/ground_spatial/ego": 0.5},
        "grpo.grpo.reward_weights": {"format": 1.0, "box_iou": 1.0, "choice": 1.0, "temporal_iou": 1.0},
    }
    (line,) = [line for line in judged(changes) if "'grpo'" in line]
    assert "temporal_iou`: it applies to no" in line
    told = "format 52%, box_iou 50%, choice 50%, temporal_iou 0%"
    assert told in line
    recipe = params.Recipe.model_validate(changed(RECIPES["miniature"], changes))
    assert mixture.rewarded(recipe, HERE) == [f"rewards   stage 'grpo': {told} of the samples"]
    (unseen,) = mixture.rewarded(recipe, None)
    assert "format 100%, box_iou 50%" in unseen and unseen.endswith("of the samples at most, by their tasks")


def test_a_reference_rationale_is_there_where_the_data_has_a_thought():
    there = {
        Kind("egore/verify/ego", "choice", "verification", False): 3,
        Kind("view30k/verify/ego", "choice", "verification_rationale", False): 3,
        Kind("view30k/ground_temporal/ego", "span", "temporal_rationale", False): 3,
        **HERE,
    }
    keys = ("egore/verify/ego", "view30k/verify/ego", "view30k/ground_temporal/ego", "egore/qa/ego")
    changes = {
        "grpo.mixture": dict.fromkeys(keys, 0.25),
        "grpo.reasoned": True,
        "grpo.grpo.reward_weights": {"rationale": 1.0, "format": 1.0},
    }
    stage = params.Recipe.model_validate(changed(RECIPES["miniature"], changes)).stages[-1]
    found = mixture.shares(stage, there)
    assert found["rationale"] == dict(zip(keys, (0.0, 1.0, 1.0, 0.05), strict=True))
    assert set(found["format"].values()) == {1.0}


def test_rewards_of_a_rare_part_are_not_common():
    keys = {"egore/ground_spatial/ego": 0.95, "egore/qa/ego": 0.05}
    weights = {"format": 1.0, "box_iou": 1.0, "choice": 1.0, "temporal_iou": 1.0}
    changes = {"grpo.mixture": keys, "grpo.grpo.reward_weights": weights | {"format": 0.0}}
    stage = params.Recipe.model_validate(changed(RECIPES["miniature"], changes)).stages[-1]
    assert mixture.common(stage, HERE, least=0.1) == {"box_iou"}
    assert mixture.common(stage, HERE, least=0.05) == {"box_iou", "choice"}


def test_a_machine_has_a_gpu_for_every_rank_and_vllm_needs_gpus(monkeypatch):
    assert not any("ranks" in line for line in judged({}, gpus=2) + judged({}, gpus=0))
    assert any(
        "`ranks`: 2 came, and every rank needs a GPU of its own; allowed: 1 to 1" in line for line in judged({}, gpus=1)
    )
    vllm = {"grpo.grpo.vllm": {"mode": "colocate"}}
    assert any("vLLM needs GPUs, this machine has none" in line for line in judged(vllm, gpus=0, recipe="egovlm"))
    assert not any("vLLM" in line for line in judged(vllm, recipe="egovlm")), "a plan is for another machine"
    asked = []
    for there in (False, True):
        monkeypatch.setattr(interpreter, "has", lambda name, there=there: asked.append(name) or there)
        refused = any("vLLM is not installed" in line for line in judged(vllm, gpus=8, recipe="egovlm"))
        assert refused != there and asked.pop() == "vllm", "the Python that trains is asked"


def test_frames_of_downloaded_towers_are_those_of_the_data():
    lines = judged({"stage1.mixture": {"egore/qa/ego": 1.0}}, recipe="exo2ego")
    assert any("'stage1', `max_frames`: 16 came, samples of egore/qa/ego have 4, 32 frames" in line for line in lines)


def test_more_processes_than_cores_are_told():
    recipe = params.Recipe.model_validate(RECIPES["egovlm"])
    (line,) = verdict.slow_on_cpu(recipe, 4)
    assert "stage 'grpo' asks for 8 processes of 2 threads on 4 cores" in line
    assert verdict.slow_on_cpu(recipe, 16) == []
