"""What a mixture names, what a stage needs of it, and to which of its samples the rewards apply. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from components.params import QWEN, Data, Distill, Recipe, Stage
from components.params.mistakes import meant
from components.prompts import reasons
from components.rewards import REWARDS
from components.train.judge.problem import Problem, at, listed
from components.train.judge.samples import Kind
from components.train.plan import SAMPLES, WITHOUT_DATASET, frames_of

# the words of a mixture's keys (components/data/contracts/sample.py, which is slow to import); data may have more
CORPORA = ("egoexoclip", "egoit", "egore", "web", "egoclip", "general", "view30k")
# of samples that a stage of algorithm distill writes (components/train/distill/questions.py)
WRITTEN = ("distilled", "captioned")
VIEWS = ("ego", "exo")
# task -> (kind of target, question type) of samples that it may have
TASKS = {
    "caption": (("text", "narration"),),
    "qa": (("choice", "action"), ("choice", "cot"), ("text", "question_open")),
    "verify": (("choice", "verification"), ("choice", "verification_rationale")),
    "ground_spatial": (("box", "spatial_object"),),
    "ground_temporal": (("span", "temporal"), ("span", "temporal_rationale")),
}
# a target of each kind, and an answer that can be read: whether a reward applies is asked of the reward itself
_TARGETS = {
    "text": {"text": "a"},
    "choice": {"choices": ["a", "b"], "answer_index": 0},
    "span": {"span": {"start_s": 0.0, "end_s": 1.0}},
    "box": {"box_xyxy": [0.0, 0.0, 10.0, 10.0]},
}
_BARE, _ANSWER = "a", "<think>a</think><answer>a</answer>"

Kinds = Mapping[Kind, int]


def problems(recipe: Recipe, data: Data, kinds: Kinds | None) -> Iterator[Problem]:
    """Yield what is wrong with the mixtures.

    Args:
        recipe: whose stages have them.
        data: gives the numbers of frames.
        kinds: the training samples that are there; None where they are not made yet.
    """
    for stage in recipe.stages:
        if stage.algorithm in WITHOUT_DATASET:
            continue
        if not stage.mixture:
            yield at(
                stage, "mixture", "nothing came, and the stage learns from samples alone", "`corpus/task/view: share`"
            )
        wrong = {key: problem for key in stage.mixture if (problem := _word(stage, key, kinds))}
        yield from wrong.values()
        good = [key for key in stage.mixture if key not in wrong]
        yield from _views(stage, good)
        yield from _written(recipe, stage, good)
        if kinds is not None:
            yield from _present(stage, [key for key in good if key.split("/")[0] not in WRITTEN], kinds)
        yield from _frames(recipe, stage, good, data, present=kinds is not None)
        if stage.mixture and not wrong:
            yield from _rewarded(stage, kinds)


def _word(stage: Stage, key: str, kinds: Kinds | None) -> Problem | None:
    """Return what is wrong with a key by itself."""
    there = {kind.key for kind in kinds or ()}
    words = key.split("/")
    known_words = ((*CORPORA, *WRITTEN), TASKS, VIEWS)
    if len(words) != 3:
        return at(stage, f"mixture.{key}", "it has another form", "`corpus/task/view`")
    for place, word, known in zip(("corpus", "task", "view"), words, known_words, strict=True):
        if key not in there and word not in known:
            return at(stage, f"mixture.{key}", f"{word!r} is no {place}{meant(word, known)}", listed(known))
    return None


def _views(stage: Stage, keys: list[str]) -> Iterator[Problem]:
    outside = [key for key in keys if key.endswith("/exo")]
    if stage.compares_views or stage.distill:
        compared = f"{listed(stage.loss_weights)} of `loss_weights` compare ego samples with exo"
        came = "a segment is an ego clip with an exo view" if stage.distill else compared
        for key in outside:
            yield at(stage, f"mixture.{key}", came, "keys of view ego")
    if stage.distils_features:
        for key in keys:
            if key.split("/")[0] not in WRITTEN or not key.endswith("/exo"):
                yield at(
                    stage, f"mixture.{key}", "`loss_weights` compares an exo clip with the ego clip of its "
                    "segment", "exo keys of a teacher's answers: distilled/caption/exo, captioned/caption/exo",
                )  # fmt: skip
    if stage.distill and len(set(stage.mixture.values())) > 1:
        yield at(
            stage, "mixture", f"{stage.mixture} came, and every segment is asked about once, whatever its share",
            "equal shares; how many segments there are says `distill.segments`",
        )  # fmt: skip
    if stage.grpo and stage.grpo.paired_views:
        for key in keys:
            task, _, view = key.rpartition("/")
            other = f"{task}/{'ego' if view == 'exo' else 'exo'}"
            if stage.mixture[key] != stage.mixture.get(other):
                yield at(
                    stage, f"mixture.{key}", f"{stage.mixture[key]:g} came, and {other} has {stage.mixture.get(other)}",
                    "equal shares of both views, for `grpo.paired_views` shows them in pairs",
                )  # fmt: skip
    if stage.guidance and keys and len(outside) == len(keys):
        yield at(
            stage, "guidance", "F(x) is of ego samples, and the mixture has none", "a key of view ego, or no guidance"
        )


def _written(recipe: Recipe, stage: Stage, keys: list[str]) -> Iterator[Problem]:
    """Yield what a mixture names of a teacher's answers that the parent `samples` does not write."""
    parent = next((each for each in recipe.stages if each.name == stage.parents.get(SAMPLES)), None)
    wanted = [key for key in keys if key.split("/")[0] in WRITTEN]
    written = written_by(parent.distill) if parent and parent.distill else ()
    for key in wanted:
        if key not in written:
            giver = f"the parent `{SAMPLES}` writes {listed(written)}" if parent else f"there is no parent `{SAMPLES}`"
            yield at(
                stage, f"mixture.{key}", f"only a stage of algorithm distill writes it, and {giver}",
                f"`parents.{SAMPLES}` with such a stage, which asks about the views it needs",
            )  # fmt: skip
    if parent and not wanted:
        yield at(
            stage, f"parents.{SAMPLES}", f"{parent.name!r} came, and the mixture has none of its samples",
            f"a key of {listed(WRITTEN)} in `mixture`, or no such parent",
        )  # fmt: skip


