"""Each stage of dvc.yaml names in `deps` the code that it runs, and no other: a change reruns what it touches.

The code of a stage is its entry module with all that it imports inside `components`, directly or not, in functions too.
`python -m components.data STEP` enters at `components.data.STEP`, or at `components.data.STEP.step` where the step is a
package; `python -m components.PACKAGE` enters at `components.PACKAGE.__main__`. Four rules go with it:

- `components/params` is left out: the values that a stage reads stand below its `params`.
- `components/data/__main__.py` is left out, and with it the other steps: it loads one step by name and makes no table.
- `components/records/step_guard.py` is left out, which watches over the run of a stage and makes no table.
- The contracts check the tables of every step of `components.data`, so the files of `components/data/contracts` belong
  to each. What those import for a name or a limit does not, or a change in any step would rerun all of them.

An `__init__.py` counts where something is imported from it, not where it only stands above a module that is.
"""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components import params
from components.data import graph_deps
from tests import structure
from tests.checkout import write_checkout

PARAMS = "components.params"
GUARD = {"components.records.step_guard", "components.records.single_writer"}
CONTRACTS = "components.data.contracts"


def stages(root: Path) -> dict[str, dict]:
    return YAML(typ="safe").load((root / "dvc.yaml").read_text())["stages"]


def is_below(name: str, package: str, separator: str) -> bool:
    return name == package or name.startswith(package + separator)


def entry_of(command: str, graph: structure.Imports) -> str:
    _, _, package, *arguments = command.split()
    if package != "components.data":
        return f"{package}.__main__"
    step = f"{package}.{arguments[0]}"
    is_package = any(module.startswith(f"{step}.") for module in graph)
    return f"{step}.step" if is_package else step


def file_of(module: str, root: Path) -> Path:
    path = root / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def with_data_files(paths: set[Path], root: Path) -> set[Path]:
    """Add the files that are no code (templates, styles, prompts) whose name stands in quotes in one of the files."""
    others = {path for path in (root / "components").rglob("*.*") if path.suffix not in (".py", ".pyc")}
    read = {other for other in others - paths if any(f'"{other.name}"' in path.read_text() for path in paths)}
    return with_data_files(paths | read, root) if read else paths


def code_of(command: str, graph: structure.Imports, root: Path) -> set[str]:
    """Return the files that make the outputs of a stage, and those that judge them, as paths below `root`."""
    entry = entry_of(command, graph)
    assert entry in graph, f"{command!r} in dvc.yaml runs {entry}, which is no module of components"
    modules = {entry} | structure.reached({name: found - GUARD for name, found in graph.items()}, entry)
    if is_below(entry, "components.data", "."):
        modules |= {module for module in graph if is_below(module, CONTRACTS, ".")}
    paths = {file_of(module, root) for module in modules if not is_below(module, PARAMS, ".")}
    return {str(path.relative_to(root)) for path in with_data_files(paths, root) if path.stat().st_size}


def compare(name: str, graph: structure.Imports, root: Path) -> dict[str, set[str]]:
    """Return what is wrong with the code entries of a stage's `deps`.

    Returns:
        `missing`: files of the stage that no entry covers; `unused`: entries that cover no file of it; `too wide`:
        entries that also cover the entry module of a stage whose code it does not run.
    """
    commands = {stage: content["cmd"] for stage, content in stages(root).items()}
    code = code_of(commands[name], graph, root)
    entries = {entry for entry in stages(root)[name]["deps"] if is_below(entry, "components", "/")}
    others = {str(file_of(entry_of(command, graph), root).relative_to(root)) for command in commands.values()} - code
    return {
        "missing": {path for path in code if not any(is_below(path, entry, "/") for entry in entries)},
        "unused": {entry for entry in entries if not any(is_below(path, entry, "/") for path in code)},
        "too wide": {entry for entry in entries if any(is_below(path, entry, "/") for path in others)},
    }


@pytest.fixture(scope="module")
def graph() -> structure.Imports:
    return structure.imports(structure.ROOT)


@pytest.mark.parametrize("name", stages(structure.ROOT))
def test_deps_are_the_code_of_the_stage(name, graph):
    wrong = {what: sorted(paths) for what, paths in compare(name, graph, structure.ROOT).items() if paths}
    assert not wrong, f"dvc.yaml: mend the deps of stage {name!r} (files, or folders of files): {wrong}"


def test_folders_that_the_parameters_name_are_deps():
    data = params.load(structure.ROOT / "params/data.yaml", params.Data)
    assert not graph_deps.undeclared(data, structure.ROOT)


CHECKOUT = {
    "components/data/__init__.py": "",
    "components/data/__main__.py": "from components.data import other\nfrom components.data.contracts import rules\n",
    "components/data/clean/__init__.py": "",
    "components/data/clean/step.py": "from components import params\ndef run():\n    from components import ids\n",
    "components/data/contracts/__init__.py": "",
    "components/data/contracts/rules.py": "from components.data import other\n",
    "components/data/other.py": "name = 1\n",
    "components/ids.py": "from components import digests\n",
    "components/digests.py": "name = 1\n",
    "components/params.py": "name = 1\n",
    "components/page/__init__.py": "name = 1\n",
    "components/page/__main__.py": 'PAGE = "page.html"\n',
    "components/page/page.html": '{% include "style.css" %}',
    "components/page/style.css": "p {}",
    "components/page/unread.html": "",
}
COMPLETE = ["components/data/clean", "components/data/contracts", "components/ids.py", "components/digests.py"]
PAGE = ["components/page/__main__.py", "components/page/page.html", "components/page/style.css"]


@pytest.mark.parametrize(
    ("stage", "deps", "wrong"),
    [
        ("clean", [*COMPLETE, "data/raw"], {}),
        ("clean", COMPLETE[:-1], {"missing": {"components/digests.py"}}),
        ("clean", [*COMPLETE, "components/params.py"], {"unused": {"components/params.py"}}),
        ("clean", ["components/data", *COMPLETE[2:]], {"too wide": {"components/data"}}),
        ("clean", ["components/data/clean", *COMPLETE[2:]], {"missing": {"components/data/contracts/rules.py"}}),
        ("page", PAGE, {}),
        ("page", PAGE[:-1], {"missing": {"components/page/style.css"}}),
        ("page", [*PAGE, "components/page/unread.html"], {"unused": {"components/page/unread.html"}}),
    ],
)
def test_what_is_wrong_with_deps(tmp_path, stage, deps, wrong):
    root = write_checkout(tmp_path, CHECKOUT)
    commands = {"clean": "data clean", "other": "data other", "page": "page"}
    graph_of_stages = {
        name: {"cmd": f"python -m components.{command} --params params/data.yaml", "deps": deps}
        for name, command in commands.items()
    }
    YAML().dump({"stages": graph_of_stages}, root / "dvc.yaml")
    found = compare(stage, structure.imports(root), root)
    assert {what: paths for what, paths in found.items() if paths} == wrong
