"""From sampled frames to a track table."""

import cv2
import numpy as np
import polars as pl
import pytest

from dance_models.errors import InputError
from dance_models.estimators.protocol import PoseEstimate
from dance_models.estimators.tracks import read_image, track_clip
from dance_models.evidence import NUM_EVIDENCE
from dance_models.tables import FRAMES, TRACKS, conform, write_table


class Recorder:
    """Reads the frame number from the image's grey level; frame 3 has no person."""

    name, version = "recorder", "7"

    def __init__(self, landmarks=33):
        self.calls = []
        self.landmarks = landmarks

    def start_run(self):
        self.calls.append("start")

    def estimate(self, image, frame):
        self.calls.append(frame)
        assert image.shape == (12, 16, 3)
        assert abs(int(image.mean()) - frame) <= 1
        if frame == 3:
            return None
        return PoseEstimate(
            np.full((14, 2), frame, np.float32),
            np.full(14, 0.5, np.float32),
            np.full((self.landmarks, 3), 0.25, np.float32),
            np.full((self.landmarks, NUM_EVIDENCE), 0.75, np.float32),
        )


def sampled(root, clip="a", frames=((0, 2), (0, 3), (1, 10), (1, 11)), order=(2, 0, 3, 1)):
    rows = []
    for run, frame in frames:
        image = f"frames/{clip}/{frame:06d}.jpg"
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / image), np.full((12, 16, 3), frame, np.uint8))
        rows.append(
            {
                **dict.fromkeys(("style", "performer", "take"), ""),
                "clip": clip,
                "run": run,
                "frame": frame,
                "time_s": frame / 30,
                "image": image,
                "width": 16,
                "height": 12,
                "backend": "pyav",
            }
        )
    return conform(pl.DataFrame([rows[i] for i in order]), FRAMES)


def test_one_row_per_frame_with_nulls_where_no_person_is_detected(tmp_path) -> None:
    recorder = Recorder()
    tracks = track_clip(sampled(tmp_path), tmp_path, recorder)
    assert dict(tracks.schema) == dict(TRACKS)
    assert recorder.calls == ["start", 2, 3, "start", 10, 11]
    assert tracks["frame"].to_list() == [2, 3, 10, 11]
    assert tracks["run"].to_list() == [0, 0, 1, 1]
    np.testing.assert_allclose(tracks["time_s"], np.array([2, 3, 10, 11]) / 30)
    for column in ("keypoints", "score", "landmarks", "evidence"):
        assert tracks[column].is_null().to_list() == [False, True, False, False]
    assert tracks["keypoints"][2].to_numpy().tolist() == [[10.0, 10.0]] * 14
    assert tracks["estimator"].to_list() == ["recorder"] * 4
    assert tracks["estimator_version"].to_list() == ["7"] * 4


def test_missing_joints_stay_nan(tmp_path) -> None:
    class OneJoint(Recorder):
        def estimate(self, image, frame):
            keypoints = np.full((14, 2), np.nan, np.float32)
            keypoints[4] = (1, 2)
            return PoseEstimate(keypoints, np.zeros(14, np.float32), np.zeros((0, 3), np.float32))

    tracks = track_clip(sampled(tmp_path), tmp_path, OneJoint())
    stored = np.stack(tracks["keypoints"].to_numpy())
    assert np.isnan(stored).sum() == 4 * 13 * 2
    assert tracks["landmarks"].null_count() == 4


def test_rewriting_gives_the_same_bytes(tmp_path) -> None:
    frames = sampled(tmp_path)
    digests = {
        write_table(track_clip(frames, tmp_path, Recorder()), tmp_path / f"{i}.parquet")
        for i in range(2)
    }
    assert len(digests) == 1


def test_one_clip_of_several(tmp_path) -> None:
    both = pl.concat([sampled(tmp_path), sampled(tmp_path, "b", ((0, 5),), (0,))])
    assert track_clip(both, tmp_path, Recorder(), "b")["frame"].to_list() == [5]
    with pytest.raises(ValueError, match="several clips"):
        track_clip(both, tmp_path, Recorder())


def test_no_frames(tmp_path) -> None:
    tracks = track_clip(sampled(tmp_path).clear(), tmp_path, Recorder())
    assert tracks.height == 0
    assert dict(tracks.schema) == dict(TRACKS)


def test_images_are_rgb(tmp_path) -> None:
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((4, 4, 3), (0, 0, 255), np.uint8))
    assert read_image(path)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xd8 no picture"])
def test_unreadable_images_are_located(tmp_path, content) -> None:
    frames = sampled(tmp_path)
    path = tmp_path / "frames" / "a" / "000010.jpg"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="Sample the clip again") as caught:
        track_clip(frames, tmp_path, Recorder())
    assert caught.value.file == str(path)
    assert caught.value.frame == 10
