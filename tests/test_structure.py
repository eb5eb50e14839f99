"""The structure of the code stays as simple as it is; `python -m tests.structure` shows the whole table."""

import pytest

from tests import structure
from tests.checkout import write_checkout

# Ratchets: what the code has today. Lower a number when a change allows it; raise one only in the commit that brings
# the new room or import between rooms, with the reason in its message.
MOST_ROOMS = 17
MOST_IMPORTS_BETWEEN_ROOMS = 59
MOST_LOOSE_FILES = 1  # storage.py: used from several rooms, and one file


@pytest.fixture(scope="module")
def graph() -> structure.Imports:
    return structure.imports(structure.ROOT)


def test_no_imports_run_in_a_cycle(graph):
    assert structure.cycles(graph) == set()


def test_rooms_are_few(graph):
    assert len(structure.rooms(graph)) <= MOST_ROOMS, sorted(structure.rooms(graph))


def test_imports_between_rooms_are_few(graph):
    between = structure.rooms(graph)
    assert sum(map(len, between.values())) <= MOST_IMPORTS_BETWEEN_ROOMS, between


def test_few_files_lie_beside_the_packages():
    assert len(structure.loose_files(structure.ROOT)) <= MOST_LOOSE_FILES, structure.loose_files(structure.ROOT)


def test_every_file_is_measured(graph):
    # a folder without __init__.py is no package: grimp passes it over, and so does a wheel of the project
    assert len(graph) == len(structure.lengths(structure.ROOT))


def test_imports_in_functions_and_for_type_checkers_count(tmp_path):
    files = {
        "components/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from components import b\n",
        "components/b.py": "def late():\n    from components.c import name\n",
        "components/c.py": "from components import a\nname = 1\n",
        "components/d.py": "from components import a, c\n",
        "flows/main.py": "from components.d import c\n",
    }
    graph = structure.imports(write_checkout(tmp_path, files))
    assert structure.cycles(graph) == {frozenset({"components.a", "components.b", "components.c"})}
    assert structure.rooms(graph) == {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "c"}, "flows": {"d"}}
    assert structure.loose_files(tmp_path) == {"a.py", "b.py", "c.py", "d.py"}


def test_layers_are_the_longest_chain_of_rooms():
    assert structure.layers({"top": {"middle", "low"}, "middle": {"low"}, "low": set(), "aside": {"low"}}) == 3
    assert structure.layers({"top": {"left"}, "left": {"right"}, "right": {"left", "low"}, "low": set()}) == 2


def test_two_checkouts_stand_side_by_side(tmp_path, monkeypatch, capsys):
    before = write_checkout(
        tmp_path / "before", {"components/a.py": "from components import b\n", "components/b.py": ""}
    )
    now = write_checkout(tmp_path / "now", {"components/a/__init__.py": "", "components/a/b.py": "x = 1\n"})
    monkeypatch.setattr("sys.argv", ["structure", "--root", str(now), "--against", str(before)])
    structure.main()
    rows = [line.strip("│").split("│") for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    table = {name.strip(): [value.strip() for value in values] for name, *values in rows}
    assert table["rooms"] == ["3", "2"]
    assert table["imports between rooms"] == ["1", "0"]
    assert table["loose files in components"] == ["2", "0"]


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["structure", "--root", str(tmp_path)])
    with pytest.raises(SystemExit):
        structure.main()
    assert "has no package 'components'" in capsys.readouterr().err
