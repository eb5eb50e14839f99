"""What a stage asks of its algorithm, of the architecture and of the stages before it. No torch, no data."""

from __future__ import annotations

from collections.abc import Iterator

from components.params import QWEN, Egoflow, Model, Qwen, Recipe, Stage
from components.params.mistakes import meant
from components.rewards import REWARDS
from components.train.judge.problem import Problem, at, listed
from components.train.plan import SAMPLES, WITHOUT_DATASET

# keys of a stage -> the only algorithms that read them
READ_BY = {"stop_at_score": ("text",), "rendered_images": ("contrastive",)}
# algorithm -> keys that it does not read, or that would change what it learns
_NEED_SAMPLES = ("mixture", "video_last", "guidance", "reasoned", "mapping", "ego_tokens", "loss_weights")
NOT_READ_BY = {
    "text": _NEED_SAMPLES,
    # its loss compares the samples of a batch with one another
    "contrastive": (*_NEED_SAMPLES, "per_device_train_batch_size", "gradient_checkpointing"),
    # AdamW alone is implemented, of the questions about a frame one is a prompt, and the reference is the parent
    "grpo": ("video_last", "loss_weights", "muon_learning_rate", "questions_per_context", "ego_tokens"),
    # it asks each question once and changes no weight
    "distill": (
        *(
            "video_last",
            "learning_rates",
            "muon_learning_rate",
            "lora",
            "loss_weights",
            "mapping",
            "ego_tokens",
            "reasoned",
        ),
        *("max_steps", "questions_per_context", "per_device_train_batch_size", "gradient_checkpointing"),
        "max_new_tokens",
    ),
}
# architecture -> keys that its models have no use for; the frames of `egoflow` are judged against the data
NOT_OF_MODEL = {
    "miniature": ("max_frames", "max_pixels"),
    "egoflow": ("max_pixels",),
    **dict.fromkeys(QWEN, ("video_last", "guidance", "mapping", "muon_learning_rate", "loss_weights")),
}
MUON_ZERO_STAGE = 2  # the highest: DeepSpeed 0.19.8 refuses Muon where it scatters gradients, as zero3.json has it do


def problems(recipe: Recipe) -> Iterator[Problem]:
    """Yield what the stages ask for that no model, algorithm or parent gives."""
    learned = _learned(recipe)
    for stage in recipe.stages:
        yield from _keys(stage, recipe.model)
        yield from _parts(stage, recipe.model)
        yield from _parents(stage, recipe, learned)
        yield from _ego_tokens(stage, recipe.model, recipe.ego_tokens[stage.name])
        yield from _objective(stage, last=stage is recipe.stages[-1])
        yield from _batch(stage)


def _is_set(stage: Stage, key: str) -> bool:
    return getattr(stage, key) != Stage.model_fields[key].get_default(call_default_factory=True)


def _keys(stage: Stage, model: Model | Egoflow | Qwen) -> Iterator[Problem]:
    if model.architecture != "miniature" and stage.algorithm in WITHOUT_DATASET:
        yield at(
            stage, "algorithm", f"{stage.algorithm!r} came, and base models of {model.architecture} are downloaded",
            "supervised, grpo, distill",
        )  # fmt: skip
    for key, algorithms in READ_BY.items():
        if _is_set(stage, key) and stage.algorithm not in algorithms:
            yield at(
                stage, key, f"{getattr(stage, key)!r} came in a stage of {stage.algorithm}", f"only {algorithms[0]}"
            )
    for reader, keys in (
        (f"algorithm {stage.algorithm}", NOT_READ_BY.get(stage.algorithm, ())),
        (f"architecture {model.architecture}", NOT_OF_MODEL[model.architecture]),
    ):
        for key in keys:
            if _is_set(stage, key):
                yield at(stage, key, f"{getattr(stage, key)!r} came, which {reader} does not take", "leave it out")
    if stage.muon_learning_rate and stage.zero_stage > MUON_ZERO_STAGE:
        yield at(
            stage, "zero_stage", f"{stage.zero_stage} came with `muon_learning_rate`, and DeepSpeed refuses the two",
            f"0 to {MUON_ZERO_STAGE}, or no `muon_learning_rate`",
        )  # fmt: skip
    if stage.grpo and stage.grpo.vllm and model.architecture not in QWEN:
        yield at(
            stage, "grpo.vllm", f"vLLM has no class for the models of {model.architecture}", f"{listed(QWEN)} alone"
        )


