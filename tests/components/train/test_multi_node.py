"""What starts a stage on several hosts: the text, and two hosts on loopback addresses that train by that text."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from safetensors.torch import load_file

from components import params
from components.tracking import history
from components.train import launch_command, multi_node, plan
from flows import supervisor
from tests.components.train.conftest import ROOT, shrunk_recipe, write_fresh

TOLD = {
    "recipe": Path("params/recipes/exo2ego.yaml"), "stage": "stage2", "data": Path("data"),
    "parents": {"all": Path("checkpoints/stage1-0a"), "exo_encoder": Path("checkpoints/it's one")},
    "output": Path("checkpoints/stage2-0b"), "provenance": {"stage_key": "0b", "dataset_digest": None},
}  # fmt: skip
PLACE = multi_node.Place(
    2, 8, 29500, Path("/shared/egoflow"), ("gpu-1", "gpu-2"), "registry.example/egoflow:1", "project"
)


def rendered(kind: str, place: multi_node.Place = PLACE, **changes) -> str:
    job = {"name": "exo2ego-stage2", "ranks": 16, "threads": 4, "timeout_minutes": 90.5} | changes
    return multi_node.render(kind, place, arguments=launch_command.arguments(**TOLD, run_id=multi_node.RUN_ID), **job)


def told(words: list[str]) -> list[str]:
    return words[words.index("components.train") + 1 :]


WANTED = told(launch_command.command(**TOLD, ranks=16, run_id=multi_node.RUN_ID))


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


@pytest.mark.parametrize("kind", ["deepspeed", "slurm"])
def test_scripts_are_bash_and_tell_each_rank_what_one_host_would(kind, tmp_path):
    script = tmp_path / "stage.sh"
    script.write_text(rendered(kind))
    subprocess.run(["bash", "-n", str(script)], check=True)
    words = shlex.split(script.read_text(), comments=True)
    assert told(words) == WANTED
    assert '--run-id "$RUN_ID"' in script.read_text()  # the shell fills this one in
    exported = {word for word in words if word.startswith("OMP_NUM_THREADS=")}
    assert exported == {"OMP_NUM_THREADS=4"}


def test_a_script_without_a_run_says_what_is_missing(tmp_path):
    for kind in ("deepspeed", "slurm"):
        done = subprocess.run(["bash", "-c", rendered(kind)], cwd=tmp_path, env={}, capture_output=True, text=True)
        assert done.returncode != 0 and "RUN_ID: the id of the MLflow run" in done.stderr


def test_a_slurm_job_asks_for_the_ranks_of_the_stage():
    text = rendered("slurm")
    asked = dict(
        line[len("#SBATCH --") :].split("=", 1) for line in text.splitlines() if line.count("=") and "#SB" in line
    )
    words = shlex.split(text, comments=True)
    assert int(asked["nodes"]) * int(asked["gpus-per-node"]) == 16
    assert int(option(words, "--nnodes")) * int(option(words, "--nproc-per-node")) == 16
    assert (asked["ntasks-per-node"], asked["cpus-per-task"], asked["time"]) == ("1", "32", "91")


def test_hosts_train_with_the_project_environment_or_with_the_one_that_is_named():
    named = multi_node.Place(**{**vars(PLACE), "python": Path("/opt/train/bin/python")})
    for kind in ("deepspeed", "slurm"):
        assert 'export PATH=/shared/egoflow/.venv/bin:"$PATH"\n' in rendered(kind)
        assert 'export PATH=/opt/train/bin:"$PATH"\n' in rendered(kind, named)
    commands = [
        list(YAML(typ="safe").load_all(rendered("kubernetes", place)))[1]["spec"]["template"]["spec"]["containers"][0]
        for place in (PLACE, named)
    ]
    assert [container["command"] for container in commands] == [["torchrun"], ["/opt/train/bin/torchrun"]]


def test_a_hostfile_has_a_slot_for_each_rank():
    text = rendered("deepspeed")
    assert [line for line in text.splitlines() if " slots=" in line] == ["gpu-1 slots=8", "gpu-2 slots=8"]
    assert option(shlex.split(text, comments=True), "--master_addr") == "gpu-1"


def test_a_manifest_gives_the_ranks_names_that_resolve_and_holds_no_key():
    service, job = YAML(typ="safe").load_all(rendered("kubernetes"))
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    spec = job["spec"]
    pod, container = spec["template"]["spec"], spec["template"]["spec"]["containers"][0]
    words = container["args"]
    assert told(words) == ["$(RUN_ID)" if word == multi_node.RUN_ID else word for word in WANTED]
    assert spec["completions"] == spec["parallelism"] == int(option(words, "--nnodes")) == 2
    assert container["resources"]["limits"]["nvidia.com/gpu"] == int(option(words, "--nproc-per-node")) == 8
    assert spec["completionMode"] == "Indexed" and option(words, "--node-rank") == "$(NODE_RANK)"
    # the name of a pod is that of its job and its index, below the service that is its subdomain
    name, subdomain = job["metadata"]["name"], pod["subdomain"]
    assert subdomain == service["metadata"]["name"] and service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": name}
    assert option(words, "--master-addr") == f"{name}-0.{subdomain}"
    assert spec["activeDeadlineSeconds"] == 91 * 60
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert given == launch_command.settings(PLACE.folder, threads=4) | {"NODE_RANK": None}


@given(st.integers(-1, 6), st.integers(-1, 6), st.integers(1, 16))
def test_hosts_that_do_not_give_the_ranks_are_refused(count, gpus, ranks):
    place = multi_node.Place(count, gpus, 29500, Path("/shared"))
    if count > 0 and gpus > 0 and count * gpus == ranks:
        multi_node.check("slurm", place, ranks)
    else:
        with pytest.raises(ValueError, match=f"are {count * gpus} ranks, the stage has {ranks}; change --nodes"):
            multi_node.check("slurm", place, ranks)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("deepspeed", {"hosts": ("gpu-1",)}, "--hosts names .*allowed are 2 different host names"),
        ("deepspeed", {"hosts": ("gpu-1", "gpu-2 slots=9")}, "--hosts names"),
        ("kubernetes", {"image": None}, "--image None and --claim 'project' came"),
        ("slurm", {"folder": Path("/a folder")}, "allowed is an absolute path without blanks"),
        (
            "slurm",
            {"python": Path("bin/python")},
            "EGOFLOW_TRAIN_PYTHON 'bin/python' came, allowed is an absolute path",
        ),
        ("ray", {}, r"kind 'ray' came, allowed are \['deepspeed', 'kubernetes', 'slurm'\]"),
    ],
)
def test_what_a_kind_needs_is_named(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        rendered(kind, multi_node.Place(**{**vars(PLACE), **changes}))


def run_main(monkeypatch, *words: str) -> int:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["nodes", "--kind", "slurm", *words])
    return multi_node.main()


def test_a_python_below_the_project_folder_is_found_on_every_host(monkeypatch, capsys):
    monkeypatch.setenv("EGOFLOW_TRAIN_PYTHON", ".venv-training/bin/python")
    words = ("--stage", "stage2", "--nodes", "2", "--gpus-per-node", "8", "--folder", "/shared/egoflow")
    assert run_main(monkeypatch, "--recipe", "exo2ego", *words) == 0
    assert 'export PATH=/shared/egoflow/.venv-training/bin:"$PATH"\n' in capsys.readouterr().out


def test_the_command_line_prints_the_script_of_the_stage_that_the_pipeline_would_train(monkeypatch, capsys):
    assert (
        run_main(monkeypatch, "--recipe", "exo2ego", "--stage", "stage2", "--nodes", "2", "--gpus-per-node", "8") == 0
    )
    words = told(shlex.split(capsys.readouterr().out, comments=True))
    assert option(words, "--recipe") == "params/recipes/exo2ego.yaml"
    made_of = json.loads(option(words, "--provenance"))
    made_by = {"recipe_file", "overrides"}
    assert set(made_of) == {"stage_key", "versions", "code_digest", "git_commit", "dataset_digest"} | made_by
    assert option(words, "--output") == f"checkpoints/stage2-{made_of['stage_key'][:12]}"
    assert set(json.loads(option(words, "--parents")).values()) <= {
        str(plan.checkpoint_dir(Path(), name, key))
        for name, key in plan.stage_keys(
            params.load(ROOT / "params/recipes/exo2ego.yaml", params.Recipe),
            dataset=made_of["dataset_digest"],
            world=plan.world_values(params.load(ROOT / "params/data.yaml", params.Data)),
        ).items()
    }


def test_the_command_line_refuses_hosts_that_do_not_add_up(monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        run_main(monkeypatch, "--recipe", "exo2ego", "--stage", "stage2", "--nodes", "4", "--gpus-per-node", "8")
    assert ended.value.code == 2
    assert "4 nodes of 8 GPUs are 32 ranks, the stage has 16" in capsys.readouterr().err


# In the place of a cluster: two "hosts" are two loopback addresses, and each gets processes and a node rank of its own.
CLUSTER = {
    "scontrol": "printf '127.0.0.1\\n127.0.0.2\\n'",
    "srun": """
        while [[ $1 == --* ]]; do shift; done
        SLURM_NODEID=0 "$@" & first=$!
        SLURM_NODEID=1 "$@" & second=$!
        wait $first && wait $second
    """,
    "ssh": "exit 0",
    "pdsh": """
        while [[ $1 == -* ]]; do [[ $1 == -S ]] && shift || shift 2; done
        remote="$*"
        bash -c "${remote//'%n'/0}" & first=$!
        bash -c "${remote//'%n'/1}" & second=$!
        wait $first && wait $second
    """,
}


@pytest.fixture
def cluster(tmp_path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in CLUSTER.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def one_host(workshop) -> tuple[Path, Path, Path]:
    """A recipe whose `init_ego` has two ranks, the checkpoint that it starts from, and that of one host."""
    path, alone = (workshop.folder / name for name in ("two.yaml", "one_host"))
    recipe = shrunk_recipe(path, lambda stage: {"ranks": 2} if stage["name"] == "init_ego" else {})
    base = write_fresh(workshop.folder / "base", recipe.model)
    stage = next(stage for stage in recipe.stages if stage.name == "init_ego")
    workshop.train(path, stage, {"all": base}, alone, workshop.open_run("one_host"), warm=True)
    return path, base, alone


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["slurm", "deepspeed"])
def test_two_hosts_learn_bit_for_bit_what_two_ranks_of_one_host_learn(kind, one_host, workshop, cluster, tmp_path):
    path, base, alone = one_host
    output = workshop.folder / kind
    # the project folder that every host sees
    shared = tmp_path / "shared"
    shared.mkdir()
    for name in ("components", "params"):
        (shared / name).symlink_to(ROOT / name)
    place = multi_node.Place(
        2, 1, launch_command._free_port(), shared, ("127.0.0.1", "127.0.0.2"), python=workshop.warm_python
    )
    arguments = launch_command.arguments(
        recipe=path, stage="init_ego", parents={"all": base}, data=workshop.data, output=output,
        run_id=multi_node.RUN_ID, provenance={"stage_key": "k"},
    )  # fmt: skip
    script = tmp_path / "stage.sh"
    script.write_text(
        multi_node.render(kind, place, name=kind, ranks=2, threads=1, timeout_minutes=1, arguments=arguments)
    )
    environment = launch_command.environment(ROOT, threads=1)
    environment |= {"RUN_ID": workshop.open_run(kind), "SLURM_JOB_NODELIST": "two"}
    environment["PATH"] = f"{cluster}:{environment['PATH']}"
    supervisor.supervise(["bash", str(script)], environment, log_path=tmp_path / "stage.log", timeout_s=850)
    expected, learned = (load_file(folder / "model" / "model.safetensors") for folder in (alone, output))
    assert set(learned) == set(expected)
    assert all(torch.equal(learned[name], expected[name]) for name in expected)
    curves = [
        [(row["step"], row["loss"]) for row in history.read(folder / "history.jsonl")[0]] for folder in (alone, output)
    ]
    assert curves[0] == curves[1] and len(curves[0]) == 2
    one, two = (json.loads((folder / "stage.json").read_text()) for folder in (alone, output))
    assert two["samples_digest"] == one["samples_digest"] is not None