def written_by(settings: Distill) -> tuple[str, ...]:
    """Return the keys of a mixture that the answers of a stage of algorithm distill have."""
    keys = [f"captioned/caption/{view}" for view in settings.views]
    return (*(["distilled/caption/exo"] if "ego" in settings.views else []), *keys)


def _present(stage: Stage, keys: list[str], kinds: Kinds) -> Iterator[Problem]:
    paired = stage.compares_views or stage.distill is not None
    there = {kind.key for kind in kinds if kind.paired or not paired}
    for key in keys:
        if key not in there:
            came = f"data/dataset has no training sample of it{' with an exo view' * paired}"
            yield at(stage, f"mixture.{key}", f"{came}{meant(key, there)}", listed(sorted(there)))


def _frames(recipe: Recipe, stage: Stage, keys: list[str], data: Data, *, present: bool) -> Iterator[Problem]:
    most, window = stage.max_frames, data.frames.window_frames
    if most is None or recipe.model.architecture == "miniature":
        return
    if recipe.model.architecture in QWEN and most > window:
        yield at(
            stage, "max_frames", f"{most} came, samples have frames.window_frames {window} of params/data.yaml at most",
            f"1 to {window}; or raise that and run `dvc repro`",
        )  # fmt: skip
    if recipe.model.architecture in QWEN or not present:
        return
    for key in keys:
        if (shown := frames_of(key.split("/")[1], data.frames)) != {most}:
            yield at(
                stage, "max_frames", f"{most} came, samples of {key} have {listed(map(str, sorted(shown)))} frames",
                "the numbers of `frames` in params/data.yaml: set them for training and evaluation alike",
            )  # fmt: skip


