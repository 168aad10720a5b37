"""``dance run --tracks``: what is not used of the pose files is printed and counts as a loss."""

import json
import re

import pytest
from command_line import CLIP_ASSETS, dance, run

from pipelines.commands.common import EXIT_INPUT, EXIT_NOT_USED


@pytest.fixture
def corpus(make_corpus):
    return make_corpus(1, 60)


def test_bad_frames_and_tracks_of_no_clip_are_printed(corpus, tmp_path) -> None:
    (track,) = corpus.tracks.iterdir()
    document = json.loads(track.read_text())
    document["frames"][3]["keypoints"] = [[1, 2]]
    document["frames"][5]["keypoints"] = []
    track.write_text(json.dumps(document))
    typo = corpus.tracks / f"{track.stem}_x.json"
    typo.write_text(json.dumps(document))
    code, output = run(tmp_path / "store", corpus, "--only", CLIP_ASSETS, "--strict")
    assert code == EXIT_NOT_USED
    assert (
        f"pose_tracks: track_files: {track.stem}: {track.name}: 2 bad entries were left out: "
        "frame 3: a keypoint is not [x, y, score]; frame 5: 0 values where 14 joints need 42"
    ) in output
    assert f"{typo.name}: of no registered clip, so it is not read" in output
    assert f"did you mean '{track.stem}'?" in output
    code, output = dance(tmp_path / "store", "status")
    assert code == 0
    assert f"pose_tracks: {track.stem}: {track.name}: 2 bad entries were left out" in output
    assert f"{typo.name}: of no registered clip, so it is not read" in output


def test_poses_of_a_larger_video_are_named_with_both_sizes(corpus, tmp_path) -> None:
    (track,) = corpus.tracks.iterdir()
    document = json.loads(track.read_text())
    for frame in document["frames"]:
        frame["keypoints"] = [[3 * x, 3 * y, score] for x, y, score in frame["keypoints"]]
    track.write_text(json.dumps(document))
    code, output = run(tmp_path / "store", corpus, "--only", CLIP_ASSETS)
    assert code == 0
    said = rf"{track.name}: joints reach \(\d+, \d+\) in \d+ of 60 frames with people, and the "
    assert re.search(rf"{said}video is 160x120: ", output), output
    code, output = dance(tmp_path / "store", "status")
    assert re.search(said, output), output


def test_the_pose_model_is_checked(tmp_path) -> None:
    arguments = ("--tracks", str(tmp_path), "--pose-model", "body_26")
    code, output = dance(tmp_path / "store", "run", *arguments)
    assert code == EXIT_INPUT
    assert "unknown pose model 'body_26'" in output
    code, output = dance(tmp_path / "store", "run", "--pose-model", "body_25")
    assert code == EXIT_INPUT
    assert "--pose-model says how to read --tracks, which is not given" in output
