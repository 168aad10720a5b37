"""Frames outside of an edit list are no frames, and no loss."""

from pathlib import Path

import numpy as np
import pytest
from clips_made import number_in, set_edit_list, write_clip
from PIL import Image

from dance_models.errors import VideoError
from dance_models.video.decode import extract_frames, pyav_frames
from dance_models.video.probe import probe_clip
from dance_models.video.source import open_video

GROUPS = {"bf": "2", "g": "12"}


def _ticks(path: Path) -> int:
    """The track's own units of time a frame."""
    with open_video(path) as container:
        return round(1 / 30 / float(container.streams.video[0].time_base))


def _shown(path: Path) -> list[int]:
    count = probe_clip(path).decoded_frames
    return [number_in(image) for _, image in pyav_frames(path, range(count))]


@pytest.mark.parametrize(
    ("first", "frames", "options"),
    [(30, 60, GROUPS), (3, 87, GROUPS), (31, 21, GROUPS), (30, 60, {"bf": "2", "g": "250"})],
)
def test_a_trimmed_file_has_the_frames_that_are_shown(
    tmp_path: Path, first: int, frames: int, options: dict[str, str]
) -> None:
    path = write_clip(tmp_path / "t.mp4", 90, options=options)
    step = _ticks(path)
    set_edit_list(path, [(round(1000 * frames / 30), (first + 2) * step)])  # 2: B frames' delay
    probe = probe_clip(path)
    assert (probe.decoded_frames, probe.nominal_frames) == (frames, frames)
    assert probe.warnings == []
    np.testing.assert_allclose(probe.time_s, np.arange(frames) / 30, atol=1e-3)
    assert _shown(path) == list(range(first, first + frames))


def test_frames_are_extracted_by_their_shown_number(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "t.mp4", 90, options=GROUPS)
    set_edit_list(path, [(2000, 32 * _ticks(path))])
    extracted = extract_frames(path, probe_clip(path), [0, 7, 8, 59], tmp_path / "out")
    numbers = [number_in(np.asarray(Image.open(frame.path))) for frame in extracted]
    assert numbers == [30, 37, 38, 89]
    assert {frame.backend for frame in extracted} == {"pyav"}


def test_parts_are_shown_in_the_order_of_the_edit_list(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "p.mp4", 90, options=GROUPS)
    step = _ticks(path)
    set_edit_list(path, [(500, 12 * step), (500, 62 * step)])
    assert _shown(path) == [*range(10, 25), *range(60, 75)]
    assert probe_clip(path).nominal_frames == 30


def test_a_trimmed_file_that_was_cut_off_is_found(tmp_path: Path) -> None:
    whole = write_clip(
        tmp_path / "w.mp4", 90, options=GROUPS, container_options={"movflags": "faststart"}
    )
    data = bytearray(whole.read_bytes())
    at = data.index(b"elst") + 12
    data[at : at + 4] = (2000).to_bytes(4, "big")
    data[at + 4 : at + 8] = (32 * _ticks(whole)).to_bytes(4, "big")
    whole.write_bytes(bytes(data))
    assert probe_clip(whole).decoded_frames == 60
    whole.write_bytes(bytes(data[: len(data) * 7 // 10]))
    with pytest.raises(VideoError, match=r"cut off|damaged"):
        probe_clip(whole)
