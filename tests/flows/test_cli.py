"""The console command: what it imports, that its options are those of the programs, and each subcommand, cheaply."""

import argparse
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows import check, cli, options
from tests.flows import stand_in

HEAVY = ("torch", "prefect", "mlflow", "great_expectations", "transformers", "numpy", "pydantic", "pyarrow", "rich")


SLOW = ("torch", "prefect", "mlflow", "dvc")


class Captured(Exception):  # noqa: N818 - no error
    pass


def options_of(parser: argparse.ArgumentParser) -> set[tuple]:
    """Give what a person can write: names, defaults and choices of the options."""
    return {
        (tuple(action.option_strings) or action.dest, str(action.default), str(action.choices), action.nargs)
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    }


def subcommands() -> dict[str, argparse.ArgumentParser]:
    [action] = [one for one in cli.parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(action.choices)


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in options.COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]):
    code = (
        "import sys; from flows import cli\n"
        f"try: cli.main({words!r})\n"
        f"except SystemExit as end: assert end.code == 0\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=stand_in.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]" and "usage: egoflow" in done.stdout


@pytest.mark.parametrize("name", list(cli.PROGRAMS))
def test_a_subcommand_takes_what_its_program_takes(name: str, monkeypatch: pytest.MonkeyPatch):
    module, first = cli.PROGRAMS[name]
    if name == "dry-run":
        module += ".__main__"
    captured = []

    def parse(self: argparse.ArgumentParser, *_: object) -> None:
        captured.append(self)
        raise Captured

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    with pytest.raises(Captured):
        importlib.import_module(module).main()
    theirs, ours = options_of(captured[0]), options_of(subcommands()[name])
    if name == "dry-run":  # the program trains, too; the subcommand only plans
        theirs = {option for option in theirs if option[0] in {known[0] for known in ours}}
        assert len(theirs) == len(ours)
    assert ours == theirs


def test_completion_knows_every_subcommand(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        cli.main(["--print-completion", "bash"])
    script = capsys.readouterr().out
    assert end.value.code == 0 and all(name in script for name in options.COMMANDS) and "--gpu-memory-gib" in script


def test_an_unknown_subcommand_names_those_there_are(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        cli.main(["fly"])
    assert "'dry-run'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = stand_in.make(tmp_path_factory.mktemp("project"))
    shutil.copytree(stand_in.ROOT / "components/report", root / "components/report", dirs_exist_ok=True)
    stand_in.write_yaml(root / "params/ablations/tiny.yaml", TINY)
    return root


TINY = {
    "name": "tiny",
    "recipe": stand_in.RECIPE,
    "at": "second",
    "against": "full",
    "reseed": ["second"],
    "measures": {"QA": ["qa/accuracy"]},
    "arms": {"full": {}, "late": {"changes": {"second.weight_decay": 0.5}}},
}


def egoflow(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return stand_in.python(root, "-c", "import sys; from flows import cli; sys.exit(cli.main())", *words)


WRONG = {
    "run --recipe minature": "recipe 'minature' is no file (did you mean miniature?)",
    "run stages.secnd.max_steps=2": "'secnd' is no stage (did you mean second?)",
    "train --recipe miniature stages.second.max_step=2": "the key is unknown (did you mean max_steps",
    "evaluate stages.second.ranks=-1": "stage 'second', `ranks`: -1 came",
    "compare --comparison tinny": "comparison 'tinny' is no file (did you mean tiny?)",
    "compare --comparison tiny stages.second.sed=1": "`sed`: the key is unknown (did you mean seed",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_mistake_imports_nothing_slow_and_is_one_panel(made: Path, words: str):
    code = (
        "import sys, time; from flows import cli\n"
        f"assert cli.main({words.split()!r}) == 1\n"
        f"print([name for name in {SLOW!r} if name in sys.modules], time.process_time())"
    )
    done = stand_in.python(made, "-c", code)
    assert done.returncode == 0, done.stderr
    modules, _, process_s = done.stdout.strip().rpartition(" ")
    assert modules == "[]" and float(process_s) < 4, "below 1 s where nothing else runs"
    told = " ".join(done.stderr.replace("│", " ").split())
    assert told.count(WRONG[words]) == 1, "arms that have the same mistake tell it once"
    assert done.stderr.count("stopped by") == 1 and "Traceback" not in done.stderr and WRONG[words] in told


@pytest.mark.slow
def test_bare_names_work_and_nothing_is_run_by_a_plan(made: Path):
    done = egoflow(made, "run", "--recipe", "miniature", "--dry-run")
    assert done.returncode == 0 and "nothing was run" in done.stdout, done.stderr
    done = egoflow(made, "compare", "--comparison", "tiny", "--seeds", "1", "--dry-run")
    assert done.returncode == 0 and "2 runs" in done.stdout, done.stderr
    done = egoflow(made, "compare", "--comparison", "nothing", "--dry-run")
    assert done.returncode == 1 and "'nothing' is no file, allowed are also the names" in done.stderr
    done = egoflow(made, "run", "stages.second.max_steps=2", "--dry-run")
    assert done.returncode == 0 and "miniature.yaml with stages.second.max_steps=2" in " ".join(done.stdout.split()), (
        done.stderr
    )
    done = egoflow(made, "compare", "stages.first.max_steps=2", "--comparison", "tiny", "--seeds", "1", "--dry-run")
    assert done.returncode == 0 and "tiny.yaml with stages.first.max_steps=2" in " ".join(done.stdout.split()), (
        done.stderr
    )
    assert len(list(made.glob("reports/compare-tiny*"))) == 2, "the results of a changed comparison lie elsewhere"
    assert not (made / "checkpoints").exists()


@pytest.mark.long
def test_data_train_and_evaluate_print_their_stages(made: Path):
    for name, stages in {"data": ["world", "frames"], "train": ["text", "second"], "evaluate": ["second"]}.items():
        done = egoflow(made, name)
        assert done.returncode == 0, done.stderr[-2000:]
        assert all(stage in done.stdout for stage in stages) and "stages" in done.stdout
    assert len(list(made.glob("checkpoints/*/stage.json"))) == 4
    done = egoflow(made, "train", "--recipe", "nothing")
    assert done.returncode == 1 and "'nothing' is no file" in done.stderr


def test_what_is_shipped_is_right(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(stand_in.ROOT)
    files = sorted(Path("params").rglob("*.yaml"))
    assert len(files) > 9 and check.check(files) == {}


def test_all_mistakes_are_told_at_once(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(made)
    recipe = {"name": "a", "model": {"architecture": "moon"}, "stages": []}
    stand_in.write_yaml(Path("params/recipes/a.yaml"), recipe)
    stand_in.write_yaml(Path("params/ablations/b.yaml"), TINY | {"arms": {"full": {"changes": {"third.seed": 1}}}})
    stand_in.write_yaml(Path("params/c.yaml"), {})
    names = ["params/recipes/a.yaml", "params/ablations/b.yaml", "params/c.yaml", "params/ablations/tiny.yaml"]
    monkeypatch.setattr("sys.argv", ["check", *names])
    assert check.main() == 1
    printed = capsys.readouterr().out
    assert printed.count(": wrong") == 3 and "tiny.yaml: good" in printed
    for words in ("moon", "'third.seed'", "c.yaml came, allowed are data.yaml, eval.yaml"):
        assert words in printed
    monkeypatch.setattr("sys.argv", ["check", names[3]])
    assert check.main() == 0


def test_a_program_gets_its_arguments_and_its_exit_code_is_ours(made: Path):
    done = egoflow(made, "check", "params/ablations/tiny.yaml")
    assert done.returncode == 0 and done.stdout == "params/ablations/tiny.yaml: good\n"
    assert egoflow(made, "check", "no.yaml").returncode == 1


def test_options_of_a_rehearsal_are_refused_without_one(monkeypatch: pytest.MonkeyPatch, capsys):
    from flows import pipeline

    monkeypatch.setattr(sys, "argv", ["pipeline", "--ranks", "2"])
    with pytest.raises(SystemExit):
        pipeline.main()
    assert "add --rehearse" in capsys.readouterr().err
