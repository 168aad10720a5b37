"""Videos that browsers play, with the sound of their source."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips_made import numbered

from dance_models.analysis.encode import browser_video
from dance_models.video.decode import pyav_frames
from dance_models.video.probe import probe_clip
from dance_models.video.source import open_source

FRAMES, RATE, CLICK_S = 60, 30, 1.0
SIZE = (160, 120)


def with_sound(path: Path, codec: str, *, hertz: int = 48_000, late_s: float = 0.0) -> Path:
    """Two seconds of pictures and sound: silence, and a tone from ``CLICK_S`` on.

    The time stamps of both begin ``late_s`` seconds late.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE)
        video.width, video.height = SIZE
        video.pix_fmt, video.options = "yuv420p", {"preset": "ultrafast"}
        sound = container.add_stream(codec, rate=hertz)
        sound.layout = "stereo"
        tone = np.sin(np.arange(2 * hertz) * 2 * np.pi * 440 / hertz).astype(np.float32)
        tone[: round(CLICK_S * hertz)] = 0
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(numbered(number, SIZE), format="rgb24")
            frame.pts, frame.time_base = number + round(late_s * RATE), Fraction(1, RATE)
            container.mux(video.encode(frame))
        planar = sound.codec_context.format.is_planar
        for start in range(0, len(tone) - 1024, 1024):
            part = np.stack([tone[start : start + 1024]] * 2)
            kind = sound.codec_context.format.name
            data = part if kind.startswith("flt") else (part * 32000).astype(np.int16)
            data = data if planar else data.T.reshape(1, -1)
            piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), kind, "stereo")
            piece.sample_rate, piece.pts = hertz, start + round(late_s * hertz)
            piece.time_base = Fraction(1, hertz)
            container.mux(sound.encode(piece))
        for stream in (video, sound):
            container.mux(stream.encode())
    return path


def rewritten(source: Path, target: Path) -> list[str]:
    with open_source(source) as opened:
        first = next(opened.frames)
        start_s = float(first.pts * opened.base)
    with browser_video(target, SIZE, RATE, source, start_s) as video:
        for index, image in pyav_frames(source, range(FRAMES)):
            video.write(image, index / RATE)
        video.finish(FRAMES / RATE)
    return video.notes


def tone_begins_s(path: Path) -> float:
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()).max(axis=0) > 0.2)
            if len(loud):
                return float(frame.time) + int(loud[0]) / frame.sample_rate
    return np.nan


@pytest.mark.parametrize(
    ("name", "codec", "hertz", "late_s"),
    [
        ("aac.mp4", "aac", 48_000, 0.0),
        ("late.mkv", "aac", 44_100, 0.5),
        ("mp2.mkv", "mp2", 48_000, 0.5),
        ("pcm.mov", "pcm_s16le", 96_000, 0.0),
    ],
)
def test_sound_stays_with_the_pictures(
    tmp_path: Path, name: str, codec: str, hertz: int, late_s: float
) -> None:
    source = with_sound(tmp_path / name, codec, hertz=hertz, late_s=late_s)
    target = tmp_path / "out.mp4"
    assert rewritten(source, target) == []
    with av.open(str(target)) as container:
        assert [s.codec_context.name for s in container.streams] == ["h264", "aac"]
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    assert tone_begins_s(target) == pytest.approx(CLICK_S, abs=0.03)
    drawn = probe_clip(target)
    np.testing.assert_allclose(drawn.time_s, np.arange(FRAMES) / RATE, atol=1e-3)


def test_aac_is_copied_and_the_index_is_in_front(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "source.mp4", "aac")
    target = tmp_path / "out.mp4"
    rewritten(source, target)
    packets = []
    for path in (source, target):
        with av.open(str(path)) as container:
            packets.append([bytes(p) for p in container.demux(audio=0) if p.size][5:60])
    assert packets[0] == packets[1]
    data = target.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_nothing_is_left_of_a_video_that_could_not_be_made(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "source.mp4", "aac")
    folder = tmp_path / "out"
    with (
        pytest.raises(KeyError),
        browser_video(folder / "out.mp4", SIZE, RATE, source, 0.0) as video,
    ):
        video.write(numbered(0, SIZE), 0.0)
        raise KeyError
    assert list(folder.iterdir()) == []
