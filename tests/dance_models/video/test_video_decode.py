"""An index gives exactly its frame, with any decoder."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import number_in, numbered, rotate_metadata, write_clip
from PIL import Image as PillowImage

from dance_models.errors import VideoError
from dance_models.video.decode import ExtractedFrame, _attempt, extract_frames, pyav_frames
from dance_models.video.probe import probe_clip
from dance_models.video.signature import is_frame, signature_of_rgb

RATES = {
    "constant": {},
    "b-frames": {"options": {"bf": "3", "b_strategy": "0", "g": "30"}},
    "gop-250": {"options": {"g": "250", "bf": "2"}},
    "variable": {"ticks": np.cumsum([0] + [33, 33, 90, 20] * 40)[:150].tolist()},
}


def _numbers(frames: Sequence[ExtractedFrame]) -> list[int]:
    return [number_in(np.asarray(PillowImage.open(frame.path))) for frame in frames]


@pytest.mark.parametrize("kind", sorted(RATES))
@pytest.mark.parametrize("subset", ["run", "scattered"])
def test_frames_are_exact(tmp_path: Path, kind: str, subset: str) -> None:
    suffix = ".mkv" if kind == "variable" else ".mp4"
    clip = write_clip(tmp_path / f"c{suffix}", 150, **RATES[kind])  # type: ignore[arg-type]
    wanted = list(range(47, 95)) if subset == "run" else [0, 3, 4, 31, 77, 78, 120, 149]
    extracted = extract_frames(clip, probe_clip(clip), wanted, tmp_path / "out")
    assert [f.frame for f in extracted] == wanted
    assert _numbers(extracted) == wanted


def test_decord_decodes_an_intact_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mp4", 20)
    extracted = extract_frames(clip, probe_clip(clip), [2, 3], tmp_path / "out")
    assert {f.backend for f in extracted} == {"decord"}


def test_rotated_clips_come_out_upright(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mp4", 10)
    rotate_metadata(clip, 2)
    extracted = extract_frames(clip, probe_clip(clip), [5], tmp_path / "out")
    turned = np.asarray(PillowImage.open(extracted[0].path))[::-1, ::-1]
    assert number_in(turned) == 5


def hanging(path: Path, frames: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:  # type: ignore[type-arg]
    yield frames[0], numbered(frames[0])
    time.sleep(60)


def off_by_one(path: Path, frames: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:  # type: ignore[type-arg]
    for (index, image), wanted in zip(
        pyav_frames(path, [f + 1 for f in frames]), frames, strict=True
    ):
        del index
        yield wanted, image


def crashing(path: Path, frames: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:  # type: ignore[type-arg]
    import os

    os.abort()
    yield 0, numbered(0)


def silent(path: Path, frames: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:  # type: ignore[type-arg]
    yield from ()


class EndsItsProcess:
    """Ends the process that is to decode while that reads what it is to do."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (1,)


def test_a_decoders_process_that_does_not_start_is_replaced(tmp_path: Path) -> None:
    """It gets more than a pipe holds, and is killed before it has read it."""
    path = write_clip(tmp_path / "c.mp4", 5)
    probe = replace(probe_clip(path), signature=np.zeros((10_000, 432), np.uint8))
    backend: Any = EndsItsProcess()
    reason = _attempt(backend, path, probe, [3], tmp_path, 92, 30.0)
    assert reason == "the decoder crashed at frame 3"


@pytest.mark.parametrize("backend", [hanging, off_by_one, crashing, silent])
def test_a_decoder_that_fails_is_replaced(tmp_path: Path, backend: object) -> None:
    clip = write_clip(tmp_path / "c.mp4", 40)
    extracted = extract_frames(
        clip,
        probe_clip(clip),
        [10, 11, 12],
        tmp_path / "out",
        timeout_s=4.0 if backend is hanging else 60.0,
        first_choice=backend,  # type: ignore[arg-type]
    )
    assert {f.backend for f in extracted} == {"pyav"}
    assert _numbers(extracted) == [10, 11, 12]


def test_when_every_decoder_fails_the_error_names_file_and_frame(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mp4", 20)
    probe = probe_clip(clip)
    other = write_clip(tmp_path / "other.mp4", 20, size=(160, 120))
    clip.write_bytes(other.read_bytes()[: other.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"c\.mp4.*no decoder gives its frames"):
        extract_frames(clip, probe, [3], tmp_path / "out", timeout_s=60)


def test_signatures_differ_between_neighbouring_frames() -> None:
    signatures = np.stack([signature_of_rgb(numbered(i)) for i in range(20)])
    assert is_frame(signatures[7], signatures, 7)
    assert not is_frame(signatures[8], signatures, 7)
    assert not is_frame(255 - signatures[7], signatures, 7)
