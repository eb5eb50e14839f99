import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from components import storage

MARKER = "stage.json"


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "sft-0123"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (folder / MARKER).write_text("{}")
    return folder


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """Run an S3 server on this machine, its objects in memory; give its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Give the URI of a new bucket; who opens it learns the rest from the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = re.sub("[^a-z0-9]", "-", tmp_path.name.lower())
    fsspec.filesystem("s3").mkdir(bucket)
    return f"s3://{bucket}"


@pytest.fixture(params=["file", "memory", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return f"{request.getfixturevalue('s3_bucket')}/kept"
    return f"file://{tmp_path}/kept" if request.param == "file" else f"memory://{tmp_path.name}/kept"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_stored_comes_back(finished: Path, uri: str, tmp_path: Path):
    storage.store(finished, f"{uri}/sft-0123", marker=MARKER)
    (tmp_path / "here" / "old").mkdir(parents=True)
    assert storage.fetch(f"{uri}/sft-0123", tmp_path / "here", marker=MARKER)
    assert contents(tmp_path / "here") == contents(finished)
    assert not (tmp_path / "here.partial").exists() and not (tmp_path / "here" / "old").exists()


def test_a_checkpoint_that_is_gone_here_comes_back(finished: Path, uri: str):
    expected = contents(finished)
    storage.store(finished, f"{uri}/sft-0123", marker=MARKER)
    shutil.rmtree(finished)
    assert storage.fetch(f"{uri}/sft-0123", finished, marker=MARKER)
    assert contents(finished) == expected


def test_an_upload_that_broke_is_not_taken_as_finished_and_can_be_made_again(
    finished: Path, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    system, _ = fsspec.core.url_to_fs(uri)
    put = system.put_file

    def broken(path: str, to: str) -> None:
        if to.endswith(MARKER):
            raise OSError("the connection is gone")
        put(path, to)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="connection is gone"):
        patch.setattr(system, "put_file", broken)
        storage.store(finished, f"{uri}/broken", marker=MARKER)
    assert not storage.fetch(f"{uri}/broken", tmp_path / "here", marker=MARKER)
    assert not (tmp_path / "here").exists()
    storage.store(finished, f"{uri}/broken", marker=MARKER)
    assert storage.fetch(f"{uri}/broken", tmp_path / "here", marker=MARKER)
    assert contents(tmp_path / "here") == contents(finished)


def test_what_another_machine_stored_meanwhile_is_seen(finished: Path, s3_bucket: str, tmp_path: Path):
    """The library keeps listings: an answer from before the other machine was done must not stay."""
    (finished / "log").touch()
    system, root = fsspec.core.url_to_fs(f"{s3_bucket}/sft-0123")
    other = fsspec.filesystem("s3", skip_instance_cache=True)
    other.put_file(str(finished / "log"), f"{root}/log")
    assert system.ls(root) and not storage.fetch(f"{s3_bucket}/sft-0123", tmp_path / "here", marker=MARKER)
    other.put(f"{finished}/", f"{root}/", recursive=True)
    assert storage.fetch(f"{s3_bucket}/sft-0123", tmp_path / "here", marker=MARKER)
    assert contents(tmp_path / "here") == contents(finished)


def test_what_is_not_whole_is_not_there(finished: Path, uri: str, tmp_path: Path):
    system, root = fsspec.core.url_to_fs(f"{uri}/half")
    system.makedirs(f"{root}/model", exist_ok=True)
    system.put_file(str(finished / "model" / "model.safetensors"), f"{root}/model/model.safetensors")
    assert not storage.fetch(f"{uri}/half", tmp_path / "here", marker=MARKER)
    assert not storage.fetch(f"{uri}/none", tmp_path / "here", marker=MARKER)
    assert not (tmp_path / "here").exists()


def test_the_marker_comes_last_and_an_unfinished_folder_never(finished: Path, uri: str, monkeypatch):
    system, root = fsspec.core.url_to_fs(f"{uri}/cut")
    put, names = system.put_file, []

    def noted(path: str, to: str) -> None:
        names.append(to.rsplit("/", 1)[1])
        put(path, to)

    monkeypatch.setattr(system, "put_file", noted)
    storage.store(finished, f"{uri}/cut", marker=MARKER)
    assert names == ["model.safetensors", MARKER]
    storage.store(finished, f"{uri}/cut", marker=MARKER)
    assert len(names) == 2, "stored twice"
    (finished / MARKER).unlink()
    with pytest.raises(FileNotFoundError, match="only finished folders are stored"):
        storage.store(finished, f"{uri}/other", marker=MARKER)


def test_a_name_that_leaves_the_folder_is_refused(finished: Path, tmp_path: Path):
    system = fsspec.filesystem("memory")
    for name in (MARKER, "../outside"):
        system.store[f"/odd/kept/{name}"] = system.open(f"memory://{tmp_path.name}-{len(name)}", "wb")
    with pytest.raises(OSError, match=r"holds '\.\./outside', allowed are names below it"):
        storage.fetch("memory://odd/kept", tmp_path / "here", marker=MARKER)
    assert not (tmp_path / "outside").exists()


def test_the_place_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(storage.URI, raising=False)
    assert storage.place("checkpoints/sft-0123") is None
    monkeypatch.setenv(storage.URI, "s3://bucket/egoflow/")
    assert storage.place("checkpoints/sft-0123") == "s3://bucket/egoflow/checkpoints/sft-0123"


def test_a_kind_of_uri_that_nobody_knows_is_named(finished: Path):
    with pytest.raises(ValueError, match="Protocol not known: nowhere"):
        storage.store(finished, "nowhere://x", marker=MARKER)
