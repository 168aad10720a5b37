"""Clip and frame from the names that annotation tools make of images and videos."""

import pickle

import pytest

from dance_models.annotations.image_names import (
    Reading,
    UnnamedImageError,
    clip_of,
    identity_of,
)
from dance_models.errors import InputError


def reading(*clips: str, **chosen: str) -> Reading:
    return Reading({clip: clip for clip in clips}, **chosen)  # type: ignore[arg-type]


SALSA = reading("salsa_01", "ballet_06")


@pytest.mark.parametrize(
    "name",
    [
        "salsa_01/000012.jpg",
        "\\\\server\\share\\salsa_01.mp4\\12.png",
        "https://example.org/salsa_01/000012.jpg?token=ab12&preview=small.jpg",
        "salsa_01/12.png",
        "salsa_01/frame_12.png",
        "salsa_01/img0012.jpg",
        "salsa_01/images/frame_000012.jpg",
        "salsa_01/default/000012.PNG",
        "salsa_01_000012.jpg",
        "salsa_01-12.jpg",
        "salsa_01_f12.jpg",
        "salsa_01 frame 12.jpg",
        "salsa_01_frame_0012",
        "salsa_01 (12).jpg",
        "SALSA_01.mp4_000012.jpg",
        "salsa_01_mp4-12_jpg.rf.0a1b2c3d4e5f60718293a4b5c6d7e8f9.jpg",
        "salsa_01_000012_jpg.rf.0a1b2c3d4e5f60718293a4b5c6d7e8f9.jpg",
        "salsa_01_000012_png_jpg.rf.AbC123.jpg",
        "..\\..\\label-studio\\media\\upload\\4\\salsa_01_000012.png",
        "../../media/upload/4/salsa_01_000012.png",
        "C:\\dance\\salsa_01\\000012.jpg",
        "/data/upload/3/0f3a9c1d-salsa_01_000012.jpg",
        "/data/local-files/?d=out/images/salsa_01_000012.jpg",
        "/data/local-files/?d=out%2Fsalsa_01%2F000012.jpg",
        "https://example.org/a/salsa_01/000012.jpg?X-Signature=ab12&Expires=99#x",
        "https://example.org/get?file=salsa_01%2F000012.jpg&size=2",
        "s3://bucket/ballet_06/export/salsa_01_000012.jpg",
        "salsa%5F01%2F000012.jpg",
        "ballet_06/salsa_01_000012.jpg",
        "salsa-01_000012.jpg",  # as tools exchange - and _
    ],
)
def test_names_as_tools_write_them(name: str) -> None:
    assert identity_of(name, SALSA) == ("salsa_01", 12)


def test_the_longest_registered_clip_is_taken() -> None:
    known = reading("salsa", "salsa_01", "salsa_1")
    assert identity_of("salsa_01_000012.jpg", known) == ("salsa_01", 12)
    assert identity_of("salsa_1_000012.jpg", known) == ("salsa_1", 12)
    assert identity_of("salsa_02.jpg", known) == ("salsa", 2)
    assert identity_of("salsa_01/7.jpg", known) == ("salsa_01", 7)


def test_clips_that_differ_in_a_sign_alone_are_not_confused() -> None:
    known = reading("salsa_1", "salsa-1")
    assert identity_of("salsa-1_000012.jpg", known) == ("salsa-1", 12)
    assert identity_of("salsa 1_000012.jpg", known) == ("salsa-1", 12)
    assert identity_of("salsa__1_000012.jpg", known)[0] not in ("salsa_1", "salsa-1")


@pytest.mark.parametrize("word", ["frame", "images", "3", "default"])
def test_a_word_of_tools_names_a_clip_only_when_it_is_registered(word: str) -> None:
    for name in (f"{word}/000012.jpg", f"/data/upload/{word}/000012.jpg"):
        with pytest.raises(UnnamedImageError, match="gives no clip") as caught:
            identity_of(name, SALSA)
        assert "--clip NAME (registered: ballet_06, salsa_01)" in str(caught.value)
        assert identity_of(name, reading(word)) == (word, 12)
        assert identity_of(f"salsa_01/{name}", reading(word, "salsa_01")) == ("salsa_01", 12)
    assert identity_of("salsa_01/frame_000012.jpg", reading("frame", "salsa_01"))[0] == "salsa_01"


