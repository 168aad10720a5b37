"""Folders of numbered images, and animations, are clips."""

from collections.abc import Iterable
from pathlib import Path, PurePath

import cv2
import numpy as np
import pytest
from clips_made import number_in, numbered
from PIL import Image

from dance_models.errors import InputError, VideoError
from dance_models.video.decode import extract_frames, pyav_frames
from dance_models.video.image_frames import folder_pictures
from dance_models.video.images import clip_digest, is_clip_on_disk, numbered_images, rate_of
from dance_models.video.probe import probe_clip
from dance_models.video.scan import scan_clips


def _folder(path: Path, numbers: Iterable[int], name: str = "{:04d}.png") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(numbered(number)).save(path / name.format(number))
    return path


def _numbers(path: Path) -> list[int]:
    return [number_in(image) for _, image in pyav_frames(path, range(1000))]


@pytest.mark.parametrize(
    "name", ["{:04d}.png", "{}.png", "frame_{:06d}.jpg", "a.b-{}.JPEG", "{:03d}.webp", "x{}.bmp"]
)
def test_images_are_frames_in_the_order_of_their_numbers(tmp_path: Path, name: str) -> None:
    folder = _folder(tmp_path / "dance", range(1, 13), name)
    (folder / "fps").write_text("25\n")
    probe = probe_clip(folder)
    assert (probe.decoded_frames, probe.nominal_frames, probe.size) == (12, 12, (320, 240))
    np.testing.assert_allclose(probe.time_s, np.arange(12) / 25)
    assert probe.warnings == []
    assert _numbers(folder) == list(range(1, 13))
    extracted = extract_frames(folder, probe, [0, 7, 11], tmp_path / "out")
    assert [number_in(np.asarray(Image.open(f.path))) for f in extracted] == [1, 8, 12]


