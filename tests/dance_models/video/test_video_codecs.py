"""Codecs and containers that are read: every frame, in order, as displayed."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips_made import number_in, set_display_matrix, write_clip
from PIL import Image

from dance_models.video.decode import extract_frames
from dance_models.video.probe import probe_clip

FRAMES = 30
KINDS: dict[str, dict[str, Any]] = {
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "crf": "30"}},
    "av1.mkv": {"codec": "libsvtav1", "options": {"preset": "12", "crf": "30"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "crf": "30", "b:v": "0"}},
    "vp9.mp4": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "crf": "30", "b:v": "0"}},
    "vp8.webm": {"codec": "libvpx", "options": {"cpu-used": "8", "b:v": "1M"}},
    "hevc10.mp4": {
        "codec": "libx265",
        "pix_fmt": "yuv420p10le",
        "options": {"preset": "ultrafast", "x265-params": "log-level=0"},
    },
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "ffv1.mkv": {"codec": "ffv1"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "options": {"q:v": "3"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"q:v": "3", "bf": "2"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"q:v": "3", "bf": "2"}},
    "wmv.wmv": {"codec": "wmv2", "options": {"q:v": "3"}},
    "fragmented.mp4": {
        "options": {"g": "10"},
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "odd.mp4": {"size": (321, 239), "pix_fmt": "yuv444p"},
    "fast.mp4": {"rate": 240},
    "variable.mkv": {"ticks": np.cumsum([0] + [33, 33, 90, 20] * 8)[:FRAMES].tolist()},
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_frame_is_there_and_in_order(tmp_path: Path, kind: str) -> None:
    written = KINDS[kind]
    codec = written.get("codec", "libx264")
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    path = write_clip(tmp_path / kind, FRAMES, **written)
    probe = probe_clip(path)
    assert (probe.decoded_frames, probe.size) == (FRAMES, written.get("size", (320, 240)))
    assert probe.remarks == []
    rate = written.get("rate", 30)
    if "ticks" in written:
        np.testing.assert_allclose(probe.time_s, np.array(written["ticks"]) / 1000, atol=2e-3)
    else:
        np.testing.assert_allclose(probe.time_s, np.arange(FRAMES) / rate, atol=1e-3)
    wanted = [0, 1, 13, 14, 29]
    extracted = extract_frames(path, probe, wanted, tmp_path / "out")
    assert [number_in(np.asarray(Image.open(f.path))) for f in extracted] == wanted


def test_ten_bits_with_a_rotation(tmp_path: Path) -> None:
    if "libx265" not in av.codecs_available:
        pytest.skip("this build of FFmpeg has no encoder libx265")
    path = write_clip(tmp_path / "r.mp4", 10, **KINDS["hevc10.mp4"])
    set_display_matrix(path, (0, 1, -1, 0))
    probe = probe_clip(path)
    assert (probe.rotation, probe.size) == (270, (240, 320))
    (frame,) = extract_frames(path, probe, [6], tmp_path / "out")
    back = np.asarray(Image.open(frame.path).rotate(90, expand=True))
    assert number_in(back) == 6


def test_neighbours_that_look_alike_are_found(tmp_path: Path) -> None:
    """Saturated colours: luma that is computed from RGB is off by more than a frame's change."""
    path = tmp_path / "red.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"crf": "10", "g": "20", "colorspace": "bt709", "color_range": "tv"}
        for number in range(40):
            image = np.full((240, 320, 3), (230, 10, 10), np.uint8)
            image[100:110, 2 * number : 2 * number + 8] = (10, 10, 240)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    probe = probe_clip(path)
    extracted = extract_frames(path, probe, range(40), tmp_path / "out")
    for number, frame in enumerate(extracted):
        image = np.asarray(Image.open(frame.path)).astype(int)
        blue = np.flatnonzero((image[105, :, 2] - image[105, :, 0]) > 0)
        assert abs(int(blue[0]) - 2 * number) <= 1
