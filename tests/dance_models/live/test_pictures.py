"""Pictures of a file in real time, by a clock that a test moves."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from clips_made import damage, write_clip

from dance_models.analysis.cuts import with_cuts
from dance_models.errors import InputError, VideoError
from dance_models.live import pictures
from dance_models.live.pictures import LONGEST_S, camera_pictures, decode_jpeg, file_pictures
from dance_models.video.probe import probe_clip
from dance_models.video.stream import ShownFrame

SHOTS = (40, 40, 40, 40, 40, 40, 200, 200, 200, 200, 200, 200)  # grey levels of 12 frames


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pictures, "time", made)
    return made


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for level in SHOTS:
            image = np.full((64, 96, 3), level, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def test_a_cut_and_each_beginning_of_the_file_begin_a_shot(clip: Path, clock: Clock) -> None:
    shown = list(islice(file_pictures(clip), 30))
    assert [index for index, (_, begins) in enumerate(shown) if begins] == [0, 6, 12, 18, 24]
    levels = [decode_jpeg(picture).mean() for picture, _ in shown[:12]]
    np.testing.assert_allclose(levels, SHOTS, atol=4)
    assert clock.now == pytest.approx((12 + 12 + 5 - 2) / 30, abs=1e-3)


def test_a_cut_in_frames_that_are_left_out_begins_a_shot_with_the_next(
    clip: Path, clock: Clock
) -> None:
    given = file_pictures(clip)
    begins = [next(given)[1]]
    clock.now += 0.28  # the frames up to the cut, and one more, are late
    begins += [shot for _, shot in islice(given, 2)]
    assert begins == [True, True, False]


def test_a_file_that_decodes_slower_than_it_plays_is_shown_slower(
    clip: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(shown: Iterable[ShownFrame]) -> Iterator[tuple[ShownFrame, bool]]:
        for found in with_cuts(shown):
            assert clock.now < 5, "no pictures come"
            clock.now += 0.1  # three times as long as a frame is shown
            yield found

    monkeypatch.setattr("dance_models.analysis.cuts.with_cuts", slow)
    given = file_pictures(clip)
    at = [clock.now for _ in islice(given, 4)]
    assert max(np.diff(at)) <= LONGEST_S + 0.2


def test_a_damaged_file_is_shown(tmp_path: Path, clock: Clock) -> None:
    clip = damage(write_clip(tmp_path / "damaged.mp4", 30))
    with pytest.raises(VideoError, match="the stream is damaged"):
        probe_clip(clip)
    assert len(list(islice(file_pictures(clip), 5))) == 5


def test_no_camera_is_said_with_what_to_do() -> None:
    with pytest.raises(InputError, match="--camera 63: there is no such camera") as error:
        next(camera_pictures(63))
    assert "--video FILE" in error.value.advice