def test_a_bare_number_belongs_to_the_video_the_choice_or_the_file_in_this_order() -> None:
    name, file = "frame_000012.PNG", "/x/ballet_06/annotations/person_keypoints_default.json"
    chosen = reading("salsa_01", "ballet_06", "duet", clip="duet")
    assert identity_of(name, chosen, file=file, videos=["a/salsa_01.mp4"]) == ("salsa_01", 12)
    assert identity_of(name, chosen, file=file) == ("duet", 12)
    assert identity_of(name, SALSA, file=file) == ("ballet_06", 12)
    assert identity_of(name, SALSA, file="/x/salsa_01.json") == ("salsa_01", 12)
    assert identity_of(name, SALSA, file="/x/salsa_01.coco.json") == ("salsa_01", 12)
    assert identity_of(name, SALSA, file="/x/salsa_01.zip!annotations/a.json") == ("salsa_01", 12)
    with pytest.raises(UnnamedImageError):
        identity_of(name, SALSA, file="/salsa_01/a/b/c/d/e.json")  # too far above
    with pytest.raises(UnnamedImageError):
        identity_of(name, SALSA, file="/x/salsa_99/e.json")


def test_a_name_that_is_not_registered_stays_itself() -> None:
    chosen = reading("salsa_01", clip="salsa_01")
    assert identity_of("salsa_09_000012.jpg", chosen, file="/salsa_01/a.json") == ("salsa_09", 12)
    assert identity_of("salsa_09/000012.jpg", chosen) == ("salsa_09", 12)
    assert identity_of("salsa_01/salsa_09_000012.jpg", chosen) == ("salsa_09", 12)


@pytest.mark.parametrize("name", ["holiday.jpg", "", "..", "salsa_02-7.jpg", "9" * 300 + ".jpg"])
def test_names_without_a_frame_name_the_nearest_clip(name: str) -> None:
    with pytest.raises(UnnamedImageError, match="clip and frame") as caught:
        identity_of(name, SALSA)
    assert ("'salsa_01'" in str(caught.value)) is name.startswith("salsa")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("name", [None, 7, "http://[", {"a": 1}])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(InputError):
        identity_of(name, SALSA)


def test_further_names_of_the_same_image() -> None:
    assert identity_of("0_jpg.rf.ab.jpg", SALSA, others=[None, "salsa_01_000012.jpg"]) == (
        "salsa_01",
        12,
    )


def test_names_in_any_script() -> None:
    known = reading("tanets_vals")
    assert identity_of("танец_вальс_000012.jpg", known) == ("tanets_vals", 12)


@pytest.mark.parametrize(
    "name", ["salsa_01.mp4", "C:\\v\\salsa_01.MOV", "/data/upload/1/0f3a9c1d-salsa_01.mp4"]
)
def test_names_of_videos(name: str) -> None:
    assert clip_of([name, "a task"], SALSA) == "salsa_01"


def test_a_task_called_like_a_clip_and_a_video_that_is_not_registered() -> None:
    assert clip_of(["IMG_1.mp4", "salsa_01"], SALSA) == "salsa_01"
    assert clip_of(["solo.mp4", "a task"], SALSA) == "solo"
    with pytest.raises(UnnamedImageError):
        clip_of(["", "a task"], SALSA)
    assert clip_of(["", "a task"], reading("salsa_01", clip="salsa_01")) == "salsa_01"


def test_old_keys_are_found_by_the_name_of_the_file() -> None:
    assert identity_of("вальс_000012.jpg", Reading({"old": "old", "vals": "old"})) == ("old", 12)


@pytest.mark.parametrize(
    "file",
    [
        "/in/task_salsa_01_annotations_2024_05_06_07_08_09_coco keypoints 1.0.zip!a/default.json",
        "/in/task_Salsa 01_dataset_2024_05_06_07_08_09_cvat for images 1.1/annotations.xml",
        "/in/task_salsa_01_annotations.zip!annotations.xml",
        "/in/task_salsa_01-2021_05_06_07_08_09-cvat for images 1.1.zip!annotations.xml",
    ],
)
def test_the_download_of_a_cvat_task_names_its_clip(file: str) -> None:
    assert identity_of("frame_000012", SALSA, file=file) == ("salsa_01", 12)
    with pytest.raises(UnnamedImageError):
        identity_of("frame_000012", SALSA, file=file.replace("alsa", "olo"))


def test_a_clip_called_like_a_word_of_tools_takes_no_images_of_another() -> None:
    words = ("frame", "images", "3", "salsa_01")
    known = reading(*words)
    assert identity_of("frame_000012.png", known) == ("frame", 12)
    assert identity_of("images/000012.png", known) == ("images", 12)
    assert identity_of("3/000012.png", known) == ("3", 12)
    for name in ("frame_000012.png", "images/000012.png", "3/000012.png"):
        assert identity_of(name, reading(*words, clip="salsa_01")) == ("salsa_01", 12)
        assert identity_of(name, known, file="/in/salsa_01/default.json") == ("salsa_01", 12)


def test_the_number_of_an_upload_is_no_clip() -> None:
    name = "/data/upload/3/0f3a9c1d-000012.jpg"
    with pytest.raises(UnnamedImageError, match="no clip"):
        identity_of(name, reading("3", "salsa_01"))
    assert identity_of(name, reading("3", clip="3")) == ("3", 12)
