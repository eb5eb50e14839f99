"""A recipe that asks a teacher, and learns from what it says: judged and planned before anything runs."""

import pytest

from components import params
from components.train import plan, versions
from components.train.dry_run import answers, report
from components.train.dry_run.stage_budget import budget, steps_of
from components.train.judge import verdict
from tests.components.train.conftest import ROOT

DATA = params.load(ROOT / "params/data.yaml", params.Data)
EVALUATION = params.load(ROOT / "params/eval.yaml", params.Eval)
SETTINGS = {"queries": "kitchen", "max_new_tokens": 16}
ASKING = {
    "name": "distill", "algorithm": "distill", "parents": {"all": "init_ego"}, "train_batch_size": 8,
    "mixture": {"egoexoclip/caption/ego": 1.0}, "distill": SETTINGS,
}  # fmt: skip


def recipe(*, asking: dict | None = None, student: dict | None = None) -> params.Recipe:
    whole = params.load(ROOT / "params/recipes/miniature.yaml", params.Recipe).model_dump()
    stages = {stage["name"]: stage for stage in whole["stages"]}
    learning = stages["stage1"] | {"parents": {"all": "init_exo", "samples": "distill"}, "evaluate": ()}
    learning |= {"mixture": {"distilled/caption/exo": 1.0}} | (student or {})
    base = [stages[name] for name in ("base_lm", "base_encoder", "init_exo", "init_ego")]
    return params.Recipe.model_validate(whole | {"stages": [*base, ASKING | (asking or {}), learning]})


def complaints(**changes) -> str:
    return "\n".join(map(str, verdict.problems(recipe(**changes), DATA, EVALUATION)))


def test_an_asking_stage_needs_no_values_of_an_optimiser():
    stage = recipe().stages[-2]
    assert (stage.num_train_epochs, stage.warmup_ratio, stage.evaluate) == (1.0, 0.0, ())
    assert complaints() == ""
    for teacher in ("stage1", "init_exo", "init_ego"):  # the last by way of the samples that it wrote
        assert complaints(student={"evaluate": ("alignment",), "teacher": teacher}) == ""


