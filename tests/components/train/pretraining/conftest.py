import pytest

from components.models.configuration import EgoflowConfig


@pytest.fixture(scope="module")
def config() -> EgoflowConfig:
    return EgoflowConfig({"image_size": 64, "patch_size": 8}, tubelet_frames=2, image_tokens=16, video_tokens=16)
