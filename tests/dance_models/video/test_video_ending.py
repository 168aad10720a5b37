"""Files that stop before their own end are told from whole ones."""

from pathlib import Path

import pytest
from clips_made import numbered, write_clip
from PIL import Image

from dance_models.errors import VideoError
from dance_models.video.ending import share_there
from dance_models.video.probe import probe_clip


def _cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_a_matroska_file_that_was_cut_off(tmp_path: Path, name: str) -> None:
    webm = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
    path = write_clip(tmp_path / name, 40, **(webm if name == "a.webm" else {}))  # type: ignore[arg-type]
    assert share_there(path) == 1
    assert probe_clip(path).remarks == []
    with pytest.raises(VideoError, match=r"the file was cut off: only \d+ frames are there"):
        probe_clip(_cut(path, 0.6))


def test_a_missing_index_at_the_end_is_a_remark(tmp_path: Path) -> None:
    path = _cut(write_clip(tmp_path / "a.mkv", 60), 0.995)
    probe = probe_clip(path)
    assert probe.decoded_frames >= 58
    assert probe.remarks == ["the file lacks 0.5% of its bytes, at its end"]


def test_a_matroska_file_that_states_no_length(tmp_path: Path) -> None:
    """Recorders write the length when they stop, or never."""
    path = write_clip(tmp_path / "a.mkv", 20)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7
    path.write_bytes(data)
    assert share_there(path) == 1
    assert probe_clip(path).decoded_frames == 20


@pytest.mark.parametrize("colours", [256, 16])
def test_a_gif_that_ends_within_a_picture(tmp_path: Path, colours: int) -> None:
    images = [Image.fromarray(numbered(n, (120, 90))).quantize(colours) for n in range(8)]
    path = tmp_path / "a.gif"
    images[0].save(path, save_all=True, append_images=images[1:], duration=40)
    assert share_there(path) == 1
    assert probe_clip(path).decoded_frames == 8
    path.write_bytes(path.read_bytes() + b"\0\0")  # what follows the end does not matter
    assert share_there(path) == 1
    with pytest.raises(VideoError, match="cut off"):
        probe_clip(_cut(path, 0.6))
