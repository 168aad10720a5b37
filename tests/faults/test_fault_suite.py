"""The short form of ``make faults``: some of its faults, once, without trainings."""

import sys
from pathlib import Path

import pytest
from command_line import CLIP_ASSETS, DATA_ASSETS

sys.path.insert(0, str(Path(__file__).parent))

from scene import Scene, make_scene
from suite import FAULTS, try_fault

SHORT = ("kill -9 of the command, from empty", "a picture cut short")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("faults") / "scene"
    return make_scene(folder, clips=3, frames=40, only=f"{CLIP_ASSETS},{DATA_ASSETS}")


@pytest.mark.slow
@pytest.mark.xdist_group("faults")
@pytest.mark.parametrize("name", SHORT)
def test_the_same_command_recovers(scene: Scene, name: str, tmp_path: Path) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    troubles, lost, _ = try_fault(scene, fault, seed=1, folder=tmp_path)
    assert troubles == []
    assert lost == 0
