"""Damage is what a decode shows; what the decoder only remarks on is a finding."""

import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from clips_made import copy_packets, key_packets, number_in, write_clip
from PIL import Image

from dance_models.errors import VideoError
from dance_models.video.damage import verdict
from dance_models.video.decode import extract_frames, pyav_frames
from dance_models.video.probe import probe_clip
from dance_models.video.source import Reading, Remark

OPEN = {"g": "20", "bf": "3", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}
CLOSED = {"bf": "2", "g": "250"}


def _numbers(path: Path) -> list[int]:
    return [number_in(image) for _, image in pyav_frames(path, range(1000))]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("after", [0, 5])
def test_a_file_cut_at_an_open_group_is_whole_from_its_first_key_picture(
    tmp_path: Path, suffix: str, after: int
) -> None:
    source = write_clip(tmp_path / "s.mp4", 60, options=OPEN)
    keys = key_packets(source)
    path = copy_packets(source, tmp_path / f"cut{suffix}", lambda n: n >= keys[1] + after)
    probe = probe_clip(path)
    numbers = _numbers(path)
    assert numbers == list(range(60 - len(numbers), 60))
    assert probe.decoded_frames == probe.nominal_frames == len(numbers)
    assert len(numbers) >= 60 - keys[2] - 3
    (remark,) = probe.remarks
    assert remark.startswith("remarks of the decoder: ")
    assert remark.endswith("all frames that a player shows are whole")
    extracted = extract_frames(path, probe, [0, len(numbers) - 1], tmp_path / "out")
    assert {frame.backend for frame in extracted} == {"pyav"}


def test_pictures_after_a_gap_that_a_player_leaves_out_are_no_damage(tmp_path: Path) -> None:
    if "libx265" not in av.codecs_available:
        pytest.skip("this build of FFmpeg has no encoder libx265")
    options = {"x265-params": "open-gop=1:keyint=20:bframes=3:log-level=0"}
    source = write_clip(tmp_path / "s.mp4", 60, codec="libx265", options=options)
    keys = key_packets(source)
    path = copy_packets(source, tmp_path / "cut.mkv", lambda n: not keys[1] <= n < keys[2])
    numbers = _numbers(path)
    assert numbers == sorted(set(numbers))
    assert probe_clip(path).decoded_frames == len(numbers)


def test_pictures_missing_within_a_group_are_damage(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "s.mp4", 60, options=OPEN)
    path = copy_packets(source, tmp_path / "d.mkv", lambda n: not 30 <= n < 33)
    with pytest.raises(VideoError, match="the stream is damaged"):
        probe_clip(path)


@pytest.mark.parametrize("kind", ["flipped", "zeroed"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
def test_changed_bytes_are_damage(tmp_path: Path, codec: str, kind: str) -> None:
    options = {"libx264": CLOSED}.get(codec, {"g": "12", "bf": "2", "q:v": "3"})
    path = write_clip(tmp_path / "d.mp4", 60, codec=codec, options=options)
    data = bytearray(path.read_bytes())
    start, stop = data.index(b"mdat") + 4, data.index(b"moov")
    middle = start + (stop - start) // 2
    if kind == "zeroed":
        data[middle : middle + 1500] = bytes(1500)
    else:
        for position in np.random.default_rng(0).integers(start + 2000, stop - 1000, 40):
            data[position] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(VideoError, match=r"damaged|cut off") as caught:
        probe_clip(path)
    assert str(path) in str(caught.value)


def _remark(text: str, *, key: bool = False, leading: bool = False) -> Remark:
    return Remark(7, key, leading, text)


EVEN, GAP = list(range(20)), [*range(10), *range(13, 23)]


@pytest.mark.parametrize(
    ("remark", "pts", "damaged"),
    [
        (_remark("mmco: unref short failure"), EVEN, []),
        (_remark("mmco: unref short failure"), GAP, [7]),
        (_remark("mmco: unref short failure", key=True), GAP, []),
        (_remark("SEI type 5 size 1024 truncated at 8"), EVEN, []),
        (_remark("error while decoding MB 3 4, bytestream -5"), EVEN, [7]),
        (_remark(""), EVEN, [7]),
    ],
)
def test_what_a_remark_is(remark: Remark, pts: list[int], damaged: list[int]) -> None:
    found, words = verdict(Reading(remarks=[remark]), Reading(), pts)
    assert found == damaged
    assert bool(words) == (not damaged)


def test_a_leading_picture_is_damage_where_a_player_shows_it() -> None:
    strict = Reading(remarks=[_remark("", leading=True)], frames=10)
    assert verdict(strict, Reading(frames=10), EVEN)[0] == []
    assert verdict(strict, Reading(frames=11), EVEN)[0] == [7]


def test_frames_marked_as_damaged_are_damage_whatever_the_remark() -> None:
    strict = Reading(remarks=[_remark("mmco: unref short failure")])
    assert verdict(strict, Reading(corrupt=[9, 4]), EVEN) == ([4, 9], "")


_PEAK = """
import resource, sys
import struct
import subprocess
import sys
from pathlib import Path
from dance_models.errors import VideoError
from dance_models.video.probe import probe_clip
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    probe_clip(Path(sys.argv[1]))
except VideoError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error.message)
"""


def test_a_gif_that_declares_a_gigabyte_of_pixels_takes_none(tmp_path: Path) -> None:
    """The limit that the file is opened with is not the decoder's, which made the picture."""
    path = tmp_path / "a.gif"
    frames = [Image.new("P", (16, 12), number) for number in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 4551, 55685)
    path.write_bytes(data)
    command = [sys.executable, "-c", _PEAK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kilobytes, message = done.stdout.split(maxsplit=1)
    assert int(kilobytes) < 300_000
    assert message.strip() == "pictures of 4551x55685 are too large"
