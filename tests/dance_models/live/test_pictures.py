"""Pictures of a file in real time, by a clock that a test moves."""

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from dance_models.errors import InputError
from dance_models.live import pictures
from dance_models.live.pictures import camera_pictures, decode_jpeg, file_pictures

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


def test_no_camera_is_said_with_what_to_do() -> None:
    with pytest.raises(InputError, match="--camera 63: there is no such camera") as error:
        next(camera_pictures(63))
    assert "--video FILE" in error.value.advice