def _parts(stage: Stage, model: Model | Egoflow | Qwen) -> Iterator[Problem]:
    adapted = stage.lora.learning_rates if stage.lora else {}
    of_parents = ("all", SAMPLES) if model.architecture in QWEN else ("all", *model.parts, SAMPLES)
    for key, named, known in (
        ("parents", stage.parents, of_parents),
        ("learning_rates", stage.learning_rates, model.parts),
        ("lora.learning_rate", adapted, model.parts),
    ):
        for part in sorted(set(named) - set(known)):
            yield at(stage, f"{key}.{part}", f"{part!r} is no part of the model{meant(part, known)}", listed(known))
    for part in sorted(adapted.keys() & stage.learning_rates.keys()):
        yield at(
            stage, f"lora.learning_rate.{part}", "the part is trained whole too", "one of `lora` and `learning_rates`"
        )
    if not stage.learning_rates and not adapted and not stage.distill:
        yield at(
            stage, "learning_rates", "nothing came, so nothing is trained", f"learning rates of {listed(model.parts)}"
        )


def _learned(recipe: Recipe) -> dict[str, set[str]]:
    """Return stage -> the parts of its checkpoint that were trained or downloaded; the others are as at random."""
    learned: dict[str, set[str]] = {}
    for stage in recipe.stages:
        parts = set(stage.learning_rates) | set(stage.lora.learning_rates if stage.lora else ())
        if stage.algorithm == "contrastive":
            parts |= {"ego_encoder", "exo_encoder"}  # the views begin with one tower
        if isinstance(recipe.model, Egoflow):
            parts |= {str(part) for part in recipe.model.base}
        elif isinstance(recipe.model, Qwen):
            parts |= set(recipe.model.parts) - {"ego_tokens"}
        for part, parent in stage.parents.items():
            parts |= learned[parent] if part == "all" else {part} & learned[parent]
        learned[stage.name] = parts
    return learned


def _parents(stage: Stage, recipe: Recipe, learned: dict[str, set[str]]) -> Iterator[Problem]:
    model = recipe.model
    asking = {each.name for each in recipe.stages if each.distill}
    for part, parent in stage.parents.items():
        if (part == SAMPLES) != (parent in asking):
            yield at(
                stage, f"parents.{part}", f"stage {parent!r} writes {'samples' if parent in asking else 'weights'}",
                f"`{SAMPLES}` with a stage of algorithm distill, parts of the model with others",
            )  # fmt: skip
        elif part in model.parts and part not in learned[parent]:
            givers = [name for name in stage_names_before(stage, learned) if part in learned[name]]
            yield at(stage, f"parents.{part}", f"stage {parent!r} has never learned {part}", f"stages {listed(givers)}")
    speaks = {"all", "language_model"} & stage.parents.keys()
    needs = bool(stage.parents) or (
        stage.algorithm not in WITHOUT_DATASET and "language_model" not in learned[stage.name]
    )
    if isinstance(model, Model) and needs and not speaks:
        yield at(stage, "parents", f"{stage.parents} give no language model", "`all` or `language_model` among them")
    if stage.guidance and "mapping_f" in model.parts and "mapping_f" not in learned[stage.name]:
        yield at(
            stage, "guidance", "F(x) is asked for, but neither this stage nor its parents train `mapping_f`",
            "a learning rate of mapping_f, or parents that have learned it",
        )  # fmt: skip


def _ego_tokens(stage: Stage, model: Model | Egoflow | Qwen, count: int) -> Iterator[Problem]:
    trained = "ego_tokens" in stage.learning_rates
    if count and model.architecture in QWEN and stage.grpo and stage.grpo.vllm:
        yield at(
            stage, "grpo.vllm", f"it came for a model with {count} ego-adaptive tokens, of which vLLM has no class",
            "leave it out, or parents without such tokens",
        )  # fmt: skip
    if trained and not count:
        yield at(
            stage, "learning_rates.ego_tokens", "neither this stage nor its parents begin with ego-adaptive tokens",
            "`ego_tokens` of this stage or of one that gives them",
        )  # fmt: skip
    if stage.ego_tokens and not trained:
        yield at(stage, "ego_tokens", f"{stage.ego_tokens} came, and they are not trained", "with a learning rate")
    if "token_mse" in stage.loss_weights and not count:
        yield at(
            stage, "loss_weights.token_mse", "neither this stage nor its parents begin with ego-adaptive tokens",
            "`ego_tokens` of this stage or of one that gives them",
        )  # fmt: skip
    if stage.freeze_ego_queries and not trained:
        yield at(stage, "freeze_ego_queries", "True came, and no ego_tokens are trained", "False")


