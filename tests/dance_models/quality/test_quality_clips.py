"""Damage to the probed data of a clip is found at its frame."""

from typing import Any

import numpy as np
import pytest
from quality_cases import dancing_pictures

from dance_models.config import QualityConfig
from dance_models.quality import duplicates
from dance_models.quality.clips import (
    blank_frames,
    file_remarks,
    frozen_frames,
    lost_frames,
    time_stamps,
)
from dance_models.quality.duplicates import ClipPictures, duplicate_clips
from dance_models.quality.findings import Finding
from dance_models.video.signature import CELLS

CONFIG = QualityConfig()


@pytest.mark.parametrize(
    ("nominal", "decoded", "severity"),
    [(300, 300, None), (300, 299, None), (40, 39, None), (300, 290, "warn"), (300, 310, "warn"),
     (300, 200, "error")],
)  # fmt: skip
def test_lost_frames(nominal: int, decoded: int, severity: str | None) -> None:
    found = lost_frames("a", nominal, decoded, CONFIG)
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all(f.frame == min(nominal, decoded) for f in found)


def test_remarks_of_a_file_are_one_warning() -> None:
    assert file_remarks("a", []) == []
    (finding,) = file_remarks("a", ["two streams", "pixels are not square"])
    assert (str(finding), finding.severity) == ("a: two streams; pixels are not square", "warn")


def test_time_stamps() -> None:
    times = np.arange(50) / 25
    assert not time_stamps("a", times, CONFIG)
    assert not time_stamps("a", times[:1], CONFIG)
    dropped = np.delete(times, 20)
    (found,) = time_stamps("a", dropped, CONFIG)
    assert (found.frame, found.severity) == (20, "warn")
    assert "80 ms" in found.message
    back = times.copy()
    back[30] = back[28]
    assert [(f.frame, f.severity) for f in time_stamps("a", back, CONFIG)] == [
        (30, "error"), (31, "warn"),
    ]  # fmt: skip


def test_blank_frames() -> None:
    pictures = dancing_pictures(0, 60)
    frames = np.arange(10, 50)
    assert not blank_frames("a", frames, pictures, CONFIG)
    pictures[[5, 20, 21]] = 16
    assert [f.frame for f in blank_frames("a", frames, pictures, CONFIG)] == [20, 21]
    pictures[20:45] = 255
    assert {f.severity for f in blank_frames("a", frames, pictures, CONFIG)} == {"error"}


def test_frozen_frames() -> None:
    time_s, motion = np.arange(120) / 30, np.full(120, 0.2)
    frames = np.arange(100)
    assert not frozen_frames("a", frames, time_s, motion, CONFIG)
    motion[40:50] = 0  # a third of a second: a dancer who holds still
    assert not frozen_frames("a", frames, time_s, motion, CONFIG)
    motion[40:60] = 0
    found = frozen_frames("a", frames, time_s, motion, CONFIG)
    assert [f.frame for f in found] == list(range(40, 60))
    assert found[0].value == pytest.approx(20 / 30)
    assert "frames 39-59" in found[0].message
    motion[:] = 0
    assert {f.severity for f in frozen_frames("a", frames, time_s, motion, CONFIG)} == {"error"}


def _pictures(clip: str, signature: np.ndarray, fps: float = 30, sha: str = "") -> ClipPictures:
    return ClipPictures(clip, sha or clip, np.arange(len(signature)) / fps, signature)


def test_clips_on_one_stage_are_not_duplicates() -> None:
    clips = [_pictures(f"c{seed}", dancing_pictures(seed)) for seed in range(6)]
    assert not duplicate_clips(clips, CONFIG)


def test_cut_re_encoded_and_mirrored_copies_are_found() -> None:
    original = dancing_pictures(0)
    rng = np.random.default_rng(9)
    darker = np.clip(0.8 * original + rng.normal(0, 2, original.shape), 0, 255).astype(np.uint8)
    mirrored = original.reshape(-1, CELLS[1], CELLS[0])[:, :, ::-1].reshape(len(original), -1)
    clips = [
        _pictures("a", original),
        _pictures("b_other", dancing_pictures(1)),
        _pictures("c_file", original, sha="a"),
        _pictures("d_darker", darker),
        _pictures("e_cut", original[60:200]),
        _pictures("f_mirrored", mirrored),
        _pictures("g_half_rate", original[::2], fps=15),
    ]
    found = {f.clip: f for f in duplicate_clips(clips, CONFIG)}
    assert sorted(found) == ["c_file", "d_darker", "e_cut", "f_mirrored", "g_half_rate"]
    assert {f.other for f in found.values()} == {"a"}
    assert "same file" in found["c_file"].message
    assert "mirrored" in found["f_mirrored"].message
    cut = found["e_cut"]
    assert cut.frame is not None
    assert cut.other_frame is not None
    assert abs(cut.other_frame - cut.frame - 60) <= 3  # compared every fifth frame


def test_still_clips_are_not_reported_as_duplicates() -> None:
    still = np.repeat(dancing_pictures(0, 1), 90, axis=0)
    assert not duplicate_clips([_pictures("a", still), _pictures("b", still)], CONFIG)


def _copied_clips(seed: int) -> list[ClipPictures]:
    """Sixty clips of forty dances on two stages: cut, some mirrored, some the same file."""
    rng = np.random.default_rng(seed)
    clips = []
    for number in range(60):
        dance = int(rng.integers(40))
        start, frames = rng.integers(60), rng.integers(20, 180)
        clip = dancing_pictures(dance, stage=dance % 2)[start : start + frames]
        if rng.uniform() < 0.2:
            clip = clip.reshape(-1, CELLS[1], CELLS[0])[:, :, ::-1].reshape(len(clip), -1)
        clips.append(_pictures(f"c{number:02d}", clip, sha=str(rng.integers(500))))
    return clips


@pytest.mark.parametrize("seed", range(3))
def test_no_copy_is_ruled_out_before_it_is_compared(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The findings are those of comparing every pair; few are compared."""
    clips = _copied_clips(seed)
    compared = []
    compare = duplicates._compare

    def counted(*pair: Any) -> Finding | None:
        compared.append(pair)
        return compare(*pair)

    monkeypatch.setattr(duplicates, "_compare", counted)
    found = duplicate_clips(iter(clips), CONFIG)
    assert len(compared) < 60 * 59 / 2 / 5
    moving = [duplicates._moving(clip) for clip in clips]
    expected = []
    for index, later in enumerate(moving):
        pairs = (compare(earlier, later, CONFIG) for earlier in moving[:index])
        expected += [pair for pair in pairs if pair][:1]
    assert found == expected
    assert len(found) > 5
    assert any("mirrored" in one.message for one in found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_what_was_compared_before_does_not_change_what_is_found(seed: int, share: float) -> None:
    """Some clips are new since, others have gone, also such that others are copies of."""
    clips = _copied_clips(seed)
    rng = np.random.default_rng(seed)
    gone = {clip.clip for clip in clips if rng.uniform() < 0.1}
    before = [clip for clip in clips if rng.uniform() < share or clip.clip in gone]
    found = {finding.clip: finding for finding in duplicate_clips(before, CONFIG)}
    known = {clip.clip: found.get(clip.clip) for clip in before if clip.clip not in gone}
    now = [clip for clip in clips if clip.clip not in gone]
    expected = duplicate_clips(now, CONFIG)
    assert duplicate_clips(now, CONFIG, known) == expected
    assert expected
