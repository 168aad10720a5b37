"""Offset and tempo from the onsets of made music."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.comparison.performance import Sound
from dance_models.comparison.sound import beat_seconds, offset_from_sound, onset_strength
from dance_models.comparison.video import read_sound
from dance_models.config import ComparisonConfig
from dance_models.video.stream import ClipStream

CONFIG = ComparisonConfig()
RATE = 12_000


def music(seconds: float, seed: int, bpm: float = 110.0) -> NDArray[np.float64]:
    """Decaying tones of random pitch on each beat, and on half of the half beats."""
    rng = np.random.default_rng(seed)
    heard, length = np.zeros(int(seconds * RATE)), RATE // 5
    times = np.arange(length) / RATE
    for half in range(int(seconds * bpm / 30) - 2):
        if half % 2 == 0 or rng.random() < 0.5:
            start = int(half * 30 / bpm * RATE)
            tone = np.sin(2 * np.pi * rng.choice([110, 165, 220, 330, 440, 660]) * times)
            heard[start : start + length] += np.exp(-times / 0.05) * tone
    return heard


def recorded(
    heard: NDArray[np.float64], start_s: float, seconds: float, seed: int, at_s: float = 0.0
) -> Sound:
    """A stretch of it in a room with noise as loud as the music."""
    rng = np.random.default_rng(seed)
    part = heard[int(start_s * RATE) : int((start_s + seconds) * RATE)]
    return Sound(RATE, (part + rng.normal(0, part.std(), len(part))).astype(np.float32), at_s)


def test_the_offset_of_two_recordings_is_found_within_10_ms() -> None:
    heard = music(25, 0)
    reference, practice = recorded(heard, 4.0, 15, 1), recorded(heard, 2.77, 14, 2)
    found = offset_from_sound(reference, practice, CONFIG)
    assert found is not None
    assert found.source == "sound"
    assert found.seconds == pytest.approx(1.23, abs=0.010)
    later = recorded(heard, 2.77, 14, 2, at_s=0.5)  # its sound begins after its picture
    moved = offset_from_sound(reference, later, CONFIG)
    assert moved is not None
    assert moved.seconds == pytest.approx(1.73, abs=0.010)


def test_other_music_of_the_same_tempo_gives_no_offset() -> None:
    reference, practice = recorded(music(20, 0), 0, 15, 1), recorded(music(20, 5), 0, 15, 2)
    assert offset_from_sound(reference, practice, CONFIG) is None
    short = Sound(RATE, np.zeros(100, np.float32))
    assert offset_from_sound(reference, short, CONFIG) is None
    assert onset_strength(short).shape == (0, 24)


def test_the_beat_is_found_and_noise_has_none() -> None:
    beat = beat_seconds(recorded(music(20, 3, bpm=96.0), 0, 18, 1), CONFIG)
    assert beat is not None
    assert 60 / beat == pytest.approx(96.0, abs=1.0)
    rng = np.random.default_rng(0)
    assert beat_seconds(Sound(RATE, rng.normal(size=18 * RATE).astype(np.float32)), CONFIG) is None


def write_sounding(
    path: Path,
    sound: NDArray[np.float64] | None,
    *,
    without_key: bool = False,
    gap: tuple[int, int] = (0, 0),
) -> None:
    """A small video of two seconds, with sound of 12,000 samples/s.

    ``without_key``: the picture that those of the first second build on is not in the file. ``gap``
    are samples that are not in it, from and up to.
    """
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        picture.options = {"g": "10", "bf": "0", "sc_threshold": "0"}
        heard = container.add_stream("aac", rate=RATE, layout="mono") if sound is not None else None
        packets = []
        for number in range(20):
            image = np.full((32, 32, 3), 10 * number, np.uint8)
            packets += picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))
        packets += picture.encode()
        container.mux(packets[1:] if without_key else packets)
        if heard is not None and sound is not None:
            for start, stop in ((0, gap[0]), (gap[1], len(sound))):
                if start == stop:
                    continue
                frame = av.AudioFrame.from_ndarray(
                    sound[None, start:stop].astype(np.float32), format="fltp", layout="mono"
                )
                frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), start
                container.mux(heard.encode(frame))
            container.mux(heard.encode())


def click_at(path: Path, first_s: float = 0.0) -> float:
    """When the loudest moment of a file is heard."""
    sound = read_sound(path, first_s)
    assert sound is not None
    return sound.start_s + float(np.abs(sound.samples).argmax()) / sound.rate


def test_the_sound_of_a_video_is_read_as_heard(tmp_path: Path) -> None:
    click = np.zeros(2 * RATE)
    click[RATE : RATE + 200] = np.sin(np.arange(200))
    write_sounding(tmp_path / "click.mp4", click)
    assert click_at(tmp_path / "click.mp4") == pytest.approx(1.0, abs=0.03)


def test_sound_counts_from_the_first_picture_that_is_shown(tmp_path: Path) -> None:
    """A recording that was cut between key pictures: those before the next one cannot be shown."""
    click = np.zeros(2 * RATE)
    click[18_000:18_200] = np.sin(np.arange(200))
    write_sounding(tmp_path / "cut.mkv", click, without_key=True)
    stream = ClipStream(tmp_path / "cut.mkv")
    assert len(list(stream.frames())) == 10
    assert click_at(tmp_path / "cut.mkv", stream.start_s) == pytest.approx(0.5, abs=0.03)


def test_a_gap_in_the_sound_is_silence(tmp_path: Path) -> None:
    click = np.zeros(2 * RATE)
    click[18_000:18_200] = np.sin(np.arange(200))
    write_sounding(tmp_path / "gap.mkv", click, gap=(6144, 12_288))
    assert click_at(tmp_path / "gap.mkv") == pytest.approx(1.5, abs=0.03)


def test_a_video_without_sound_or_with_silence_has_none(tmp_path: Path) -> None:
    write_sounding(tmp_path / "none.mp4", None)
    write_sounding(tmp_path / "silent.mp4", np.zeros(2 * RATE))
    assert read_sound(tmp_path / "none.mp4", 0.0) is None
    assert read_sound(tmp_path / "silent.mp4", 0.0) is None