def stage_names_before(stage: Stage, learned: dict[str, set[str]]) -> list[str]:
    """Return the names of the stages that stand before one in its recipe."""
    names = list(learned)
    return names[: names.index(stage.name)]


def _objective(stage: Stage, *, last: bool) -> Iterator[Problem]:
    if not any(stage.loss_weights.values()):
        yield at(stage, "loss_weights", f"{stage.loss_weights} came, so nothing is learned", "a weight above 0")
    if stage.distils_features and stage.zero_stage == 3:
        yield at(stage, "zero_stage", "3 came, which spreads the weights that a loss of features copies", "0 to 2")
    if stage.distill and stage.distill.endpoint and stage.ranks > 1:
        yield at(stage, "ranks", f"{stage.ranks} came, and one process asks `distill.endpoint`", "1")
    if stage.distill and stage.evaluate:
        yield at(stage, "evaluate", f"{listed(stage.evaluate)} came, and the stage leaves no weights", "[]")
    if stage.distill and last:
        yield at(stage, "algorithm", "the recipe ends with it, and it leaves no weights", "a stage that learns from it")
    if SAMPLES in stage.parents and stage.algorithm != "supervised":
        yield at(stage, f"parents.{SAMPLES}", f"it came in a stage of {stage.algorithm}", "only supervised")
    if stage.algorithm == "contrastive" and not stage.rendered_images:
        yield at(stage, "rendered_images", "0 came, so there is nothing to compare", "1 and more")
    if stage.grpo is None:
        return
    if stage.grpo.multi_objective_aggregation == "normalize_then_sum" and stage.grpo.scale_rewards != "group":
        yield at(
            stage, "grpo.scale_rewards", f"{stage.grpo.scale_rewards!r} came, which `normalize_then_sum` does not read",
            "leave it out",
        )  # fmt: skip
    if stage.grpo.rationale_judge and not stage.grpo.reward_weights.get("rationale"):
        yield at(
            stage, "grpo.rationale_judge", "it came, and nothing is paid for its verdicts",
            "a weight of the reward `rationale`, or no judge",
        )  # fmt: skip
    for name in sorted(set(stage.grpo.reward_weights) - set(REWARDS)):
        yield at(stage, f"grpo.reward_weights.{name}", f"no such reward{meant(name, REWARDS)}", listed(REWARDS))
    if not any(stage.grpo.reward_weights.values()):
        yield at(
            stage, "grpo.reward_weights", f"{stage.grpo.reward_weights} came, so nothing is learned", "a weight above 0"
        )


def _batch(stage: Stage) -> Iterator[Problem]:
    if stage.distill:  # every rank answers whole batches
        return
    if stage.video_last and stage.questions_per_context > 1:
        yield at(
            stage, "video_last", f"{stage.video_last} came with {stage.questions_per_context} questions per context",
            "0, or one question: frames that stand behind one question are not before another",
        )  # fmt: skip
    at_once = stage.ranks * (stage.per_device_train_batch_size or 1)
    if stage.train_batch_size % at_once:
        micro = f" times per_device_train_batch_size {stage.per_device_train_batch_size}"
        yield at(
            stage, "train_batch_size",
            f"{stage.train_batch_size} came for {stage.ranks} ranks{micro * bool(stage.per_device_train_batch_size)}",
            f"multiples of {at_once}",
        )  # fmt: skip
    elif stage.grpo and stage.grpo.paired_views and stage.train_batch_size // stage.ranks % 2:
        yield at(
            stage, "train_batch_size",
            f"{stage.train_batch_size} came for {stage.ranks} ranks, and `grpo.paired_views` shows prompts in twos",
            f"multiples of {2 * at_once}",
        )  # fmt: skip
