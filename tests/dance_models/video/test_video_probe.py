"""Probing describes a clip and refuses unusable files with a reason."""

from pathlib import Path

import numpy as np
import pytest
from clips_made import rotate_metadata, write_clip, write_sound

from dance_models.errors import VideoError
from dance_models.tables import CLIP_PROBE
from dance_models.video.probe import ClipProbe, probe_clip


def test_a_plain_clip(tmp_path: Path) -> None:
    probe = probe_clip(write_clip(tmp_path / "a.mp4", 50))
    assert (probe.codec, probe.width, probe.height, probe.rotation) == ("h264", 320, 240, 0)
    assert probe.decoded_frames == probe.nominal_frames == 50
    assert not probe.variable_rate
    assert probe.warnings == []
    np.testing.assert_allclose(probe.time_s, np.arange(50) / 30, atol=1e-4)
    assert probe.fps == pytest.approx(30, rel=1e-3)
    assert probe.signature.shape == (50, 432)
    assert (probe.motion > 0).all()


def test_variable_rate_keeps_true_times(tmp_path: Path) -> None:
    ticks = np.cumsum([0] + [33, 33, 90, 20] * 10).tolist()
    probe = probe_clip(write_clip(tmp_path / "v.mkv", len(ticks), ticks=ticks))
    assert probe.variable_rate
    np.testing.assert_allclose(probe.time_s, np.array(ticks) / 1000, atol=2e-3)
    assert any("20 to 90 ms" in w for w in probe.warnings)


@pytest.mark.parametrize("size", [(1080, 1920), (322, 242)])
def test_sizes_are_as_displayed(tmp_path: Path, size: tuple[int, int]) -> None:
    probe = probe_clip(write_clip(tmp_path / "p.mp4", 3, size=size))
    assert (probe.width, probe.height) == size


def test_an_odd_size(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "odd.mp4", 5, size=(321, 239), pix_fmt="yuv444p")
    probe = probe_clip(clip)
    assert (probe.width, probe.height) == (321, 239)


def test_rotation_swaps_the_displayed_size(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "r.mp4", 5)
    rotate_metadata(clip, 1)
    probe = probe_clip(clip)
    assert probe.rotation in (90, 270)
    assert (probe.width, probe.height) == (240, 320)
    assert any("rotated" in w for w in probe.warnings)


def test_a_row_of_the_table_round_trips(tmp_path: Path) -> None:
    probe = probe_clip(write_clip(tmp_path / "a.mp4", 5))
    row = probe.as_row()
    assert set(row) <= set(CLIP_PROBE)
    again = ClipProbe.from_row(row)
    np.testing.assert_array_equal(again.signature, probe.signature)
    np.testing.assert_array_equal(again.time_s, probe.time_s)


def _bad(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "bad.mp4"
    if kind == "text":
        path.write_text("this is a shopping list\n" * 50)
    elif kind == "empty":
        path.touch()
    elif kind == "sound":
        write_sound(path)
    elif kind == "truncated":
        whole = write_clip(path).read_bytes()
        path.write_bytes(whole[: len(whole) * 6 // 10])
    elif kind == "cut off":
        whole = write_clip(path, options={"movflags": "faststart"}).read_bytes()
        path.write_bytes(whole)
        _faststart(path)
    return path


def _faststart(path: Path) -> None:
    """Cut an mp4 whose index is at the front."""
    import av

    source = path.with_name("whole.mp4")
    path.rename(source)
    with (
        av.open(str(source)) as inside,
        av.open(str(path), "w", options={"movflags": "faststart"}) as outside,
    ):
        stream = outside.add_stream_from_template(inside.streams.video[0])
        for packet in inside.demux(inside.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                outside.mux(packet)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "not a video that can be opened"),
        ("empty", "the file is empty"),
        ("sound", "no picture in the file"),
        ("truncated", "not a video that can be opened"),
        ("cut off", "cut off|damaged"),
        ("missing", "the file has gone"),
    ],
)
def test_bad_files_are_refused_with_file_and_reason(tmp_path: Path, kind: str, reason: str) -> None:
    path = _bad(tmp_path, kind)
    with pytest.raises(VideoError, match=reason) as caught:
        probe_clip(path)
    assert str(path) in str(caught.value)


def test_a_damaged_stream_is_refused_not_concealed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "d.mp4", 60, options={"g": "250"})
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    rng = np.random.default_rng(0)
    for position in rng.integers(start + 3000, start + (len(data) - start) // 2, 60):
        data[position] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(VideoError, match="damaged") as caught:
        probe_clip(path)
    assert caught.value.frame is not None