def test_work_grows_with_the_number_of_images_and_not_with_its_square(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = 0
    hash_of = PurePath.__hash__

    def counted(path: PurePath) -> int:
        nonlocal hashed
        hashed += 1
        return hash_of(path)

    for number in range(100):
        (tmp_path / f"{number:04d}.png").touch()
    (tmp_path / "cover.png").touch()
    monkeypatch.setattr(PurePath, "__hash__", counted)
    found = numbered_images(tmp_path)
    assert (len(found.paths), found.others) == (100, ("cover.png",))
    assert hashed <= 4 * 101


def test_missing_numbers_are_gaps_in_time(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "d", [3, 4, 5, 9, 10])
    probe = probe_clip(folder, 10)
    np.testing.assert_allclose(probe.time_s, [0, 0.1, 0.2, 0.6, 0.7])
    assert probe.remarks == [
        "3 of the numbers 3 to 10 have no image: frames are counted without them, times with them"
    ]


def test_every_fifth_frame_has_no_gaps(tmp_path: Path) -> None:
    probe = probe_clip(_folder(tmp_path / "d", range(0, 60, 5)), 6)
    np.testing.assert_allclose(probe.time_s, np.arange(12) / 6)
    assert probe.remarks == []


def test_without_a_rate_30_is_taken_and_said(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "d", range(4))
    assert "30 frames/s taken" in folder_pictures(folder, None).warnings[0]
    (folder / "fps").write_text("fast")
    with pytest.raises(VideoError, match="'fast' is not a frame rate"):
        probe_clip(folder)


@pytest.mark.parametrize(("text", "rate"), [("25", 25), ("30000/1001", 29.97), ("29,97", 29.97)])
def test_rates(text: str, rate: float) -> None:
    assert rate_of(text, Path("fps")) == pytest.approx(rate, abs=1e-3)


@pytest.mark.parametrize("text", ["", "0", "-5", "nan", "1/0", "many"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(InputError, match="is not a frame rate"):
        rate_of(text, Path("fps"))


def test_images_are_turned_as_a_viewer_does(tmp_path: Path) -> None:
    for number in range(2):
        exif = Image.Exif()
        exif[0x0112] = 6  # shown turned clockwise
        Image.fromarray(numbered(number)).save(tmp_path / f"{number}.jpg", exif=exif, quality=95)
    probe = probe_clip(tmp_path)
    assert probe.size == (240, 320)
    ((_, image),) = pyav_frames(tmp_path, [1])
    assert number_in(np.rot90(image)) == 1


@pytest.mark.parametrize("kind", ["text", "another size", "truncated"])
def test_an_image_that_cannot_be_used_is_named(tmp_path: Path, kind: str) -> None:
    folder = _folder(tmp_path / "d", range(4))
    bad = folder / "0002.png"
    if kind == "another size":
        Image.fromarray(numbered(2, (160, 120))).save(bad)
    else:
        bad.write_bytes(b"not an image" if kind == "text" else bad.read_bytes()[:40])
    with pytest.raises(VideoError, match=r"frame 2: (this is not an image|the size changes)"):
        probe_clip(folder)


def test_the_digest_is_of_the_images_and_the_rate(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "d", range(3))
    digests = [clip_digest(folder)]
    (folder / "notes.txt").write_text("x")
    assert clip_digest(folder) == digests[0]
    (folder / "fps").write_text("25")
    digests.append(clip_digest(folder))
    Image.fromarray(numbered(9)).save(folder / "0001.png")
    digests.append(clip_digest(folder))
    (folder / "0002.png").unlink()
    digests.append(clip_digest(folder))
    assert len(set(digests)) == 4
    for path in numbered_images(folder).paths:
        path.unlink()
    assert not is_clip_on_disk(folder)


def test_a_clip_that_may_not_be_looked_at_is_taken_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One such folder must not end a command for all clips: probing says what is wrong."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refused)
    assert is_clip_on_disk(tmp_path / "solo.mp4")


def test_folders_of_images_are_found(tmp_path: Path) -> None:
    _folder(tmp_path / "salsa" / "Solo 1", range(3))
    _folder(tmp_path / "Duo.v2", range(3))
    _folder(tmp_path / "single", [1])
    with_others = _folder(tmp_path / "tango" / "mixed", range(3))
    (with_others / "cover.jpg").write_bytes(b"")
    (_folder(tmp_path / "video", range(3)) / "a.mp4").write_bytes(b"x")
    (tmp_path / "clips.csv").write_text("clip,fps,take\nSolo 1,25,t1\nDuo.v2,quick,\n")
    found = scan_clips(tmp_path)
    assert [(e.clip, e.style, e.fps, e.take) for e in found.entries] == [
        ("a", "video", "", ""),
        ("duo-v2", "unknown", "", ""),
        ("mixed", "tango", "", ""),
        ("solo-1", "salsa", "25", "t1"),
    ]
    messages = {Path(p.file).name: p.message for p in found.problems}
    assert (
        messages["mixed"]
        == "images that were not used: 1 (cover.jpg); not of the 3 numbered frames"
    )
    assert messages["single"].startswith("images that were not used: 1 (0001.png)")
    assert "'quick' is not a frame rate" in messages["Duo.v2"]


def _animation(path: Path, durations: list[int]) -> Path:
    animation = cv2.Animation()
    animation.frames = [np.ascontiguousarray(numbered(i)[..., ::-1]) for i in range(len(durations))]
    animation.durations = np.array(durations, np.int32)
    written = path.with_suffix(".png") if path.suffix == ".apng" else path
    assert cv2.imwriteanimation(str(written), animation)
    return written.rename(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_animations_are_clips(tmp_path: Path, suffix: str) -> None:
    durations = [40, 40, 120, 40, 40, 40, 40, 40]
    path = _animation(tmp_path / f"a{suffix}", durations)
    (entry,) = scan_clips(tmp_path).entries
    assert entry.path == path
    probe = probe_clip(path)
    assert (probe.decoded_frames, probe.size) == (8, (320, 240))
    starts = np.concatenate([[0], np.cumsum(durations)[:-1]]) / 1000
    np.testing.assert_allclose(probe.time_s, starts, atol=1e-6)
    assert _numbers(path) == list(range(8))
    extracted = extract_frames(path, probe, [1, 6], tmp_path / "out")
    assert [number_in(np.asarray(Image.open(f.path))) for f in extracted] == [1, 6]


def test_a_single_webp_picture_is_no_clip(tmp_path: Path) -> None:
    Image.fromarray(numbered(1)).save(tmp_path / "cover.webp")
    assert scan_clips(tmp_path).entries == []


def test_a_webp_animation_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = _animation(tmp_path / "a.webp", [40] * 6)
    path.write_bytes(path.read_bytes()[:-800])
    with pytest.raises(VideoError, match="damaged or was cut off"):
        probe_clip(path)


@pytest.mark.parametrize(
    "name", ["{:04d}_rgb.png", "cam2_{}_rgb.png", "dance ({}).jpg", "a-{}-b1.bmp"]
)
def test_the_number_may_stand_anywhere(tmp_path: Path, name: str) -> None:
    folder = _folder(tmp_path / "d", range(2, 13), name)
    assert numbered_images(folder).numbers == tuple(range(2, 13))
    assert probe_clip(folder).image_numbers == list(range(2, 13))


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_images_of_16_bits(tmp_path: Path, suffix: str) -> None:
    for number in range(3):
        grey = numbered(number)[..., 0].astype(np.uint16) * 257
        cv2.imwrite(str(tmp_path / f"{number}{suffix}"), grey)
    assert probe_clip(tmp_path).decoded_frames == 3
    assert _numbers(tmp_path) == [0, 1, 2]
    cut = tmp_path / f"1{suffix}"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with pytest.raises(VideoError, match="frame 1: this is not an image"):
        probe_clip(tmp_path)
