"""Show that a refactor changed nothing: a small pipeline of two revisions, table by table and weight by weight.

Run as: python -m tests.equivalence BEFORE [AFTER]     (git revisions; AFTER is the working tree by default)

Each revision is copied to a folder of its own, its default parameters are shrunk to minutes, and `python -m
flows.pipeline` runs there: the data graph, every training stage, evaluation, gate and report. Compared are the rows of
every table of the data graph, the bytes of the frame shards, the weights of every checkpoint and every prediction.
Ends with 1 where something differs, and names it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
DATA = {
    "world": {"takes": 120, "size_px": 96, "web_videos": 20},
    "funnel": {"train_takes": 8, "test_takes": 4},
}
MODEL = {
    "vision_width": 32, "vision_layers": 1, "vision_heads": 2, "mapping_blocks": 1, "text_width": 32, "text_layers": 2,
    "text_heads": 2,
}  # fmt: skip
STAGE = {
    "max_steps": 3, "train_batch_size": 8, "save_steps": 2, "rendered_images": 16, "stop_at_score": None,
    "steps": 3, "batch": 8, "images": 16, "gate": None,  # what these keys were called before
}  # fmt: skip
LIMIT = 60  # held-out samples of a task


def copy_of(revision: str | None, folder: Path) -> None:
    """Write the files of a revision (None: of the working tree) into a new folder, a git repository of its own."""
    folder.mkdir(parents=True)
    if revision is None:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        pack, given = ["tar", "--null", "--files-from", "-", "--create"], names
    else:
        pack, given = ["git", "archive", revision], None
    packed = subprocess.run(pack, cwd=ROOT, input=given, capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=packed, check=True)
    git = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "copy"]):
        subprocess.run([*git, *words], cwd=folder, check=True)


def update(block: dict, values: dict) -> None:
    """Change the values of keys that a block has; a revision may lack some."""
    block.update({key: value for key, value in values.items() if key in block})


def shrink(folder: Path) -> None:
    """Make the default parameters of a copy small enough for minutes."""
    yaml = YAML()
    files = {name: folder / "params" / name for name in ("data.yaml", "eval.yaml", "recipes/miniature.yaml")}
    read = {name: yaml.load(path.read_text()) for name, path in files.items()}
    for name, values in DATA.items():
        update(read["data.yaml"][name], values)
    read["eval.yaml"]["limits"] = dict.fromkeys(read["eval.yaml"]["limits"], LIMIT)
    recipe = read["recipes/miniature.yaml"]
    update(recipe["model"], MODEL)
    for stage in recipe["stages"]:
        update(stage, STAGE)
    for name, path in files.items():
        with path.open("w") as file:
            yaml.dump(read[name], file)


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of everything that a finished pipeline made, by its name; paths in it are made relative."""
    found = {}
    for path in sorted((folder / "data").rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".parquet":
            rows = json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str).replace(f"{folder}/", "")
            found[name] = hashlib.sha256(rows.encode()).hexdigest()
        elif path.suffix == ".arrow":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted((folder / "checkpoints").rglob("*")):
        # a checkpoint's folder ends with its key, which holds the code's digest
        stage, *rest = path.relative_to(folder / "checkpoints").parts
        name = "/".join([stage.rsplit("-", 1)[0], *rest])
        if path.suffix == ".safetensors" and rest[0] == "model":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name == "predictions.parquet":
            rows = json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str)
            found[name] = hashlib.sha256(rows.encode()).hexdigest()
    return found


def main() -> int:
    """Run both revisions and print what differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.equivalence", description=__doc__.splitlines()[0])
    parser.add_argument("before", help="git revision")
    parser.add_argument("after", nargs="?", default=None, help="git revision (default: the working tree)")
    arguments = parser.parse_args()
    made = []
    with tempfile.TemporaryDirectory() as scratch:
        for side, revision in (("before", arguments.before), ("after", arguments.after)):
            folder = Path(scratch).resolve() / side / "project"
            copy_of(revision, folder)
            shrink(folder)
            subprocess.run([sys.executable, "-m", "flows.pipeline"], cwd=folder, check=True)
            made.append(digests(folder))
    before, after = made
    different = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for name in different:
        print(f"{name}: {before.get(name, 'not there')[:12]} before, {after.get(name, 'not there')[:12]} after")
    print(f"{len(before)} things compared, {len(different)} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
