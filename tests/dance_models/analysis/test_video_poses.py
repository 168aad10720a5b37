"""From a rendered clip to poses and forecasts, with an estimator that returns given keypoints."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips_made import set_display_matrix, write_clip
from numpy.typing import NDArray

from dance_models.analysis.document import summary, write_document
from dance_models.analysis.figures import figures_of
from dance_models.analysis.forecast_shown import check_forecasts
from dance_models.analysis.overlay import write_overlay
from dance_models.analysis.steady import steadied
from dance_models.analysis.video import (
    Networks,
    VideoPoses,
    poses_of,
    see_track,
    see_video,
    seen_stretches,
)
from dance_models.config import MkffStGcnConfig, StgaNetConfig
from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.errors import InputError
from dance_models.estimators.pose_file import read_people
from dance_models.estimators.protocol import PoseEstimate, no_landmarks
from dance_models.nets.build import build_forecaster, build_refiner
from dance_models.skeleton import DANCE_14
from dance_models.video.decode import pyav_frames, write_jpeg
from dance_models.video.orientation import Orientation
from dance_models.video.probe import probe_clip

FRAMES = 90
GAP = range(40, 62)  # no person for longer than half a second at 30 fps
SMALL = MkffStGcnConfig(
    spatial_channels=8, kinematic_channels=16, spatial_blocks=1, attention_blocks=1
)
CAUSAL = replace(SMALL, causal=True)


class FixedEstimator:
    """Returns the given keypoints; no person is detected where they are NaN."""

    name, version = "fixed", "1"

    def __init__(self, keypoints: NDArray[np.float32]) -> None:
        self.keypoints = keypoints

    def start_run(self) -> None:
        pass

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        assert image.shape == (120, 160, 3)
        if np.isnan(self.keypoints[frame]).any():
            return None
        return PoseEstimate(
            self.keypoints[frame], np.ones(DANCE_14.num_joints, np.float32), no_landmarks()
        )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.float32]]:
    folder = tmp_path_factory.mktemp("analysis")
    write_demo_corpus(folder, DemoCorpusConfig(1, FRAMES, size=(160, 120)))
    video = next((folder / "clips").rglob("*.mp4"))
    entries = json.loads((folder / "annotations" / f"{video.stem}.json").read_text())["annotations"]
    keypoints = np.array([entry["keypoints"] for entry in entries], np.float32)
    return video, keypoints.reshape(FRAMES, DANCE_14.num_joints, 3)[..., :2]


def networks() -> Networks:
    forecaster = build_forecaster(StgaNetConfig(channels=8, hidden=16)).eval()
    return Networks(build_refiner(SMALL).eval(), build_refiner(CAUSAL).eval(), forecaster)


def analysed(
    video: Path, keypoints: NDArray[np.float32], used: Networks | None = None
) -> VideoPoses:
    return poses_of(see_video(video, FixedEstimator(keypoints)), used or networks())


def described(poses: VideoPoses) -> dict[str, Any]:
    return summary(poses, check_forecasts(poses), figures_of(poses), 160)


def written(poses: VideoPoses, folder: Path) -> dict[str, Any]:
    write_document(folder / "poses.json", poses, {"recognition": "x"}, described(poses))
    text = (folder / "poses.json").read_text()
    record: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)  # NaN is no JSON
    return record


def test_every_frame_is_refined_and_a_forecast_starts_every_tenth_of_a_second(
    clip: tuple[Path, NDArray[np.float32]],
) -> None:
    video, keypoints = clip
    poses = analysed(video, keypoints)
    assert poses.refined.shape == (FRAMES, DANCE_14.num_joints, 2)
    # An untrained refiner changes nothing: its last layer starts at zero.
    np.testing.assert_allclose(poses.refined, steadied(poses.restored, keypoints), atol=0.01)
    assert poses.anchor.tolist() == list(range(33, FRAMES, 3))  # 1.04 s observed before
    assert np.isfinite(poses.forecast).all()


def test_long_gaps_are_not_filled_and_no_window_crosses_them(
    tmp_path: Path,
    clip: tuple[Path, NDArray[np.float32]],
) -> None:
    video, keypoints = clip
    with_gaps = keypoints.copy()
    with_gaps[list(GAP)] = np.nan
    with_gaps[5:8] = np.nan  # a short one
    told: list[tuple[int, int]] = []
    seen = see_video(video, FixedEstimator(with_gaps))
    poses = poses_of(seen, networks(), progress=lambda done, total: told.append((done, total)))
    assert (told[0], told[-1]) == ((0, FRAMES - len(GAP)), (FRAMES - len(GAP), FRAMES - len(GAP)))
    assert told == sorted(told)
    assert seen_stretches(poses.run) == [(0, GAP.start), (GAP.stop, FRAMES)]
    missing = np.isnan(poses.refined).any(axis=(1, 2))
    assert np.flatnonzero(missing).tolist() == list(GAP)
    assert poses.anchor.tolist() == [33, 36, 39]
    record = written(poses, tmp_path)
    assert record["summary"]["frames_with_somebody"] == FRAMES - len(GAP) - 3
    (gap,) = record["summary"]["nobody"]
    assert (gap["first_frame"], gap["last_frame"]) == (GAP.start, GAP.stop - 1)
    assert record["frames"][5]["estimate"] is None


def of_joints(keypoints: NDArray[np.float32]) -> VideoPoses:
    """The poses of a track at 30 frames/s in which joints may be missing."""

    class Partial(FixedEstimator):
        def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
            pose = self.keypoints[frame]
            score = np.isfinite(pose).all(axis=-1).astype(np.float32)
            return PoseEstimate(pose, score, no_landmarks())

    seen = see_track("partial", Partial(keypoints), len(keypoints), 30.0, (160, 120))
    return poses_of(seen, networks())


def test_a_joint_that_is_not_seen_for_long_is_missing_and_not_made_up(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    _, keypoints = clip
    ankle, wrist = DANCE_14.index["left_ankle"], DANCE_14.index["right_wrist"]
    partial = keypoints.copy()
    partial[50:, ankle] = np.nan
    partial[20:30, wrist] = np.nan  # a third of a second: filled
    poses = of_joints(partial)
    missing = np.isnan(poses.refined).any(axis=-1)
    assert np.argwhere(missing).tolist() == [[frame, ankle] for frame in range(50, FRAMES)]
    # A forecast knows the past alone: half a second after it was seen last, the ankle is lost.
    lost = np.isnan(poses.forecast).any(axis=(1, 3))
    assert np.unique(np.argwhere(lost)[:, 1]).tolist() == [ankle]
    assert poses.anchor[lost[:, ankle]].min() == 66
    figures = figures_of(poses)
    assert np.isnan(figures.angles["left_knee"].refined[50:]).all()
    assert not figures.contacts.down["left"][50:].any(), "a foot that is not seen is on no floor"
    record = written(poses, tmp_path)
    assert len(record["frames"]) == FRAMES
    assert record["frames"][60]["keypoints"][ankle] is None
    assert sorted(read_people(tmp_path / "poses.json")) == list(range(FRAMES))


def test_without_hips_nothing_is_measured_in_torso_lengths(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    _, keypoints = clip
    upper = keypoints.copy()
    legs = [i for i, name in enumerate(DANCE_14.names) if name.endswith(("hip", "knee", "ankle"))]
    upper[:, legs] = np.nan
    poses = of_joints(upper)
    found = written(poses, tmp_path)["summary"]  # which has no NaN
    assert found["torso_px"] is None
    assert found["missing_joints"] == {DANCE_14.names[joint]: FRAMES for joint in legs}
    assert found["correction_percent_of_torso"] == {}
    assert found["forecasts_checked"] == dict.fromkeys(("80", "160", "320", "400"), 0)
    assert not found["forecast_shown"]["shown"]
    assert "left_elbow" in found["ranges_degrees"] and "left_knee" not in found["ranges_degrees"]


def test_a_forecast_does_not_depend_on_later_frames(clip: tuple[Path, NDArray[np.float32]]) -> None:
    video, keypoints = clip
    changed = keypoints.copy()
    changed[51:] += 20
    used = networks()
    one, other = (analysed(video, given, used) for given in (keypoints, changed))
    seen = one.anchor <= 50
    np.testing.assert_allclose(one.forecast[seen], other.forecast[seen], atol=1e-3)
    assert np.abs(one.forecast[~seen] - other.forecast[~seen]).max() > 1


def test_the_document_can_be_read_as_tracks(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    video, keypoints = clip
    path = tmp_path / "poses.json"
    poses = analysed(video, keypoints)
    record = written(poses, tmp_path)
    people = read_people(path)
    assert len(people) == FRAMES
    np.testing.assert_allclose(people[7][0].keypoints, poses.refined[7], atol=0.02)
    assert record["forecasts"][0]["ahead_ms"] == [40 * k for k in range(1, 11)]
    errors = record["summary"]["forecast_error_percent_of_torso"]
    assert set(errors) == {"forecast", "zero_velocity", "damped_velocity", "ar"}
    assert set(errors["zero_velocity"]) == {"80", "160", "320", "400"}


def test_the_overlay_has_the_frames_and_times_of_the_video(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    video, keypoints = clip
    target = tmp_path / "drawn.mp4"
    write_overlay(video, analysed(video, keypoints), target, 160)
    drawn, source = probe_clip(target), probe_clip(video)
    assert (drawn.width, drawn.height) == (source.width, source.height)
    np.testing.assert_allclose(drawn.time_s, source.time_s, atol=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["drawn.mp4"]


def test_a_mirrored_video_is_drawn_on_as_it_is_shown(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    video, keypoints = clip
    mirrored = tmp_path / "front.mp4"
    mirrored.write_bytes(video.read_bytes())
    set_display_matrix(mirrored, (-1, 0, 0, 1))
    target = tmp_path / "drawn.mp4"
    keypoints = keypoints.copy()
    keypoints[..., 0] = 159 - keypoints[..., 0]
    write_overlay(mirrored, analysed(mirrored, keypoints), target, 160)
    ((_, drawn),), ((_, source),) = (pyav_frames(path, [50]) for path in (target, video))
    assert probe_clip(target).orientation == Orientation()
    shown = np.abs(drawn.astype(int) - source[:, ::-1]).mean(axis=-1)
    assert np.median(shown) < 4
    assert np.median(np.abs(drawn.astype(int) - source).mean(axis=-1)) > np.median(shown)


def test_the_overlay_of_pixels_that_are_not_square_has_the_displayed_size(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    video = write_clip(tmp_path / "dv.mp4", FRAMES, size=(120, 120), aspect=Fraction(4, 3))
    target = tmp_path / "drawn.mp4"
    write_overlay(video, analysed(video, clip[1]), target, None)
    drawn = probe_clip(target)
    assert (drawn.size, drawn.remarks) == ((160, 120), [])


def test_a_folder_of_images_is_analysed(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    video, keypoints = clip
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in pyav_frames(video, range(FRAMES)):
        write_jpeg(folder / f"{index + 1:04d}.jpg", image, 92)
    (folder / "fps").write_text("30")
    poses = analysed(folder, keypoints)
    write_overlay(folder, poses, tmp_path / "drawn.mp4", 320)
    drawn = probe_clip(tmp_path / "drawn.mp4")
    np.testing.assert_allclose(drawn.time_s, np.arange(FRAMES) / 30, atol=1e-3)


def test_a_video_without_a_person_is_an_error(clip: tuple[Path, NDArray[np.float32]]) -> None:
    video, keypoints = clip
    with pytest.raises(InputError, match="no person was detected"):
        analysed(video, np.full_like(keypoints, np.nan))


def test_frames_too_far_apart_are_said_and_not_that_nobody_is_seen() -> None:
    """A picture alone, one picture a second, and somebody who is there for one frame of a shot."""
    poses = np.random.default_rng(0).uniform(20, 100, (3, DANCE_14.num_joints, 2))
    for count, fps, cuts in ((1, 30.0, []), (3, 1.0, []), (3, 30.0, [1, 2])):
        seen = see_track("still", FixedEstimator(poses.astype(np.float32)), count, fps, (160, 120))
        with pytest.raises(InputError, match=r"never in two frames of one shot within 0\.5 s"):
            poses_of(replace(seen, cuts=np.array(cuts, np.int64)), networks())


def test_exchanged_sides_are_listed_with_the_frames_of_the_video(
    clip: tuple[Path, NDArray[np.float32]],
) -> None:
    video, keypoints = clip
    seen = keypoints.copy()
    seen[:3] = np.nan  # frames of the run are counted from its first pose
    seen[20:24] = seen[20:24][:, list(DANCE_14.mirror)]
    listed = described(analysed(video, seen))["exchanged_sides"]
    assert listed == [{"part": "body", "first_frame": 20, "last_frame": 23}]
    assert not described(analysed(video, keypoints))["exchanged_sides"]


# --- what real videos do --------------------------------------------------------------------------


def joined(folder: Path, *parts: tuple[Path, bool], rate: int = 30) -> Path:
    """One video of the pictures of others; the flag says whether mirrored and inverted."""
    target = folder / "joined.mp4"
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for path, other in parts:
            for _, image in pyav_frames(path, range(FRAMES)):
                shown = 255 - image[:, ::-1] if other else image
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target


def test_nothing_is_joined_across_a_cut(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    video, keypoints = clip
    target = joined(tmp_path, (video, False), (video, True))
    other = keypoints.copy()
    other[..., 0] = 159 - other[..., 0]
    poses = analysed(target, np.concatenate([keypoints, other]))
    assert poses.seen.cuts.tolist() == [FRAMES]
    assert poses.stretches == ((0, FRAMES), (FRAMES, 2 * FRAMES))
    assert not ((poses.anchor >= FRAMES) & (poses.anchor < FRAMES + 33)).any()
    (cut,) = described(poses)["cuts"]
    assert (cut["first_frame"], cut["from_s"]) == (FRAMES, 3.0)


@pytest.mark.parametrize(("rate", "stride"), [(15, 2), (120, 12)])
def test_other_frame_rates(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]], rate: int, stride: int
) -> None:
    video, keypoints = clip
    target = joined(tmp_path, (video, False), (video, False), rate=rate)
    poses = analysed(target, np.concatenate([keypoints, keypoints]))
    assert poses.seen.fps == pytest.approx(rate)
    assert np.isfinite(poses.refined).all()
    assert set(np.diff(poses.anchor)) == {stride}
    assert poses.run.time_s[poses.anchor[0]] >= 1.04
    write_overlay(target, poses, tmp_path / "drawn.mp4", 160)
    drawn = probe_clip(tmp_path / "drawn.mp4")
    np.testing.assert_allclose(drawn.time_s, np.arange(2 * FRAMES) / rate, atol=1e-3)


def test_what_is_there_of_a_cut_off_video_is_analysed_with_a_warning(
    tmp_path: Path, clip: tuple[Path, NDArray[np.float32]]
) -> None:
    video, keypoints = clip
    whole = tmp_path / "whole.mkv"
    with av.open(str(video)) as source, av.open(str(whole), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 3 // 5])
    poses = analysed(whole, keypoints)
    assert 20 < len(poses.run) < FRAMES
    assert poses.seen.warnings
