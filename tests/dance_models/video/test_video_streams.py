"""Of several video streams the one that a player would choose is read."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips_made import number_in, numbered

from dance_models.errors import VideoError
from dance_models.video.decode import extract_frames, pyav_frames
from dance_models.video.probe import probe_clip

FRAMES = 12


def _write(path: Path, streams: Sequence[tuple[str, tuple[int, int], int, Disposition]]) -> Path:
    """A file with streams of a codec, size, number of frames and disposition."""
    with av.open(str(path), "w") as container:
        made = []
        for codec, size, _, disposition in streams:
            stream = container.add_stream(codec, rate=30)
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
            made.append(stream)
        for number in range(FRAMES):
            for stream, (_, size, count, _) in zip(made, streams, strict=True):
                if number < count:
                    image = numbered(number, size)
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                    frame = frame.reformat(format=stream.pix_fmt)
                    frame.pts = number
                    container.mux(stream.encode(frame))
        for stream in made:
            container.mux(stream.encode())
    return path


NONE = Disposition(0)
COVER = ("mjpeg", (600, 600), 1, Disposition.attached_pic)
DANCE = ("libx264", (320, 240), FRAMES, NONE)
PREVIEW = ("libx264", (160, 120), FRAMES, NONE)


def test_a_cover_is_not_the_video(tmp_path: Path) -> None:
    path = _write(tmp_path / "c.mp4", [COVER, DANCE])
    probe = probe_clip(path)
    assert (probe.codec, probe.size, probe.decoded_frames) == ("h264", (320, 240), FRAMES)
    assert probe.remarks == [
        "a cover is no frame of the video: stream 1 (mjpeg 600x600) is not read"
    ]
    extracted = extract_frames(path, probe, [0, 5, 11], tmp_path / "out")
    assert len(extracted) == 3


def test_a_single_picture_that_is_not_marked_as_a_cover_is_not_the_video(tmp_path: Path) -> None:
    poster = ("mjpeg", (600, 600), 1, Disposition.default)
    probe = probe_clip(_write(tmp_path / "c.mkv", [poster, DANCE]))
    assert (probe.codec, probe.size) == ("h264", (320, 240))


def test_the_largest_stream_is_read_and_the_others_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "two.mkv", [PREVIEW, DANCE])
    probe = probe_clip(path)
    assert probe.size == (320, 240)
    assert probe.remarks == [
        "2 video streams: stream 1 (h264 320x240) is read, as a player would choose it; "
        "not stream 0 (h264 160x120)"
    ]
    numbers = [number_in(image) for _, image in pyav_frames(path, range(FRAMES))]
    assert numbers == list(range(FRAMES))
    (frame,) = extract_frames(path, probe, [7], tmp_path / "out")
    assert frame.backend == "pyav"


def test_the_default_stream_comes_before_a_larger_one(tmp_path: Path) -> None:
    default = ("libx264", (160, 120), FRAMES, Disposition.default)
    assert probe_clip(_write(tmp_path / "d.mkv", [DANCE, default])).size == (160, 120)


def test_sound_with_a_cover_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "s.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=44100)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(numbered(0, (64, 64)), format="rgb24")
        picture = picture.reformat(format="yuvj420p")
        picture.pts = 0
        container.mux(cover.encode(picture))
        container.mux(cover.encode())
        tone = av.AudioFrame.from_ndarray(
            np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
        )
        tone.sample_rate, tone.pts = 44100, 0
        container.mux(sound.encode(tone))
        container.mux(sound.encode())
    with pytest.raises(VideoError, match="only sound and a cover"):
        probe_clip(path)
