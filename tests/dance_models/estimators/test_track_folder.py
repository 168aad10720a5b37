"""Which file or folder of poses belongs to which clip."""

import os
from pathlib import Path

import pytest
from comparisons import counted_comparisons
from pose_files import write_track

from dance_models.errors import InputError
from dance_models.estimators import track_folder
from dance_models.estimators.track_folder import files_of_clip, unused_tracks
from dance_models.video.names import clip_slug


@pytest.mark.parametrize("name", ["My Clip-1.json", "my_clip_1.openpose_body25.json"])
def test_the_file_is_found_by_the_slug_of_the_clip(tmp_path: Path, name: str) -> None:
    write_track(tmp_path / name, [(0, 200, 80)])
    write_track(tmp_path / "my_clip_11.json", [(0, 200, 80)])
    assert files_of_clip(tmp_path, "my_clip_1")[0].name == name


def test_a_folder_belongs_to_its_clip(tmp_path: Path) -> None:
    folder = tmp_path / "my_clip_1"
    folder.mkdir()
    write_track(folder / "f_000001.json", [(0, 200, 80)])
    assert files_of_clip(tmp_path, "my_clip_1") == (folder, [folder / "f_000001.json"])


def test_a_missing_or_ambiguous_track_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'a'.*found nothing.*a\.json"):
        files_of_clip(tmp_path, "a")
    write_track(tmp_path / "a.coco.json", [(0, 200, 80)])
    write_track(tmp_path / "a.openpose.json", [(0, 200, 80)])
    with pytest.raises(InputError, match=r"found a\.coco\.json, a\.openpose\.json"):
        files_of_clip(tmp_path, "a")
    with pytest.raises(InputError, match="does not exist"):
        files_of_clip(tmp_path / "gone", "a")


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("solo_json/solo_000001.json", "solo"),
        ("solo_pose/solo/solo_000001.json", "solo"),
        ("solo/keypoints/solo_000001.json", "solo"),
        ("solo/alphapose-results.json", "solo"),
        ("predictions/solo.json", "solo"),
        ("pose/solo_json/solo_000001.json", "solo"),
        ("results_solo.json", "solo"),
        ("solo.predictions.slp", "solo"),
        ("soloDLC_resnet50_danceMay1shuffle1_50000.csv", "solo"),
        ("solo_Sports2D/solo_Sports2D_px_person00.trc", "solo"),
        ("solo_000001_keypoints.json", "solo"),
        ("labels/solo_12.txt", "solo"),
        ("Süß & Co.json", clip_slug("Süß & Co.mp4")),
        ("舞蹈_json/舞蹈_000001.json", clip_slug("舞蹈.mp4")),
        ("танец_вальс.json", clip_slug("танец_вальс.mp4")),
    ],
)
def test_names_that_tools_give(tmp_path: Path, name: str, clip: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_track(path, [(0, 200, 80)])
    write_track(tmp_path / "solo2.json", [(0, 200, 80)])
    assert files_of_clip(tmp_path, clip)[1] == [path]


def test_the_folder_of_images_beside_the_poses_is_not_a_track(tmp_path: Path) -> None:
    (tmp_path / "solo").mkdir()
    (tmp_path / "solo" / "000001.jpg").write_bytes(b"")
    (tmp_path / "solo_json").mkdir()
    write_track(tmp_path / "solo_json" / "solo_1.json", [(0, 200, 80)])
    assert files_of_clip(tmp_path, "solo")[0].name == "solo_json"


def test_other_files_among_tracks_are_named(tmp_path: Path) -> None:
    for name in ("solo.json", "pose/duet.json", "pose/trio.json", "a/b/c.json", "a/d/e.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_track(tmp_path / name, [(0, 200, 80)])
    for name in ("README.md", "solo_meta.pickle", "solo.mp4", "Config.toml", "pose/x.jpg"):
        (tmp_path / name).write_text("x")
    (tmp_path / "a" / "solo2.npz").write_text("x")
    assert unused_tracks(tmp_path, ["solo", "duet"]) == [
        f"{tmp_path / 'pose/trio.json'}: of no registered clip, so it is not read",
        *(
            f"{tmp_path / name}: is in no known format; `dance formats` lists those that are read"
            for name in ("a/b/c.json", "a/d/e.json")
        ),
        f"{tmp_path / 'a/solo2.npz'}: holds arrays without joint names: give motion with --motion",
    ]


def test_a_link_that_leads_back_to_itself_stops_nobody(tmp_path: Path) -> None:
    """It ended `dance run` and `dance status` after all clips were made."""
    write_track(tmp_path / "a.json", [(0, 200, 80)])
    (tmp_path / "loop.json").symlink_to("loop.json")
    lines = unused_tracks(tmp_path, ["a"])
    assert lines[-1] == f"{tmp_path / 'loop.json'}: the link leads back to itself"


def test_tracks_of_no_clip_are_named(tmp_path: Path) -> None:
    for name in ("solo.json", "duett.json", "other_000001_keypoints.json"):
        write_track(tmp_path / name, [(0, 200, 80)])
    write_track(tmp_path / "other_000002_keypoints.json", [(0, 200, 80)])
    lines = unused_tracks(tmp_path, ["solo", "duet"])
    assert lines == [
        f"{tmp_path / 'duett.json'}: of no registered clip, so it is not read; "
        "did you mean 'duet'?",
        f"{tmp_path / 'other_000001_keypoints.json'} and 1 more: of no registered clip, so it is "
        "not read",
    ]


def test_a_folder_is_listed_once_for_all_clips_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder that changed a moment ago nothing is kept: the next change may look the same."""
    listed: list[Path] = []
    of = track_folder._Listing.of
    monkeypatch.setattr(
        track_folder._Listing, "of", lambda folder: (listed.append(folder), of(folder))[1]
    )
    for clip in ("a", "b"):
        write_track(tmp_path / f"{clip}.json", [(0, 200, 80)])
    assert [files_of_clip(tmp_path, clip)[0].stem for clip in ("a", "b", "a")] == ["a", "b", "a"]
    assert len(listed) > 3
    listed.clear()
    os.utime(tmp_path, (1e9, 1e9))
    assert [files_of_clip(tmp_path, clip)[0].stem for clip in ("a", "b", "a")] == ["a", "b", "a"]
    assert listed == [tmp_path]
    (tmp_path / "a.json").unlink()
    with pytest.raises(InputError, match="found nothing"):
        files_of_clip(tmp_path, "a")


def test_the_nearest_of_many_clips_is_found_for_an_unused_track_without_comparing_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = counted_comparisons(monkeypatch)
    for letter in "abcdefghij":
        (tmp_path / f"dense_{letter}.json").write_text("{}")
    lines = unused_tracks(tmp_path, [f"dance_{number:03d}" for number in range(300)])
    assert len(lines) == 10
    assert len(compared) <= 60 * 10
