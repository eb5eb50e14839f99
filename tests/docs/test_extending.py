"""The steps of docs/extending.md, carried out in a copy of the project: what they add is accepted, listed and used."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests import structure, test_dvc_deps
from tests.flows import stand_in

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/extending.md").read_text()
BLOCK = re.compile(r'^( *)```(\w+) title="(\S+)"\n(.*?)^ *```', re.DOTALL | re.MULTILINE)
COPIED = ("components", "flows", "infra", "params", "dvc.yaml", "dvc.lock", "pyproject.toml")
COUNT_SAMPLE = {"answer": "3", "task": "count", "view": "ego", "question_type": "count", "sample_id": "a"}


def blocks(section: str) -> list[tuple[str, str, str]]:
    """Return (language, file, text) of the blocks of one section of the page."""
    found = BLOCK.findall(PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0])
    return [(language, file, textwrap.dedent(text) if indent else text) for indent, language, file, text in found]


def sections() -> list[str]:
    return re.findall(r"^## (.+)$", PAGE, re.MULTILINE)


def applied(before: str, diff: str) -> str:
    """Return a text after the changes of a diff block: `+` lines stand below the line named or replaced before them."""
    lines = before.splitlines()
    at = None
    for line in diff.splitlines():
        sign, text = line[:1], line[1:]
        if sign == "+":
            lines.insert(at, text)
            at += 1
            continue
        assert sign in ("-", " "), line
        assert lines.count(text) == 1, f"{lines.count(text)} lines are {text!r}; the page needs exactly one"
        at = lines.index(text)
        if sign == "-":
            del lines[at]
        else:
            at += 1
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project in which every section has been carried out."""
    root = tmp_path_factory.mktemp("extended")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    for section in sections():
        for language, file, text in blocks(section):
            path = root / file
            path.write_text(applied(path.read_text(), text) if language == "diff" else text)
    done = stand_in.python(root, "-m", "dvc", "init", "--no-scm", "-q")
    assert done.returncode == 0, done.stderr
    return root


