"""One training stage, inside the processes that the DeepSpeed launcher starts; or the plan of a whole recipe.

Run as: deepspeed --num_accelerators 1 --module components.train --recipe params/recipes/miniature.yaml --stage stage1
    --parents '{"all": "checkpoints/init_exo-…"}' --data data --output checkpoints/stage1-… --run-id <MLflow run>

Reads parents' folders and the data, writes the output folder; killed at any time, the same command resumes.

Or, without GPU, weights or data: python -m components.train --recipe exo2ego --dry-run [--data data]
Ends with 1 when a stage cannot fit the GPUs, and says what would.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import cast

EVALUATION = Path("params/eval.yaml")
WIDTH = 170  # columns of a plan that goes to a file


def main() -> int:
    """Read the command line; train, or plan; give the exit code."""
    parser = argparse.ArgumentParser(prog="components.train", description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", required=True, help="YAML file, or its bare name in params/recipes")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes of it: stages.sft.max_steps=60")
    parser.add_argument("--stage", help="name of a stage of the recipe")
    parser.add_argument("--parents", type=json.loads, default={}, help='JSON: {"part": "checkpoint folder"}')
    parser.add_argument("--data", type=Path, help="folder of the data graph's outputs; to plan: count its samples")
    parser.add_argument("--output", type=Path, help="checkpoint folder to write")
    parser.add_argument("--run-id", help="MLflow run that takes the curves")
    parser.add_argument("--params", type=Path, default=Path("params/data.yaml"))
    parser.add_argument(
        "--provenance", type=json.loads, default={}, help="JSON to keep in stage.json: key, versions, digests, commit"
    )
    halves = parser.add_mutually_exclusive_group()
    halves.add_argument(
        "--rollouts-only", dest="half", action="store_const", const="rollouts",
        help="grpo: sample and reward the next step into <output>/rollouts, and learn nothing",
    )  # fmt: skip
    halves.add_argument(
        "--train-only", dest="half", action="store_const", const="train",
        help="grpo: learn from the steps that --rollouts-only wrote, and sample nothing",
    )  # fmt: skip
    planning = parser.add_argument_group("planning")
    planning.add_argument("--dry-run", action="store_true", help="only count: parameters, tokens, memory, disk, hours")
    planning.add_argument("--gpus", type=int, help="instead of the ranks of each stage")
    planning.add_argument("--gpu-memory-gib", type=float, default=80.0, help="of one GPU (default: %(default)g)")
    planning.add_argument("--tokens-per-second", type=float, help="measured on one GPU; else an assumed MFU")
    options = parser.parse_args()
    needed = ("stage", "data", "output", "run_id")
    if not options.dry_run and (missing := [name for name in needed if getattr(options, name) is None]):
        parser.error(f"training needs {', '.join('--' + name.replace('_', '-') for name in missing)}; or --dry-run")

    if options.gpus is not None and options.gpus < 1:
        parser.error(f"--gpus {options.gpus} came, allowed is 1 and more")

    from components import params
    from components.params.overrides import title
    from components.train import plan
    from components.train.judge import samples, verdict
    from components.train.judge.problem import refuse

    try:
        path = params.find_recipe(options.recipe)
    except ValueError as error:
        parser.error(str(error))
    try:
        recipe, data_params = params.load_recipe(path, options.overrides), params.load(options.params, params.Data)
        source = title(path, options.overrides)
        if options.dry_run:
            return plan_recipe(recipe, source, data_params, options)
        stage = next((stage for stage in recipe.stages if stage.name == options.stage), None)
        if stage is None:
            parser.error(f"stage {options.stage!r} is not in {path}, allowed are {[s.name for s in recipe.stages]}")
        if options.half and stage.grpo is None:
            parser.error(f"stage {stage.name!r} ({stage.algorithm}) samples nothing; only grpo has halves")
        if options.half and stage.grpo and stage.grpo.vllm:
            parser.error(
                f"stage {stage.name!r} samples by vLLM, whose probabilities the rollouts do not keep: a step in "
                "halves would not be the whole one; take both together, or leave `grpo.vllm` out of the recipe"
            )
        plan.check_parents(recipe, stage, {part: Path(folder) for part, folder in options.parents.items()})
        found = verdict.problems(recipe, data_params, kinds=samples.counted(options.data))
        refuse([problem for problem in found if problem.stage == stage.name], source)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    parents = {part: Path(folder) / "model" for part, folder in options.parents.items() if part != plan.SAMPLES}
    return train(recipe, stage, data_params, parents, options)


def plan_recipe(recipe, source: str, data_params, options: argparse.Namespace) -> int:
    """Judge a recipe and print its plan.

    Args:
        recipe: the whole training run.
        source: of the recipe, for messages.
        data_params: parameters of the data.
        options: of the command line (`flows/options.py` has them too).

    Returns:
        The exit code: 1 where a stage cannot fit.

    Raises:
        ValueError: the recipe asks for what cannot be trained; has all mistakes.
    """
    from rich.console import Console

    from components import params
    from components.train.judge import mixture, samples, verdict
    from components.train.judge.problem import refuse

    kinds = samples.counted(options.data) if options.data else None
    if options.data and kinds is None:
        raise ValueError(f"--data {options.data} has no dataset/samples.parquet: run `dvc repro`, or leave --data out")
    evaluation = params.load(EVALUATION, params.Eval)
    promotes = bool(recipe.stages[-1].evaluate)  # what is measured in nothing is not meant to be promoted
    refuse(verdict.problems(recipe, data_params, evaluation, promotes=promotes, counts=True, kinds=kinds), source)

    from components.train.dry_run import fitting, report  # torch takes seconds

    machine = fitting.Machine(options.gpus, options.gpu_memory_gib, options.tokens_per_second)
    # a pipe has no width, and folded numbers are hard to read
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    refused = report.run(recipe, data_params, machine, console, options.data)
    for line in mixture.rewarded(recipe, kinds):
        console.print(line, soft_wrap=True, highlight=False)
    return 1 if refused else 0


def train(recipe, stage, data_params, parents: dict[str, Path], options: argparse.Namespace) -> int:
    """Build or assemble the model, train the stage's parts, leave a checkpoint folder.

    Args:
        recipe: the whole training run.
        stage: the one of its stages to train.
        data_params: parameters of the data.
        parents: part of the model -> checkpoint folder that gives it.
        options: of the command line: folders, MLflow run and provenance.

    Returns:
        0, also where half of a GRPO step was done; `pause_callback.PAUSED` where the run paused itself, with a
        resumable checkpoint and paused.json; or `sigterm.STOPPED` after SIGTERM, with a resumable checkpoint too.

    Raises:
        ValueError: the recipe and the parents or the data do not fit; the message says where to mend it.
        TrainingError: full disk, too little memory, or a loss that is no number; the message says what is kept.
    """
    if finished_before(options):
        return 0
    from components.train import provenance

    if int(os.environ.get("RANK", "0")) == 0:  # it writes stage.json
        options.provenance |= provenance.of_training(options.output / "trainer", options.provenance)
    if stage.algorithm == "distill":
        from components.models import build
        from components.train import rendezvous
        from components.train.distill import run
        from components.train.safety import errors

        build.register()
        rendezvous.on_loopback(options.output / "trainer")
        try:
            return run.run(recipe, stage, stage.distill, data_params, parents, options)
        except errors.EXPLAINED as error:
            errors.reraise(error, stage, options.output)
            raise
    import torch
    from transformers import set_seed

    from components.models import build, hub_configs
    from components.models.modeling import EgoflowForConditionalGeneration
    from components.tracking import MetricLog
    from components.train import (
        algorithms,
        checkpoints,
        ego_queries,
        plan,
        private_api,
        rendezvous,
        starting_point,
        trainer_factory,
    )
    from components.train.grpo import pause_callback
    from components.train.grpo.rollout_files import RolloutsWrittenError
    from components.train.pretraining import contrastive
    from components.train.safety import errors, resumable, sigterm, universal_checkpoint

    began_s = time.monotonic()
    private_api.use_no_shared_memory_operator()
    if os.environ.get("TORCH_COMPILE_DISABLE") == "1":
        private_api.import_no_compiler()
    build.register()
    set_seed(stage.seed)
    output = options.output
    output.mkdir(parents=True, exist_ok=True)
    rendezvous.on_loopback(output / "trainer")
    model, processor = starting_point.load(recipe, stage, data_params, parents)
    parts = hub_configs.parts_of(model.config)
    checkpoints.prepare(model, stage.learning_rates, stage.lora, parts)
    if stage.freeze_ego_queries:
        model.get_parameter(ego_queries.NAME).requires_grad_(False)
    trained = checkpoints.count_trained(model, parts)
    resume = resumable.newest(output / "trainer")
    log = None
    if int(os.environ.get("RANK", "0")) == 0:
        if fallen := resumable.drop_damaged(output / "trainer"):
            sys.stderr.write(f"stage {stage.name!r}: {fallen}\n")
        (output / "paused.json").unlink(missing_ok=True)
        from_step = int(resume.name.split("-")[1]) if resume else None
        log = MetricLog(options.run_id, output / "history.jsonl", from_step=from_step)
    asked = options.parents.get(plan.SAMPLES)
    distilled = Path(asked) / plan.SAMPLES_FILE if asked else None
    made = trainer_factory.make(
        recipe, stage, data_params, model, processor,
        parents=parents, folder=options.data, distilled=distilled, output=output, log=log, half=options.half,
    )  # fmt: skip
    stop = sigterm.StopOnSignal()
    made.trainer.add_callback(stop)
    try:
        if resume:
            universal_checkpoint.prepare(made.trainer, resume, muon=stage.muon_learning_rate is not None)
        result = made.trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        if stage.algorithm == "contrastive":
            contrastive.share_tower(cast(EgoflowForConditionalGeneration, model))  # Qwen has no such stage
        more = options.half == "train" and result.global_step < (made.stage.max_steps or 0)
        finding = made.pause.finding if made.pause else None
        checkpoints.gather(model)
        if log and finding:
            pause_callback.write(output, finding, stage.name)
            sys.stderr.write(finding.message(stage.name) + "\n")
        elif log and stop.stopped:
            sys.stderr.write(f"stage {stage.name!r} ends, as SIGTERM asks. {errors.kept(output)}\n")
        elif log and more:
            sys.stderr.write(f"stage {stage.name!r} has learnt from all rollouts. {errors.kept(output)}\n")
        elif log:
            record = {**options.provenance, "stage": stage.name, "recipe": recipe.name}
            record |= {"params": made.stage.model_dump(), "parents": provenance.recorded_parents(options.parents)}
            record |= {"trained": trained, "model": recipe.model.model_dump(mode="json")}
            record |= {"steps": result.global_step, "seconds": round(time.monotonic() - began_s, 1)}
            record |= {"frames_contract": algorithms.contract(data_params)}
            record |= {"samples_digest": made.dataset.samples_digest(result.global_step)}
            checkpoints.save(model, processor, output, record)
    except RolloutsWrittenError as written:
        if log:
            sys.stderr.write(f"stage {stage.name!r}: {written}\n")
        return 0
    except errors.EXPLAINED as error:
        errors.reraise(error, made.stage, output)
        raise
    finally:
        if log:
            log.close()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    if finding:
        return pause_callback.PAUSED
    return sigterm.STOPPED if stop.stopped else 0


def finished_before(options: argparse.Namespace) -> bool:
    """Return whether this very stage lies finished in its folder; then its curves go to the run that is open now.

    That is a run of the same key that came as far as stage.json, when its process was killed or MLflow was away.
    """
    from components.models import checkpoint_files
    from components.tracking import send_finished
    from components.train import plan

    if not plan.is_finished(options.output):
        return False
    made = checkpoint_files.read(options.output)
    if "stage_key" not in made or made["stage_key"] != options.provenance.get("stage_key"):
        return False
    if int(os.environ.get("RANK", "0")) == 0:
        shutil.rmtree(options.output / "trainer", ignore_errors=True)
        send_finished(options.output, options.run_id, steps=made["steps"])
    return True


if __name__ == "__main__":
    code = main()
    # ZeRO-3 on two CPU ranks sometimes aborts at interpreter exit, when everything is saved already
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
