"""``dance compare`` on small clips and pose files; no weights are fetched."""

import errno
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import dance_without_store as dance
from pose_files import own_json

from dance_models import files
from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from pipelines.commands.compare import told_apart
from pipelines.commands.page_job import do_job
from pipelines.commands.video_arguments import NamedVideo
from pipelines.commands.video_poses import PoseOptions

FRAMES = 90


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``reference.mp4`` and ``practice.mp4``, one dance, and their poses; one forearm differs."""
    folder = tmp_path_factory.mktemp("compare")
    write_demo_corpus(folder, DemoCorpusConfig(1, FRAMES, size=(160, 120)))
    video = next((folder / "clips").rglob("*.mp4"))
    entries = json.loads((folder / "annotations" / f"{video.stem}.json").read_text())["annotations"]
    keypoints = np.array([entry["keypoints"] for entry in entries], np.float32)
    poses = keypoints.reshape(FRAMES, 14, 3)[..., :2]
    (folder / "tracks").mkdir()
    other = poses.copy()
    other[40:60, 6] = 2 * poses[40:60, 4] - poses[40:60, 6]  # the left forearm points away
    for name, shown in (("reference", poses), ("practice", other)):
        shutil.copy(video, folder / f"{name}.mp4")
        own_json(folder / "tracks" / f"{name}.json", shown)
    return folder


def test_a_page_a_document_stills_and_both_videos_are_written(corpus: Path, tmp_path: Path) -> None:
    older = {"moments": [{"still": "moment_10.jpg"}, {"still": "../photo.jpg"}]}
    (tmp_path / "comparison.json").write_text(json.dumps(older))
    (tmp_path / "moment_10.jpg").write_bytes(b"of an earlier comparison")
    (tmp_path / "moment_99.jpg").write_bytes(b"of somebody")
    (tmp_path.parent / "photo.jpg").write_bytes(b"of somebody")
    code, output = dance(
        "compare", corpus / "reference.mp4", corpus / "practice.mp4",
        "--tracks", corpus / "tracks", "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, output
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert "left_elbow" in written["moments"][0]["degrees"]
    assert written["moments"][0]["words"] in " ".join(output.split())
    names = [moment["still"] for moment in written["moments"]]
    assert sorted(path.name for path in tmp_path.glob("*.jpg")) == [*names, "moment_99.jpg"]
    assert (tmp_path.parent / "photo.jpg").exists()
    picture = cv2.imread(str(tmp_path / names[0]))
    assert picture is not None
    assert picture.shape[1] > 2 * picture.shape[0]  # two pictures of 4:3 side by side
    page = (tmp_path / "comparison.html").read_text()
    for name in ("reference_overlay.mp4", "practice_overlay.mp4"):
        assert (tmp_path / name).stat().st_size
        assert name in page


def test_one_that_is_stopped_leaves_the_stills_of_the_earlier_document(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They went before anything took their place, and the document went on naming them."""
    names = ["moment_01.jpg", "moment_10.jpg"]
    (tmp_path / "comparison.json").write_text(
        json.dumps({"moments": [{"still": n} for n in names]})
    )
    for name in names:
        (tmp_path / name).write_bytes(b"of an earlier comparison")

    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "move_to", full)
    code, output = dance(
        "compare", corpus / "reference.mp4", corpus / "practice.mp4",
        "--tracks", corpus / "tracks", "--out", tmp_path, "--no-draw",
    )  # fmt: skip
    assert code == 2
    assert "the disk is full" in " ".join(output.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comparison.json", *names]


def test_no_result_replaces_a_video_or_poses_that_are_read(corpus: Path, tmp_path: Path) -> None:
    shutil.copy(corpus / "reference.mp4", tmp_path / "comparison.mp4")
    shutil.copy(corpus / "practice.mp4", tmp_path / "reference_overlay.mp4")
    for name, of in (("comparison", "reference"), ("reference_overlay", "practice")):
        shutil.copy(corpus / "tracks" / f"{of}.json", tmp_path / f"{name}.json")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    videos = tmp_path / "comparison.mp4", tmp_path / "reference_overlay.mp4"
    for more in ((), ("--no-draw",)):
        code, output = dance("compare", *videos, "--tracks", tmp_path, "--out", tmp_path, *more)
        assert code == 2
        assert "Choose another --out" in " ".join(output.split())
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_still_replaces_an_image_that_is_read(corpus: Path, tmp_path: Path) -> None:
    for number in range(1, 8):
        image = np.full((120, 160, 3), number, np.uint8)
        cv2.imwrite(str(tmp_path / f"moment_{number:02d}.jpg"), image)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, output = dance(
        "compare", corpus / "reference.mp4", tmp_path, "--tracks", corpus / "tracks",
        "--out", tmp_path,
    )  # fmt: skip
    assert code == 2
    assert "moment_01.jpg, would replace it" in " ".join(output.split())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_videos_that_were_sent_are_called_as_their_user_calls_them(
    corpus: Path, tmp_path: Path
) -> None:
    out, sent = tmp_path / "out", ["../<b>teacher</b>.mp4", "my \u202etry.mp4"]
    videos = [corpus / "reference.mp4", corpus / "practice.mp4"]
    do_job(videos, PoseOptions(tracks=corpus / "tracks"), out, lambda what: None, sent)
    written = json.loads((out / "comparison.json").read_text())
    assert [written["reference"], written["practice"]] == sent
    assert f"no sound in {sent[0]} and {sent[1]}" in written["warnings"]
    page = (out / "comparison.html").read_text()
    assert "Reference: ../&lt;b&gt;teacher&lt;/b&gt;.mp4" in page
    assert "Practice: my \\u202etry.mp4" in page
    assert "<b>teacher" not in page
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (out / "reference_overlay.mp4").exists()  # a user's name is no path


@pytest.mark.parametrize("second", ["dance.mp4", "Dance!.mp4"])
def test_poses_of_one_video_are_not_taken_for_those_of_another(
    corpus: Path, tmp_path: Path, second: str
) -> None:
    """They were compared with themselves: both scores were 100."""
    videos = [tmp_path / "teacher" / "dance.mp4", tmp_path / "student" / second]
    for video, name in zip(videos, ("reference", "practice"), strict=True):
        video.parent.mkdir()
        shutil.copy(corpus / f"{name}.mp4", video)
    (tmp_path / "tracks").mkdir()
    shutil.copy(corpus / "tracks" / "reference.json", tmp_path / "tracks" / "dance.json")
    for command in ("compare", "analyze"):
        code, output = dance(
            command, *videos, "--tracks", tmp_path / "tracks", "--out", tmp_path / "out"
        )
        assert code == 2, output
        assert "--tracks finds poses by the name 'dance'" in " ".join(output.split())
    assert not (tmp_path / "out").exists()


def test_two_videos_of_one_name_are_told_apart() -> None:
    name = "dance.mp4"
    same = (
        NamedVideo(Path("a") / name, "reference"),
        NamedVideo(Path("practice.mp4"), "practice", title=name),
    )
    assert told_apart(same) == ("dance.mp4 (reference)", "dance.mp4 (practice)")
    other = NamedVideo(Path("a") / name, "reference"), NamedVideo(Path("b.mp4"), "practice")
    assert told_apart(other) == ("dance.mp4", "b.mp4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.mp4", "reference.mp4"], "REFERENCE: there is no such video"),
        (["reference.mp4", "gone.mp4"], "PRACTICE: there is no such video"),
        (["reference.mp4", "reference.mp4"], "are the same video"),
        (["reference.mp4", "practice.mp4"], "practice.mp4: REFERENCE and PRACTICE are the same"),
        (["reference.mp4", "practice.mp4", "--person", "all"], "one person is compared"),
        (["reference.mp4", "tracks/practice.json"], "practice.json: this is not a video"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(corpus)
    code, output = dance("compare", *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert message in " ".join(output.split())
    assert not (tmp_path / "out").exists()
