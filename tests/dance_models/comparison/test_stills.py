"""The pictures of the moments, and the files of the command."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from dance_models.comparison.performance import Performance
from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from pipelines.commands.compare import compare_videos

FRAMES = 90


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Performance]:
    folder = tmp_path_factory.mktemp("compare")
    write_demo_corpus(folder, DemoCorpusConfig(1, FRAMES, size=(160, 120)))
    video = next((folder / "clips").rglob("*.mp4"))
    entries = json.loads((folder / "annotations" / f"{video.stem}.json").read_text())["annotations"]
    keypoints = np.array([entry["keypoints"] for entry in entries], np.float32)
    poses = keypoints.reshape(FRAMES, 14, 3)[..., :2]
    return video, Performance("reference.mp4", np.arange(FRAMES) / 30.0, poses)


def test_the_command_writes_a_document_and_a_still_for_each_moment(
    clip: tuple[Path, Performance], tmp_path: Path
) -> None:
    video, reference = clip
    poses = reference.poses.copy()
    poses[40:60, 6] = 2 * poses[40:60, 4] - poses[40:60, 6]  # the left forearm points away
    practice = Performance("practice.mp4", reference.time_s, poses)
    (tmp_path / "moment_10.jpg").write_bytes(b"of an earlier comparison")
    found = compare_videos(
        Console(quiet=True), (video, video), (reference, practice), tmp_path, {}, ["a note"]
    )
    assert found.moments
    assert "left_elbow" in found.moments[0].degrees
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert written["warnings"][0] == "a note"
    names = [moment["still"] for moment in written["moments"]]
    assert sorted(path.name for path in tmp_path.glob("*.jpg")) == names
    picture = cv2.imread(str(tmp_path / names[0]))
    assert picture is not None
    assert picture.shape[1] > 2 * picture.shape[0]  # two pictures of 4:3 side by side