def shares(stage: Stage, kinds: Kinds | None) -> dict[str, dict[str, float]]:
    """Return reward -> key of the mixture -> share of its samples that the reward applies to.

    Args:
        stage: of algorithm grpo.
        kinds: the training samples that are there; a key without any, as all keys where this is None, has 1.0 where the
            reward applies to samples that its task may have.
    """
    found: dict[str, dict[str, float]] = {}
    for name in stage.grpo.reward_weights if stage.grpo else ():
        if name in REWARDS:
            found[name] = {key: _share(name, stage, key, kinds) for key in stage.mixture}
    return found


def common(stage: Stage, kinds: Kinds | None, *, least: float) -> set[str]:
    """Return the rewards with a weight that apply to at least a share of a stage's samples.

    Args:
        stage: of algorithm grpo.
        kinds: as in `shares`.
        least: the share, 0 to 1.
    """
    weights = stage.grpo.reward_weights if stage.grpo else {}
    return {name for name, keys in shares(stage, kinds).items() if weights[name] and of_mixture(stage, keys) >= least}


def rewarded(recipe: Recipe, kinds: Kinds | None) -> list[str]:
    """Return for each GRPO stage in words to which share of its samples each reward applies.

    Args:
        recipe: whose stages they are.
        kinds: as in `shares`.
    """
    known = "" if kinds is not None else " at most, by their tasks"
    return [
        f"rewards   stage {stage.name!r}: {_told(stage, shares(stage, kinds))} of the samples{known}"
        for stage in recipe.stages
        if stage.grpo
    ]


def _told(stage: Stage, found: Mapping[str, Mapping[str, float]]) -> str:
    return listed(f"{name} {of_mixture(stage, of_keys):.0%}" for name, of_keys in found.items())


def of_mixture(stage: Stage, of_keys: Mapping[str, float]) -> float:
    """Return the share of a stage's samples from the shares of the keys of its mixture."""
    return sum(stage.mixture[key] * share for key, share in of_keys.items()) / sum(stage.mixture.values())


def _share(name: str, stage: Stage, key: str, kinds: Kinds | None) -> float:
    counts: Counter[bool] = Counter()
    for kind, count in (kinds or {}).items():
        if kind.key == key:
            counts[_applies(name, stage, kind.target, kind.question_type)] += count
    if counts:
        return counts[True] / counts.total()
    return float(any(_applies(name, stage, *possible) for possible in TASKS.get(key.split("/")[1], ())))


def _applies(name: str, stage: Stage, target: str, question_type: str) -> bool:
    sample = {
        "target": {"kind": target} | _TARGETS[target],
        "question_type": question_type,
        "media": [{"start_s": 0.0, "end_s": 1.0}],
    }
    # what `reasoned` asks of the other closed questions has no thought to be compared with
    sample["answer"] = _ANSWER if reasons(sample, reasoned=False) else _BARE
    sample["reasoned"] = reasons(sample, reasoned=stage.reasoned)
    if target == "span":  # the key frames are known, so that there may be a second group without them
        sample |= {"salient_frames": [0], "key_accuracy": 1.0, "rest_accuracy": 1.0}
    if stage.grpo and stage.grpo.paired_views:
        sample["other_view"] = [_ANSWER]
    if stage.grpo and stage.grpo.beta:  # only then is a reference model asked
        sample |= {"answer_log_prob": 0.0, "group_log_prob": 0.0}
    return REWARDS[name](_ANSWER, sample) is not None


def _rewarded(stage: Stage, kinds: Kinds | None) -> Iterator[Problem]:
    found = shares(stage, kinds)
    told = _told(stage, found)
    for name, of_keys in found.items():
        if not any(of_keys.values()):
            yield at(
                stage, f"grpo.reward_weights.{name}", f"it applies to no sample of the mixture (shares: {told})",
                "rewards of its kinds of target, or `reasoned: true` for the format of plain questions",
            )  # fmt: skip
    weights = stage.grpo.reward_weights if stage.grpo else {}
    for key in stage.mixture:
        if found and not any(of_keys[key] and weights[name] for name, of_keys in found.items()):
            yield at(
                stage, f"mixture.{key}", f"no reward applies to its samples (shares: {told})",
                f"keys to which one of {listed(found)} applies, or a reward more",
            )  # fmt: skip
