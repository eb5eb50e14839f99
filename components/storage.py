"""Folders kept under a URI (`s3://bucket/egoflow`, `file:///mnt/shared`): the one door to fsspec.

A folder is whole when its marker is there, as on disk: it is stored last. `s3://` needs the extra `s3`; its keys come
from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL) or the machine's own role.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

import fsspec

URI = "EGOFLOW_STORAGE"  # environment variable; unset, everything stays in the project folder


def place(name: str) -> str | None:
    """Return the URI of a folder by its name; None where nothing is kept elsewhere."""
    base = os.environ.get(URI)
    return f"{base.rstrip('/')}/{name}" if base else None


def _opened(uri: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system of a URI and the path there."""
    system, root = fsspec.core.url_to_fs(uri)
    # it keeps the listings of a bucket as long as the process lives: other machines store there too
    system.invalidate_cache()
    return system, root


def store(folder: Path, uri: str, *, marker: str) -> None:
    """Copy the files of a finished folder to a URI, its marker last; one whose marker is there already is left alone.

    Args:
        folder: with all its subfolders; links are followed.
        uri: of the folder to write.
        marker: name of the file that says the folder is whole.

    Raises:
        FileNotFoundError: the folder is not finished.
        OSError: the storage refuses or cannot be reached.
        ValueError, ImportError: no such kind of URI, or its library is not installed.
    """
    if not (folder / marker).is_file():
        raise FileNotFoundError(f"{folder} has no {marker}, only finished folders are stored")
    system, root = _opened(uri)
    if system.exists(f"{root}/{marker}"):
        return
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / marker)
    for path in (*files, folder / marker):
        to = f"{root}/{path.relative_to(folder).as_posix()}"
        system.makedirs(to.rsplit("/", 1)[0], exist_ok=True)
        system.put_file(str(path), to)


def fetch(uri: str, folder: Path, *, marker: str) -> bool:
    """Copy a stored folder here, unless it is not there or not whole.

    It appears under its name only when all of it has come, so that an interruption leaves nothing half.

    Args:
        uri: of the folder to read.
        folder: to write; what is there is replaced.
        marker: as `store` was given it.

    Raises:
        OSError: the storage refuses or cannot be reached, or it names a file outside the folder.
        ValueError, ImportError: no such kind of URI, or its library is not installed.
    """
    system, root = _opened(uri)
    if not system.exists(f"{root}/{marker}"):
        return False
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for key in system.find(root):
        name = PurePosixPath(key.removeprefix(root).lstrip("/"))
        # a store has no folders, so its names may hold anything
        if name.is_absolute() or ".." in name.parts:
            raise OSError(f"{uri} holds {str(name)!r}, allowed are names below it")
        to = partial / name
        to.parent.mkdir(parents=True, exist_ok=True)
        system.get_file(key, str(to))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return True