ENDPOINT = {
    "generator": "openai", "model": "eyes", "temperature": None, "top_p": None, "seed": None, "max_tokens": 64,
    "concurrency": 1, "requests_per_minute": None, "timeout_s": 5.0, "tries": 2, "backoff_s": 0.0,
    "budget": {"calls": None, "tokens": None},
}  # fmt: skip
TWICE = {"algorithm": "distill", "parents": {"all": "init_exo"}, "num_train_epochs": 1.0, "max_steps": None}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"student": {"parents": {"all": "init_exo"}}}, "and there is no parent `samples`"),
        ({"student": {"mixture": {"captioned/caption/exo": 1.0}}}, "distilled/caption/exo, captioned/caption/ego"),
        ({"student": {"mixture": {"egoit/caption/exo": 1.0}}}, "the mixture has none of its samples"),
        ({"student": {"parents": {"all": "distill", "samples": "distill"}}}, "stage 'distill' writes samples"),
        ({"student": {"parents": {"all": "init_exo", "samples": "init_ego"}}}, "stage 'init_ego' writes weights"),
        ({"asking": {"mixture": {"egoexoclip/caption/exo": 1.0}}}, "a segment is an ego clip with an exo view"),
        ({"asking": {"learning_rates": {"language_model": 0.1}}}, "which algorithm distill does not take"),
        ({"asking": {"mixture": {"egoexoclip/caption/ego": 0.7, "egoit/caption/ego": 0.3}}}, "whatever its share"),
        ({"student": {"evaluate": ("alignment",)}}, "`teacher`: None came, which alignment of `evaluate` needs"),
        ({"student": {"evaluate": ("alignment",), "teacher": "distill"}}, "a stage with weights among base_lm"),
        ({"student": {"video_last": 0.5, "questions_per_context": 2}}, "0.5 came with 2 questions per context"),
        ({"student": {"mixture": {"egoexoclip/caption/ego": 1.0}, "loss_weights": {"feature_mse": 1.0}}},
         "compares an exo clip with the ego clip of its segment"),
        ({"student": {"loss_weights": {"vtg": 1.0, "feature_mse": 1.0}, "zero_stage": 3}}, "a loss of features copies"),
        ({"student": {"loss_weights": {"vtg": 1.0, "token_mse": 1.0}}}, "token_mse`: neither this stage nor"),
        ({"asking": {"ranks": 2, "distill": SETTINGS | {"endpoint": ENDPOINT}}}, "one process asks `distill.endpoint`"),
        ({"asking": {"evaluate": ("caption_exo",)}}, "the stage leaves no weights"),
        ({"student": TWICE | {"mixture": {"egoit/caption/ego": 1.0}, "distill": {}}}, "the recipe ends with it"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_or_learned_is_refused_in_words(changes, words):
    assert words in complaints(**changes)


def test_without_an_endpoint_what_names_a_stage_is_what_it_was():
    alone = {"distill": params.Distill(**SETTINGS).model_dump(mode="json")}
    assert "endpoint" not in versions.settings("stage", alone)["distill"]
    asking = params.Distill(**SETTINGS, endpoint=ENDPOINT)
    assert params.Distill(**asking.model_dump(mode="json")) == asking
    assert "endpoint" in versions.settings("stage", {"distill": asking.model_dump(mode="json")})["distill"]
    for wrong, words in (({"endpoint": ENDPOINT | {"generator": "rules"}}, "no rule sees video"),
                         ({"endpoint": ENDPOINT, "keep_cut": True}, "gives no answer that was cut")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            params.Distill(**SETTINGS | wrong)


def test_each_view_is_shown_once():
    with pytest.raises(ValueError, match=r"\['ego', 'ego'\] came, allowed is each view once"):
        params.Distill(views=("ego", "ego"))


def test_ranks_need_not_divide_a_batch_that_each_answers_whole():
    assert complaints(asking={"ranks": 3}) == ""


def test_the_dry_run_counts_what_is_written_and_what_is_learned(tiny_world, tiny_data):
    asking = {"distill": SETTINGS | {"views": ("ego", "exo"), "segments": 7}}
    stages, parts, problems = report.counted(recipe(asking=asking), tiny_world.params, tiny_data)
    assert problems == [] and (stages[-2].dataset_samples, steps_of(stages[-2])) == (42, 6)
    [part], learning = parts["stage1"], stages[-1]
    shown = learning.max_steps * learning.train_batch_size
    assert (part.name, part.samples, part.shown) == ("distilled/caption/exo", 21, shown)


def test_the_dry_run_says_how_many_answers_there_will_be():
    paper = report.config_of(params.load(ROOT / "params/recipes/exo2ego.yaml", params.Recipe).model, DATA)
    stage = recipe(asking={"dataset_samples": 300}).stages[-2]
    needs = budget(stage, paper, DATA.frames)
    assert (needs.total_trained, needs.disk(), needs.steps) == (0, (0, 0), 38)
    assert answers.told(needs) == ("stage 'distill' writes 300 answers of 16 tokens at most, greedy, about ego clips")
    # a forward pass alone: less work and memory than to train on as much
    trained = budget(
        recipe().stages[-1].model_copy(update={"max_text_tokens": 80, "train_batch_size": 8}), paper, DATA.frames
    )
    assert needs.step_flops() < trained.step_flops() / 2
    assert needs.working(micro_batch=8, checkpointing=False) < trained.working(micro_batch=8, checkpointing=False)


def test_a_changed_teacher_changes_its_students_key():
    def keys(whole: params.Recipe) -> dict[str, str]:
        return plan.stage_keys(whole, dataset="d", world={})

    before, after = keys(recipe()), keys(recipe(asking={"seed": 1}))
    assert {name for name in before if before[name] != after[name]} == {"distill", "stage1"}
