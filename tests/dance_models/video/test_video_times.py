"""Times of frames: from the time stamps, and from the rate where there is nothing else."""

from pathlib import Path

import numpy as np
import pytest
from clips_made import number_in, write_clip

from dance_models.errors import VideoError
from dance_models.video.decode import pyav_frames
from dance_models.video.probe import probe_clip
from dance_models.video.times import presentation_times

FILE = Path("clip.mp4")
BASE = 0.01


def test_good_stamps_are_kept() -> None:
    times, done = presentation_times([5, 8, 14], BASE, 30, FILE)
    np.testing.assert_allclose(times, [0, 0.03, 0.09])
    assert done == ""


@pytest.mark.parametrize("bad", [None, 36, 0, 999])
def test_one_bad_stamp_is_taken_from_its_neighbours(bad: int | None) -> None:
    stamps: list[int | None] = list(range(0, 80, 4))
    stamps[10] = bad
    times, done = presentation_times(stamps, BASE, 0, FILE)
    np.testing.assert_allclose(times, np.arange(20) * 0.04)
    assert "without a time stamp of their own: 1, the first is frame 10" in done


@pytest.mark.parametrize("place", [0, 19])
def test_a_bad_stamp_at_an_end_is_a_usual_step_away(place: int) -> None:
    stamps: list[int | None] = list(range(0, 80, 4))
    stamps[place] = None
    times, _ = presentation_times(stamps, BASE, 0, FILE)
    np.testing.assert_allclose(times, np.arange(20) * 0.04)


def test_stamps_of_decoding_are_sorted() -> None:
    times, done = presentation_times([0, 2, 1, 3, 5, 4, 6, 20, 8], BASE, 30, FILE)
    np.testing.assert_allclose(times, np.array([0, 1, 2, 3, 4, 5, 6, 8, 20]) * BASE)
    assert "only those of decoding" in done


@pytest.mark.parametrize("stamps", [[None] * 6, [0, 0, 0, 0, 0, 0], [0, 1, 2, 0, 1, 2]])
def test_without_usable_stamps_the_rate_is_taken(stamps: list[int | None]) -> None:
    times, done = presentation_times(stamps, BASE, 25, FILE)
    np.testing.assert_allclose(times, np.arange(6) / 25)
    assert "taken from the frame rate, 25 frames/s" in done
    with pytest.raises(VideoError, match=r"clip\.mp4: frame \d: time stamps do not rise"):
        presentation_times(stamps, BASE, 0, FILE)


@pytest.mark.parametrize(
    ("codec", "bframes"), [("libx264", "2"), ("libx264", "0"), ("mpeg4", "2"), ("mpeg4", "0")]
)
def test_an_avi_has_its_frames_in_order_at_its_rate(
    tmp_path: Path, codec: str, bframes: str
) -> None:
    path = write_clip(tmp_path / "a.avi", 60, codec=codec, options={"bf": bframes})
    probe = probe_clip(path)
    np.testing.assert_allclose(probe.time_s, np.arange(60) / 30, atol=1e-6)
    assert probe.fps == pytest.approx(30)
    assert len(probe.remarks) == (bframes == "2" and codec == "libx264")
    assert [number_in(image) for _, image in pyav_frames(path, range(60))] == list(range(60))


def test_a_stream_without_a_container_has_the_times_of_its_rate(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.h264", 30, options={"bf": "2"})
    probe = probe_clip(path)
    assert probe.decoded_frames == 30
    assert (np.diff(probe.time_s) > 0).all()
    assert len(probe.remarks) == 1