def ran(project: Path, *arguments: str) -> str:
    done = stand_in.python(project, *arguments, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def seen(project) -> dict:
    """What a process of the copied project says of the things that were added to dicts."""
    code = f"""
        import json, pathlib, types, pyarrow, torch
        from components import params
        from components.evaluation import items, score
        from components.train import algorithms, confidence, supervised
        from components.train.grpo.trainer import reward_function
        recipe = params.load(pathlib.Path("params/recipes/miniature.yaml"), params.Recipe)
        stages = {{stage.name: stage for stage in recipe.stages}}
        reward = reward_function("brevity")
        said = ["<think>here</think><answer>1</answer>", "<think>" + "so " * 20 + "</think><answer>1</answer>", "1"]
        grids = {{name: torch.rand(2, 4, 3, 3) for name in ("x", "y", "fx")}}
        guided = types.SimpleNamespace(loss=torch.tensor(1.0), grids=grids)
        made = supervised.losses({{"vtg": 1.0, "cosine": 0.5}})(lambda **batch: guided, {{}})
        sure = types.SimpleNamespace(loss=torch.tensor(1.0), logits=torch.zeros(2, 4))
        held_out = pyarrow.Table.from_pylist([{COUNT_SAMPLE!r}])
        samples, _ = items.select(items.of_task(held_out, "count_ego"), "count_ego", limit=5, seed=0)
        print(json.dumps({{
            "rewards": reward([[{{"content": one}}] for one in said], [{{}}] * 3),
            "weights": stages["grpo"].grpo.reward_weights,
            "cosine": made["cosine"].item(), "total": made["total"].item(),
            "weight": stages["stage2"].loss_weights["cosine"],
            "count": score.TASKS["count_ego"][0](samples * 3, ["3", "4", "many"]), "asked": stages["stage3"].evaluate,
            "limit": params.load(pathlib.Path("params/eval.yaml"), params.Eval).limits["count_ego"],
            "confidence": confidence.losses(lambda **batch: sure, {{}})["total"].item(),
            "algorithms": sorted(algorithms.ALGORITHMS), "algorithm": stages["calibrated"].algorithm,
        }}))
    """
    return json.loads(ran(project, "-c", textwrap.dedent(code)).splitlines()[-1])


@pytest.mark.parametrize("section", sections())
def test_the_page_counts_the_files_of_every_section(section):
    touched = len({file for _, file, _ in blocks(section)})
    assert re.search(rf"^\| \[{section.lower()}\]\(#[\w-]+\) \| {touched} \|", PAGE, re.MULTILINE | re.IGNORECASE)


def test_a_block_needs_its_line_exactly_once():
    assert applied("a\nb\n", " a\n+x\n-b\n+c") == "a\nx\nc\n"
    with pytest.raises(AssertionError, match="2 lines are 'a'"):
        applied("a\na\n", " a\n+x")


def test_linters_accept_every_addition(project):
    files = sorted({file for section in sections() for _, file, _ in blocks(section) if file.endswith(".py")})
    ran(project, "-m", "ruff", "check", *files)
    ran(project, "-m", "ruff", "format", "--check", *files)
    deps = test_dvc_deps.compare("coverage", structure.imports(project), project)
    assert deps == {"missing": set(), "unused": set(), "too wide": set()}
    assert "0 broken" in ran(project, "-c", "from importlinter.cli import lint_imports_command as l; l()")


@pytest.mark.slow
def test_a_reward_is_given_to_the_trainer(seen):
    assert seen["rewards"] == [1.0, 0.0, None]
    assert seen["weights"]["brevity"] == 0.2


@pytest.mark.slow
def test_a_loss_joins_the_total(seen):
    assert seen["total"] == pytest.approx(1.0 + 0.5 * seen["cosine"])
    assert seen["cosine"] > 0 and seen["weight"] == 1.0


@pytest.mark.slow
def test_a_benchmark_task_selects_and_scores_its_samples(seen):
    assert seen["count"] == {"exact": [1.0, 0.0, 0.0], "within_one": [1.0, 1.0, 0.0]}
    assert "count_ego" in seen["asked"] and seen["limit"] == 200


@pytest.mark.slow
def test_an_algorithm_is_composed_by_its_name(seen):
    assert seen["confidence"] == pytest.approx(1.0 - 0.1 * 1.3862944)  # the entropy of four equal words
    assert "confidence" in seen["algorithms"] and seen["algorithm"] == "confidence"


@pytest.mark.slow
def test_the_dry_run_lists_added_steps_and_stages(project):
    shown = ran(project, "-m", "flows.pipeline", "--dry-run")
    assert re.search(r"data\W+coverage\W+runs", shown)
    assert re.search(r"train\W+more_questions\W+runs", shown)
    assert re.search(r"train\W+calibrated\W+runs", shown)


@pytest.mark.slow
def test_the_dry_run_of_a_comparison_lists_its_arms(project):
    shown = ran(project, "-m", "flows.compare", "--comparison", "params/ablations/warmup.yaml", "--dry-run")
    assert "with warm-up" in shown and "without" in shown


@pytest.mark.slow
def test_sources_and_a_step_run_up_to_their_contracts(project, tiny_world):
    raw = {name: project / "data/raw" / name for name in ("petkitchen", "keysteps")}
    for folder in raw.values():
        folder.mkdir(parents=True)
    raw["petkitchen"].joinpath("captions.csv").write_text("clip,caption,split\na,the cat jumps,train\nb,,test\n")
    take = next(planned for planned in tiny_world.planned if planned.split == "train" and not planned.is_dropped).uid
    raw["keysteps"].joinpath("keysteps.csv").write_text(f"take_id,start,end,text\n{take},1,4,set the table\nx,1,2,y\n")
    settings = YAML(typ="safe").load((project / "params/data.yaml").read_text())
    settings["sources"] |= {name: str(path) for name, path in tiny_world.params.sources.given().items()}
    stand_in.write_yaml(project / "params/tiny.yaml", settings)
    code = """
        import json, pandas, pathlib
        from components import params
        from components.data import __main__ as data
        from components.data.egoit.instruction_templates import CAPTIONING
        from components.data.egoit.captioning import interval_captions
        settings = params.load(pathlib.Path("params/tiny.yaml"), params.Data)
        for step in ("annotations", "clips", "coverage"):
            data.run(step, settings, pathlib.Path("data"))  # ends at the step's contract
        read = lambda name: pandas.read_parquet(f"data/annotations/{name}.parquet")
        captions, intervals, rejects = read("captions"), read("intervals"), read("rejects")
        mine = intervals[intervals["source"] == "keysteps"]
        made, _ = interval_captions(mine, read("videos"), CAPTIONING, seed=0)
        said = rejects[rejects["step"].isin(["annotations/petkitchen", "annotations/keysteps"])]
        clips = pandas.read_parquet("data/clips/clips.parquet")
        covered = pandas.read_parquet("data/coverage/coverage.parquet")
        print(json.dumps({
            "captions": captions[captions["source"] == "petkitchen"]["text"].to_list(),
            "intervals": mine["text"].to_list(), "rejects": sorted(said["reason"]),
            "covered": len(clips) > 0 and covered["clips"].sum().item() == len(clips),
            "answers": made["answer"].to_list(), "asked": made["question"].isin(CAPTIONING["keysteps"]).all().item(),
        }))
    """
    found = json.loads(ran(project, "-c", textwrap.dedent(code)).splitlines()[-1])
    assert found == {
        "captions": ["the cat jumps"],
        "intervals": ["set the table"],
        "rejects": ["empty_text", "no_video"],
        "covered": True,
        "answers": ["set the table"],
        "asked": True,
    }
