"""Print the script or manifest that starts a training stage on several hosts. It starts nothing itself; no torch.

Run as: python -m components.train.multi_node --recipe exo2ego --stage stage2 --nodes 2 --gpus-per-node 8 --kind slurm

Every host sees the project folder at the same path (shared storage). The MLflow run is known only when the stage is
submitted: it is the variable RUN_ID then. Each rank gets the arguments and the environment that it has on one host by
`launch_command.command`.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from components import params
from components.params.overrides import title
from components.train import interpreter, launch_command, plan, versions
from components.train.judge import verdict
from components.train.judge.problem import refuse
from components.train.provenance import git_commit

INFRA = Path(__file__).resolve().parents[2] / "infra"
TEMPLATES = {
    "deepspeed": "deepspeed/stage.sh.j2",
    "slurm": "slurm/stage.sbatch.j2",
    "kubernetes": "kubernetes/stage.yaml.j2",
}
RUN_ID = "$RUN_ID"
_NAME = r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?"  # a DNS label, with room for the index of a pod
_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"  # what may stand in a hostfile; a blank or a # would split the line


@dataclass(frozen=True)
class Place:
    """Where a stage runs.

    Args:
        nodes: hosts.
        gpus: GPUs of each, and so ranks.
        port: where the first host listens for the others.
        folder: project folder on every host.
        hosts: their names, for `deepspeed` alone: Slurm and Kubernetes choose them.
        image: container image, for `kubernetes` alone.
        claim: persistent volume claim of the project folder, for `kubernetes` alone.
        python: interpreter of the training environment on every host or in the image; None is that of `.venv` in the
            project folder, and of an image the one on its path.
    """

    nodes: int
    gpus: int
    port: int
    folder: Path
    hosts: tuple[str, ...] = ()
    image: str | None = None
    claim: str | None = None
    python: Path | None = None


def render(
    kind: str, place: Place, *, name: str, ranks: int, threads: int, timeout_minutes: float, arguments: Sequence[str]
) -> str:
    """Return the script or manifest that starts a stage on several hosts.

    Args:
        kind: a key of `TEMPLATES`.
        place: the hosts.
        name: of the job; becomes a DNS label.
        ranks: the stage's, over all hosts.
        threads: OpenMP threads of each rank.
        timeout_minutes: after which the job is ended.
        arguments: of `components.train`, from `launch_command.arguments` with run_id `RUN_ID`.

    Raises:
        ValueError: the hosts do not give the ranks, or something that this kind needs is missing.
    """
    check(kind, place, ranks)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(INFRA),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    environment.filters["shell"] = shell
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not re.fullmatch(_NAME, label):
        raise ValueError(f"name {name!r} came, allowed are 1 to 52 letters, digits and hyphens: it names the job")
    words = list(arguments)
    launcher = []
    if kind == "kubernetes":
        words = ["$(RUN_ID)" if word == RUN_ID else word.replace("$(", "$$(") for word in words]
        launcher = ["--node-rank", "$(NODE_RANK)", "--nnodes", str(place.nodes), "--nproc-per-node", str(place.gpus)]
        launcher += ["--master-addr", f"{label}-0.{label}", "--master-port", str(place.port)]
        launcher += ["--module", "components.train"]
    return environment.get_template(TEMPLATES[kind]).render(
        name=label,
        programs=place.python.parent if place.python else place.folder / ".venv/bin",
        words=words,
        launcher=launcher,
        cpus=place.gpus * threads,
        minutes=math.ceil(timeout_minutes),
        settings=launch_command.settings(place.folder, threads=threads),
        **vars(place),
    )


def check(kind: str, place: Place, ranks: int) -> None:
    """Check that the hosts have the stage's ranks, and that nothing is missing that this kind needs.

    Args:
        kind: a key of `TEMPLATES`.
        place: the hosts.
        ranks: the stage's, over all hosts.

    Raises:
        ValueError: what came, what is allowed, where to mend it.
    """
    if kind not in TEMPLATES:
        raise ValueError(f"kind {kind!r} came, allowed are {sorted(TEMPLATES)}")
    if place.nodes < 1 or place.gpus < 1 or place.nodes * place.gpus != ranks:
        raise ValueError(
            f"{place.nodes} nodes of {place.gpus} GPUs are {place.nodes * place.gpus} ranks, the stage has {ranks}; "
            "change --nodes and --gpus-per-node, or `ranks` of the stage in the recipe"
        )
    for name, path in (("--folder", place.folder), (interpreter.VARIABLE, place.python)):
        if path and not re.fullmatch(r"/[\w./-]*", str(path)):
            raise ValueError(f"{name} {str(path)!r} came, allowed is an absolute path without blanks")
    if kind == "deepspeed" and (
        len(set(place.hosts)) != place.nodes or not all(re.fullmatch(_HOST, host) for host in place.hosts)
    ):
        raise ValueError(
            f"--hosts names {list(place.hosts)}, allowed are {place.nodes} different host names with commas between"
        )
    if kind == "kubernetes" and not (place.image and place.claim):
        raise ValueError(
            f"--image {place.image!r} and --claim {place.claim!r} came; kubernetes needs the container image and the "
            "persistent volume claim of the project folder"
        )


def shell(words: str | Path | Iterable[str]) -> str:
    """Quote words for a shell, which fills in the variable RUN_ID itself."""
    words = [str(words)] if isinstance(words, str | Path) else words
    return " ".join(f'"{word}"' if word == RUN_ID else shlex.quote(word) for word in words)


def arguments_of(
    recipe_path: Path,
    recipe: params.Recipe,
    stage: params.Stage,
    data_params: Path,
    overrides: Sequence[str] = (),
) -> list[str]:
    """Return the arguments of `components.train` for a stage on the present data, with the pipeline's own folders.

    Args:
        recipe_path: file of the recipe.
        recipe: its content.
        stage: of the recipe.
        data_params: params/data.yaml.
        overrides: changes of the recipe, which `recipe` has.

    Raises:
        ValueError: the data graph has not been run, so that the stage has no key.
    """
    root, dataset = Path.cwd(), plan.dataset_digest(Path("dvc.lock"))
    world = plan.world_values(params.load(data_params, params.Data))
    keys = plan.stage_keys(recipe, dataset=dataset, world=world)
    # relative, so that they hold on every host; the pipeline's own are below its root
    folders = {name: plan.checkpoint_dir(Path(), name, key) for name, key in keys.items()}
    return launch_command.arguments(
        recipe=recipe_path,
        stage=stage.name,
        parents={part: folders[parent] for part, parent in stage.parents.items()},
        data=Path("data"),
        output=folders[stage.name],
        run_id=RUN_ID,
        provenance={
            "stage_key": keys[stage.name],
            "versions": versions.of(recipe, stage),
            "code_digest": plan.code_digest(plan.code_files(root)),
            "git_commit": git_commit(root),
            "dataset_digest": dataset,
            "recipe_file": str(recipe_path),
            "overrides": " ".join(overrides),
        },
        overrides=overrides,
    )


def main() -> int:
    """Read the command line, print the script or manifest, return the exit code."""
    parser = argparse.ArgumentParser(prog="components.train.multi_node", description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", required=True, help="YAML file, or its bare name in params/recipes")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes of it: stages.sft.max_steps=60")
    parser.add_argument("--stage", required=True, help="name of a stage of the recipe")
    parser.add_argument("--kind", required=True, choices=sorted(TEMPLATES))
    parser.add_argument("--nodes", type=int, required=True, help="hosts")
    parser.add_argument("--gpus-per-node", type=int, required=True, help="times nodes: the ranks of the stage")
    parser.add_argument("--port", type=int, default=29500, help="of the first host (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="project folder on every host (default: this)")
    parser.add_argument("--hosts", default="", help="deepspeed: host names with commas between, that of rank 0 first")
    parser.add_argument("--image", help="kubernetes: container image with the dependencies")
    parser.add_argument("--claim", help="kubernetes: persistent volume claim, mounted at --folder")
    parser.add_argument("--params", type=Path, default=Path("params/data.yaml"))
    options = parser.parse_args()
    hosts = tuple(host for host in options.hosts.split(",") if host)
    named = os.environ.get(interpreter.VARIABLE)
    place = Place(
        options.nodes,
        options.gpus_per_node,
        options.port,
        options.folder,
        hosts,
        options.image,
        options.claim,
        options.folder / named if named else None,
    )
    try:
        path = params.find_recipe(options.recipe)
        recipe = params.load_recipe(path, options.overrides)
        stage = next((stage for stage in recipe.stages if stage.name == options.stage), None)
        if stage is None:
            raise ValueError(f"stage {options.stage!r} is not in {path}, allowed are {[s.name for s in recipe.stages]}")
        refuse(verdict.problems(recipe, params.load(options.params, params.Data)), title(path, options.overrides))
        text = render(
            options.kind,
            place,
            name=f"{recipe.name}-{stage.name}",
            ranks=stage.ranks,
            threads=stage.threads_per_rank,
            timeout_minutes=stage.timeout_minutes,
            arguments=arguments_of(path, recipe, stage, options.params, options.overrides),
        )
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
