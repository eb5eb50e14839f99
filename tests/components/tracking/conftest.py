import pytest

from components.tracking import registry


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(autouse=True)
def store(store_folder, monkeypatch):
    """One database for all tests here, for making one takes two seconds."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store_folder}/mlflow.db")
    return store_folder


@pytest.fixture
def little_code(tmp_path_factory, monkeypatch):
    """The code that goes with a version is hundreds of files; each is sent alone, and one shows as much."""
    root = tmp_path_factory.mktemp("project")
    (root / "components").mkdir()
    (root / "components" / "__init__.py").touch()
    monkeypatch.setattr(registry, "ROOT", root)
