"""The Python that trains and evaluates: this one, or that of an environment of its own. No torch: flows import it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

VARIABLE = "EGOFLOW_TRAIN_PYTHON"
# by the names of their imports: what the extra `training` adds, and the three of the base that no stage goes without
NEEDED = ("accelerate", "datasets", "deepspeed", "mlflow", "nltk", "peft", "torch", "transformers", "trl")
_MISSING = """
import sys
from importlib.util import find_spec
print(*[name for name in sys.argv[1:] if find_spec(name) is None])
"""


def python() -> str:
    """Return the absolute path of the interpreter that trains and evaluates.

    It is the one that the environment variable EGOFLOW_TRAIN_PYTHON names, else this one. Its packages are looked for,
    and not imported, once in the life of this process.

    Raises:
        ValueError: it is no executable file, or it lacks packages.
    """
    return _checked(os.environ.get(VARIABLE) or sys.executable)


def has(name: str) -> bool:
    """Return whether the interpreter that trains and evaluates has a package, by the name of its import.

    Raises:
        ValueError: as `python`.
    """
    return not _look_for(python(), name).stdout.split()


@functools.cache
def _checked(named: str) -> str:
    path = os.path.abspath(named)  # symbolic links stay: through one, Python knows its virtual environment
    if shutil.which(path) is None:
        raise ValueError(
            f"{VARIABLE}={named} came, which is no executable file; allowed is the path of a Python, "
            f"or nothing for {sys.executable}. {_remedy()}"
        )
    told = _look_for(path, *NEEDED)
    if told.returncode != 0:
        raise ValueError(f"{VARIABLE}={named} came, which is no Python: {told.stderr.strip()[-500:]}. {_remedy()}")
    if missing := told.stdout.split():
        raise ValueError(f"{path}, which trains and evaluates, lacks {', '.join(missing)}. {_remedy()}")
    return path


def _look_for(path: str, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([path, "-c", _MISSING, *names], capture_output=True, text=True)


def _remedy() -> str:
    return (
        f"Make one by `make .venv-training/installed`, then export {VARIABLE}=.venv-training/bin/python "
        "(docs/operations.md, Two environments)"
    )
