"""Deliberately wrong recipes, each a shipped one with a value changed: refused in words, and all mistakes at once."""

import math
from pathlib import Path

import pytest

from tests.components.train.judge.spoilt import GONE, RECIPES, changed, complaint

NAN, INF = math.nan, math.inf
WHERE = Path("params/recipes/wrong.yaml")
# (recipe, key, wrong value, words of the refusal)
WRONG = [
    ("miniature", "grpo.grpo.reward_weights.box_uio", 1.0,
     '`grpo.reward_weights.box_uio`: no such reward (did you mean box_iou?)'),
    ("miniature", "grpo.grpo.reward_weights.temporal_iou", 1.0,
     'it applies to no sample of the mixture (shares: format 100%, box_iou 100%, temporal_iou 0%)'),
    ("egovlm", "grpo.grpo.reward_weights", {"box_iou": 1.0},
     '`mixture.egore/qa/ego`: no reward applies to its samples'),
    ("miniature", "grpo.grpo.reward_weights", {"box_iou": 0.0, "format": 0.0},
     "`grpo.reward_weights`: {'box_iou': 0.0, 'format': 0.0} came, so nothing is learned"),
    ("miniature", "grpo.grpo.reward_weights", {}, '`grpo.reward_weights`: {} came, so nothing is learned'),
    ("miniature", "grpo.grpo.reward_weights.format", -1.0,
     '`grpo.reward_weights.format`: -1.0 came; input should be greater than or equal to 0'),
    ("miniature", "grpo.grpo.temperature", NAN, '`grpo.temperature`: nan came; input should be a finite number'),
    ("miniature", "grpo.grpo.num_generations", 1,
     '`grpo.num_generations`: 1 came; input should be greater than or equal to 2'),
    ("miniature", "grpo.grpo", GONE, "stage 'grpo': the `grpo` block belongs to algorithm grpo"),
    ("miniature", "grpo.mixture", {}, "stage 'grpo', `mixture`: nothing came, and the stage learns from samples alone"),
    ("miniature", "grpo.questions_per_context", 4,
     '`questions_per_context`: 4 came, which algorithm grpo does not take'),
    ("miniature", "grpo.muon_learning_rate", 0.01,
     '`muon_learning_rate`: 0.01 came, which algorithm grpo does not take'),
    ("miniature", "base_lm.zero_stage", 3,
     '`zero_stage`: 3 came with `muon_learning_rate`, and DeepSpeed refuses the two; allowed: 0 to 2'),
    ("miniature", "stage2.loss_weights.lk", 1.0,
     "stage 'stage2', `loss_weights.lk`: 'lk' came; input should be 'vtg', 'ccl'"),
    ("miniature", "stage2.loss_weights", {"vtg": 0.0}, "`loss_weights`: {'vtg': 0.0} came, so nothing is learned"),
    ("miniature", "stage2.mixture", {"egoexoclip/caption/exo": 1.0},
     '`mixture.egoexoclip/caption/exo`: vtg, ccl, kl of `loss_weights` compare ego samples with exo'),
    ("miniature", "stage3.mixture", {"egoit/caption/exo": 1.0},
     '`guidance`: F(x) is of ego samples, and the mixture has none'),
    ("miniature", "stage1.guidance", True,
     'F(x) is asked for, but neither this stage nor its parents train `mapping_f`'),
    ("miniature", "stage1.learning_rates.ego_tokens", 0.001,
     '`learning_rates.ego_tokens`: neither this stage nor its parents begin with ego-adaptive tokens'),
    ("miniature", "stage1.ego_tokens", 4, '`ego_tokens`: 4 came, and they are not trained'),
    ("miniature", "stage1.freeze_ego_queries", True, '`freeze_ego_queries`: True came, and no ego_tokens are trained'),
    ("miniature", "grpo.ego_tokens", 4, '`ego_tokens`: 4 came, which algorithm grpo does not take'),
    ("miniature", "stage1.learning_rates.exo_encodr", 0.001,
     "'exo_encodr' is no part of the model (did you mean exo_encoder"),
    ("miniature", "stage1.learning_rates.exo_encoder", 0.0,
     "stage 'stage1', `learning_rates.exo_encoder`: 0.0 came; input should be greater than 0"),
    ("miniature", "stage1.learning_rates.exo_encoder", NAN, '`learning_rates.exo_encoder`: nan came; input should be'),
    ("miniature", "stage1.learning_rates.exo_encoder", 30000.0,
     '`learning_rates.exo_encoder`: 30000.0 came; input should be less than 1'),
    ("miniature", "stage1.learning_rates", {}, '`learning_rates`: nothing came, so nothing is trained'),
    ("miniature", "model.shared_encoder", True, "`learning_rates.exo_encoder`: 'exo_encoder' is no part of the model"),
    ("egovlm", "grpo.learning_rates", {"ego_encoder": 1e-06},
     "'ego_encoder' is no part of the model (did you mean vision_encoder?)"),
    ("miniature", "stage3.lora.learning_rate", {"adapters": 0.001},
     "`lora.learning_rate.adapters`: 'adapters' is no part"),
    ("miniature", "stage3.learning_rates.language_model", 0.001,
     '`lora.learning_rate.language_model`: the part is trained whole too'),
    ("miniature", "stage3.lora.r", 0, '`lora.r`: 0 came; input should be greater than or equal to 1'),
    ("miniature", "stage3.lora.lora_alpha", -32, '`lora.lora_alpha`: -32 came; input should be greater than 0'),
    ("miniature", "stage1.parents.exo_encoder", "base_lm",
     "stage 'base_lm' has never learned exo_encoder; allowed: stages base_encoder, init_exo"),
    ("miniature", "stage1.parents", {"ego_encoder": "init_ego"}, "{'ego_encoder': 'init_ego'} give no language model"),
    ("miniature", "stage1.parents.all", "init_exp",
     "stage 'stage1', `parents.all`: 'init_exp' came (did you mean init_exo or init_ego?)"),
    ("egothinker", "grpo.parents", {"merger": "sft"},
     "`parents.merger`: 'merger' is no part of the model; allowed: all"),
    ("miniature", "sft.mixture", {}, '`mixture`: nothing came, and the stage learns from samples alone'),
    ("miniature", "sft.mixture.egore/qa/ego", 0.0, '`mixture.egore/qa/ego`: 0.0 came; input should be greater than 0'),
    ("miniature", "sft.mixture.egore/qa/ego", -0.1, '`mixture.egore/qa/ego`: -0.1 came'),
    ("miniature", "sft.mixture.egore/qa/ego", NAN, '`mixture.egore/qa/ego`: nan came'),
    ("miniature", "sft.mixture.egore/qa/ego", INF, '`mixture.egore/qa/ego`: inf came'),
    ("miniature", "sft.mixture.egore/qa", 0.1, '`mixture.egore/qa`: it has another form; allowed: `corpus/task/view`'),
    ("miniature", "sft.mixture.egor/qa/ego", 0.1, "`mixture.egor/qa/ego`: 'egor' is no corpus (did you mean egore"),
    ("miniature", "sft.mixture.egore/ground_spacial/ego", 0.1,
     "'ground_spacial' is no task (did you mean ground_spatial"),
    ("miniature", "sft.mixture.egore/qa/both", 0.1, "'both' is no view; allowed: ego, exo"),
    ("miniature", "grpo.ranks", 3, "stage 'grpo', `train_batch_size`: 64 came for 3 ranks; allowed: multiples of 3"),
    ("egothinker", "sft.per_device_train_batch_size", 3,
     '`train_batch_size`: 128 came for 32 ranks times per_device_train_batch_size 3; allowed: multiples of 96'),
    ("miniature", "sft.max_steps", 0, '`max_steps`: 0 came'),
    ("miniature", "sft.max_step", 9,
     '`max_step`: the key is unknown (did you mean max_steps'),
    ("miniature", "sft.steps", 9, '`steps`: `steps` is now `max_steps`'),
    ("miniature", "sft.save_steps", -1, "stage 'sft', `save_steps`: -1 came"),
    ("miniature", "sft.name", "../x", "`name`: '../x' came; string should match"),
    ("miniature", "name", "a/b", "`name`: 'a/b' came; string should match"),
    ("miniature", "init_ego.name", "init_exo", "stage 'init_exo' stands twice"),
    ("miniature", "stages", [], '`stages`: [] came; tuple should have at least 1 item'),
    ("miniature", "model.vision_heads", 3, '`model`: vision_width 128 is no multiple of vision_heads 3'),
    ("miniature", "model.image_pixels", 3,
     '`model.image_pixels`: the key is unknown (did you mean image_px or image_tokens?), allowed are archi'),
    ("miniature", "grpo.evaluate", ["qa"],
     '`evaluate`: `promotion.primary_metric` of params/eval.yaml compares ground_spatial/miou'),
    ("miniature", "sft.evaluate", ["grounding"], "`evaluate.0`: 'grounding' came; input should be 'caption_ego'"),
    ("egovlm", "grpo.evaluate", ["qa", "ground_spatial", "ground_temporal", "caption_ego", "retrieval_fx"],
     'retrieval_fx measure a mapping F, a Qwen model has none'),
    ("egovlm", "grpo.mapping", "fc", "`mapping`: 'fc' came, which architecture qwen2_5_vl does not take"),
    ("egovlm", "grpo.ego_tokens", 4, '`ego_tokens`: 4 came, which algorithm grpo does not take'),
    ("ego2exovlm_qwen", "student.video_last", 0.5,
     '`video_last`: 0.5 came, which architecture qwen2_5_vl does not take'),
    ("ego2exovlm_qwen", "student.ego_tokens", GONE,
     '`learning_rates.ego_tokens`: neither this stage nor its parents begin with ego-adaptive tokens'),
    ("ego2exovlm_qwen", "student.learning_rates", {"merger": 1e-06},
     '`ego_tokens`: 16 came, and they are not trained'),
    ("egovlm", "grpo.max_frames", 64,
     '`max_frames`: 64 came, samples have frames.window_frames 32 of params/data.yaml at most; allowed: 1 to 32'),
    ("egovlm", "grpo.max_pixels", GONE, '`max_pixels`: nothing came for a dry run'),
    ("egothinker", "sft.dataset_samples", GONE, '`dataset_samples`: nothing came for num_train_epochs 1 of a dry run'),
    ("exo2ego", "init_exo.algorithm", "text", 'text makes its own samples without end'),
    ("miniature", "base_lm.reasoned", True,
     "stage 'base_lm', `reasoned`: True came, which algorithm text does not take"),
    ("miniature", "base_lm.mixture", {"egore/qa/ego": 1.0},
     'which algorithm text does not take; allowed: leave it out'),
    ("miniature", "sft.stop_at_score", 0.9, '`stop_at_score`: 0.9 came in a stage of supervised; allowed: only text'),
    ("miniature", "base_encoder.rendered_images", 0, '`rendered_images`: 0 came, so there is nothing to compare'),
    ("miniature", "base_encoder.gradient_checkpointing", True,
     '`gradient_checkpointing`: True came, which algorithm contrastive does not take'),
    ("miniature", "grpo.grpo.vllm", {"mode": "colocate"}, '`grpo.vllm`: vLLM has no class for the models of miniature'),
    ("egovlm", "grpo.grpo.vllm", {"mode": "server", "server_base_url": "localhost"},
     "`grpo.vllm.server_base_url`: 'localhost' came"),
    ("miniature", "sft.seed", -1, '`seed`: -1 came'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "key", "value", "words"), WRONG, ids=[f"{key} {words[:50]}" for _, key, _, words in WRONG]
)
def test_a_wrong_recipe_is_refused_in_words(recipe, key, value, words):
    said = complaint(changed(RECIPES[recipe], {key: value}), WHERE)
    assert words in said and str(WHERE) in said


def test_all_values_that_the_schema_refuses_come_at_once():
    wrong = {"sft.max_steps": 0, "grpo.grpo.beta": NAN, "stage3.lora.rank": 4, "sft.mixture.x": 0}
    said = complaint(changed(RECIPES["miniature"], wrong), WHERE)
    assert "has mistakes (4):" in said and "stage 'stage3', `lora.rank`: `rank` is now `r`" in said


def test_all_mistakes_beyond_the_schema_come_at_once():
    wrong = {
        "grpo.grpo.reward_weights.rouge": 1.0, "sft.ranks": 5, "sft.mixture.egore/qa/out": 1.0, "grpo.evaluate": [],
        "stage3.learning_rates.tower": 1e-3, "stage1.max_pixels": 9,
    }  # fmt: skip
    said = complaint(changed(RECIPES["miniature"], wrong), WHERE)
    keys = (
        "grpo.reward_weights.rouge",
        "train_batch_size",
        "mixture.egore/qa/out",
        "learning_rates.tower",
        "max_pixels",
    )
    assert all(f"`{key}`: " in said for key in keys) and said.count("`evaluate`: ") == 4
