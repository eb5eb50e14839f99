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


@pytest.fixture(params=["file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}/kept" if request.param == "file" else f"memory://{tmp_path.name}/kept"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_stored_comes_back(finished: Path, uri: str, tmp_path: Path):
    storage.store(finished, f"{uri}/sft-0123", marker=MARKER)
    (tmp_path / "here" / "old").mkdir(parents=True)
    assert storage.fetch(f"{uri}/sft-0123", tmp_path / "here", marker=MARKER)
    assert contents(tmp_path / "here") == contents(finished)
    assert not (tmp_path / "here.partial").exists() and not (tmp_path / "here" / "old").exists()


def test_what_is_not_whole_is_not_there(finished: Path, uri: str, tmp_path: Path):
    system, root = fsspec.core.url_to_fs(f"{uri}/half")
    system.makedirs(f"{root}/model", exist_ok=True)
    system.put_file(str(finished / "model" / "model.safetensors"), f"{root}/model/model.safetensors")
    assert not storage.fetch(f"{uri}/half", tmp_path / "here", marker=MARKER)
    assert not storage.fetch(f"{uri}/none", tmp_path / "here", marker=MARKER)
    assert not (tmp_path / "here").exists()


def test_the_marker_comes_last_and_an_unfinished_folder_never(finished: Path, uri: str, monkeypatch):
    system, root = fsspec.core.url_to_fs(f"{uri}/cut")
    put, names = type(system).put_file, []

    def noted(self, path: str, to: str) -> None:
        names.append(to.rsplit("/", 1)[1])
        put(self, path, to)

    monkeypatch.setattr(type(system), "put_file", noted)
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
