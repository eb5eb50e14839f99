import sys
import types

import pytest

from components import report
from tests.components.report import made


class MadeFrames:
    def __init__(self, root):
        assert root.name == "frames"

    def frames(self, sample_id):
        return made.frames(sample_id)


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """The report of a made-up run, built once."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setitem(sys.modules, "components.data.frames.store", types.SimpleNamespace(FrameStore=MadeFrames))
        return report.build(**made.make_run(folder))
