"""The commands that the pages show: collected, and given to the parser of the program that they name."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from ruamel.yaml import YAML

from flows import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SET = re.compile(r"([A-Z][A-Z0-9_]*)=.*")
# made by the installation, so not there in every checkout
_MADE = {".venv/bin/activate"}


class ParsedError(Exception):
    """A program has read its command line and would begin now."""


def shown() -> Iterator[tuple[str, list[str]]]:
    """Yield (page, words) of every single command, without its comment and redirections."""
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text()):
            for line in block.splitlines():
                yield from ((page.name, words) for words in split(line))


def split(line: str) -> list[list[str]]:
    """Return the single commands of a line of shell.

    >>> split("A=1 dvc repro > log && make demo  # both")
    [['A=1', 'dvc', 'repro'], ['make', 'demo']]
    """
    reader = shlex.shlex(line, posix=True, punctuation_chars=";&>")
    reader.whitespace_split = True
    commands: list[list[str]] = [[]]
    words = iter(reader)
    for word in words:
        if word == ">":
            next(words)
        elif word in (";", "&&"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def check(words: list[str]) -> None:
    """Make sure that a command would be understood.

    Raises:
        KeyError: nothing here knows the program, or the deployment.
        AssertionError, click.ClickException, cyclopts.CycloptsError, DvcParserError: what is wrong with it.
    """
    while words and (match := _SET.fullmatch(words[0])):
        _variable(match[1])
        words = words[1:]
    if words:
        for word in words[1:]:
            assert not word.startswith(("params/", "infra/", "tests/")) or (ROOT / word).exists(), word
        PROGRAMS[words[0].removeprefix(".venv/bin/")](words[1:])


def own_parser(module: str, arguments: list[str]) -> None:
    """Run `main` of one of our modules up to the moment at which its parser has read the arguments."""
    loaded = importlib.import_module(module)
    if not hasattr(loaded, "main"):
        loaded = importlib.import_module(f"{module}.__main__")
    parse, argv = argparse.ArgumentParser.parse_args, sys.argv

    def stop(parser: argparse.ArgumentParser, *given: object) -> None:
        parse(parser, *given)
        raise ParsedError

    argparse.ArgumentParser.parse_args, sys.argv = stop, [module, *arguments]
    try:
        loaded.main()
    except ParsedError:
        return
    except SystemExit as ended:
        assert ended.code == 0, f"{module} {arguments}: exit code {ended.code}"  # 0 is --help
        return
    finally:
        argparse.ArgumentParser.parse_args, sys.argv = parse, argv
    raise AssertionError(f"{module}.main() read no command line")


def _python(arguments: list[str]) -> None:
    option, module, *rest = arguments
    assert option == "-m", arguments
    if module.split(".")[0] in ("components", "flows", "docs", "tests"):
        own_parser(module, rest)
        for name, value in zip(rest, rest[1:], strict=False):
            if name == "--recipe":
                own_recipes = {path.stem for path in (ROOT / "params/recipes").glob("*.yaml")}
                assert value in own_recipes or (ROOT / value).is_file(), value
    else:
        PROGRAMS[module](rest)


def _click(find: Callable[[], click.Command]) -> Callable[[list[str]], None]:
    def parse(arguments: list[str]) -> None:
        command, rest = find(), arguments
        with click.Context(command) as context:
            while isinstance(command, click.Group):
                _, found, rest = command.resolve_command(context, rest)
                command = found
            command.make_context(command.name, list(rest))

    return parse


def _mlflow() -> click.Command:
    return importlib.import_module("mlflow.cli").cli


def _mkdocs() -> click.Command:
    return importlib.import_module("mkdocs.__main__").cli


def _lint_imports() -> click.Command:
    return importlib.import_module("importlinter.cli").lint_imports_command


def _dvc(arguments: list[str]) -> None:
    from dvc.cli import parse_args

    parse_args(arguments)


def _prefect(arguments: list[str]) -> None:
    from prefect.cli._app import _app  # the public `app` is a function that parses and runs

    _, bound, _ = _app.meta.parse_args(arguments, exit_on_error=False, print_error=False)
    _app.parse_args(bound.args, exit_on_error=False, print_error=False)
    if bound.args[:2] == ("deployment", "run"):
        flow, name = bound.args[2].split("/")
        known = YAML(typ="safe").load((ROOT / "infra/prefect.yaml").read_text())["deployments"]
        entry = {one["name"]: one["entrypoint"] for one in known}[name]
        path, function = entry.split(":")
        assert function == flow and f"def {flow}(" in (ROOT / path).read_text(), entry


def _make(arguments: list[str]) -> None:
    ran = subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def _pip(arguments: list[str]) -> None:
    assert arguments[:2] == ["install", "-e"], arguments
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extra = re.fullmatch(r"\.\[(\w+)\]", arguments[2])
    assert extra and extra[1] in extras, (arguments, sorted(extras))


def _source(arguments: list[str]) -> None:
    (file,) = arguments
    assert file in _MADE or (ROOT / file).is_file(), file


def _export(arguments: list[str]) -> None:
    for one in arguments:
        _variable(_SET.fullmatch(one)[1])


def _variable(name: str) -> None:
    if name in ("RAY_ADDRESS", "DAFT_RUNNER"):  # read by Ray and Daft themselves
        return
    files = [ROOT / "infra/env.example", *(ROOT / "components").rglob("*.py"), *(ROOT / "flows").rglob("*.py")]
    assert any(name in file.read_text() for file in files), f"nothing reads {name}"


def _paths(arguments: list[str]) -> None:
    assert arguments and all((ROOT / path).exists() for path in arguments), arguments


def _set(arguments: list[str]) -> None:
    assert arguments in (["-a"], ["+a"]), arguments


def _git(arguments: list[str]) -> None:
    # -h ends with 129 for a command that git knows, and with 1 for one that it does not
    ran = subprocess.run(["git", arguments[0], "-h"], capture_output=True)
    assert ran.returncode == 129, arguments


def _executed(*command: str) -> Callable[[list[str]], None]:
    def run(arguments: list[str]) -> None:
        ran = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    return run


def hooks() -> list[list[str]]:
    """Return the commands of the pre-commit hooks; they run our own tools and download nothing."""
    repositories = YAML(typ="safe").load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [one["repo"] for one in repositories] == ["local"]
    return [shlex.split(hook["entry"]) for one in repositories for hook in one["hooks"]]


def _pre_commit(arguments: list[str]) -> None:
    """The program is not among the dependencies; that its hooks run is a test of its own."""
    assert arguments == ["install"], arguments


def _egoflow(arguments: list[str]) -> None:
    if "--print-completion" in arguments:
        assert arguments[1] in ("bash", "zsh", "tcsh"), arguments
        return
    try:
        cli.parser().parse_args(arguments)
    except SystemExit as ended:
        assert ended.code == 0, f"egoflow {arguments}: exit code {ended.code}"  # 0 is --help


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "python": _python,
    "egoflow": _egoflow,
    "dvc": _dvc,
    "mlflow": _click(_mlflow),
    "mkdocs": _click(_mkdocs),
    "prefect": _prefect,
    "ruff": _executed(sys.executable, "-m", "ruff"),
    "lint-imports": _click(_lint_imports),  # tests/test_habits.py runs it
    "pytest": _paths,
    # these start long work, change the installation or speak to the outside: existence is what can be checked
    "make": _make,
    "pip": _pip,
    "git": _git,
    "pre-commit": _pre_commit,
    # parts of the shell
    "source": _source,
    ".": _source,
    "export": _export,
    "set": _set,
}
