"""``dance analyze`` on pose files and small clips; no weights are fetched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clips_made import write_clip, write_sound
from command_line import dance_without_store as dance
from pose_files import own_json

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.estimators.pose_file import read_people
from dance_models.files import this_machine
from dance_models.training.synthetic import synthetic_runs
from pipelines.commands import frame_progress
from pipelines.commands.video_arguments import named_videos
from pipelines.commands.video_poses import PoseReader

FRAMES = 100


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A video and its exact poses."""
    folder = tmp_path_factory.mktemp("analyze")
    write_demo_corpus(folder, DemoCorpusConfig(1, FRAMES, size=(160, 120)))
    video = next((folder / "clips").rglob("*.mp4"))
    entries = json.loads((folder / "annotations" / f"{video.stem}.json").read_text())["annotations"]
    points = np.array([entry["keypoints"] for entry in entries], np.float32)
    return video, own_json(folder / "poses.json", points.reshape(FRAMES, -1, 3)[..., :2])


# --- which videos ---------------------------------------------------------------------------------


def test_folders_and_files_are_looked_at_and_wrong_ones_refused(tmp_path: Path) -> None:
    folder, out = tmp_path / "clips", tmp_path / "clips" / "analysis"
    (folder / "deep").mkdir(parents=True)
    out.mkdir()
    first = write_clip(folder / "one.mp4", 3)
    second = write_clip(folder / "deep" / "one.mp4", 4)
    write_clip(out / "one_overlay.mp4", 3)
    (folder / "broken.mp4").write_text("no video")
    write_sound(folder / "sound.m4v")
    found = named_videos([folder, first, tmp_path / "gone.mp4"], out)
    assert sorted(video.stem for video in found.videos) == ["one", "one-2"]
    assert {video.path for video in found.videos} == {first, second}
    said = "\n".join(map(str, found.refused))
    assert "broken.mp4: this is not a video" in said
    assert "sound.m4v: there is no picture in the file" in said
    assert "gone.mp4: there is no such video" in said


@pytest.mark.parametrize("names", [("a", "a.coco"), ("A.coco", "a"), ("a", "a-person2")])
def test_no_result_of_one_video_is_called_as_one_of_another(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    videos = [write_clip(tmp_path / f"{name}.mp4", 3) for name in names]
    found = named_videos(videos, tmp_path / "out", people=True)
    assert [video.stem for video in found.videos] == [names[0], f"{names[1]}-2"]
    apart = [write_clip(tmp_path / f"{name}.mp4", 3) for name in ("b", "b_overlay")]
    assert [v.stem for v in named_videos(apart, tmp_path).videos] == ["b", "b_overlay"]


def test_an_empty_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    found = named_videos([tmp_path / "empty", tmp_path / "pipe.mp4"], tmp_path / "out")
    assert [str(error).split(": ")[-1] for error in found.refused] == [
        "there is no video in this folder",
        "it is a pipe, not a file",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no video is given"),
        (["gone.mp4"], "gone.mp4: there is no such video"),
        (["--from", "gone.json"], "gone.json: there is no such file or folder"),
        (["--from", "pyproject.toml"], "how fast the poses of --from follow is not known"),
        (["a.mp4", "--size", "wide", "--from", "pyproject.toml"], "is not WIDTHxHEIGHT"),
        (["--from", "pyproject.toml", "--fps", "30", "--size", "²x4"], "'²x4' is not WIDTHxHEIGHT"),
        (["--from", "pyproject.toml", "--fps", "30", "--size", "999999x4"], "is not WIDTHxHEIGHT"),
        (["a.mp4", "--fps", "30"], "--fps and --size are for --from without a video"),
        (["--from", "pyproject.toml", "--fps", "inf"], "--fps inf is no frame rate"),
        (["--from", "pyproject.toml", "--fps", "0"], "--fps 0 is no frame rate"),
        (["a.mp4", "--pose-model", "body_25"], "which are not given"),
        (["a.mp4", "--format", "xls"], "there is no file format 'xls'"),
        (["a.mp4", "--metres-per-pixel", "0"], "is no scale"),
        (
            ["--from", "pyproject.toml", "--fps", "30", "--person", "moving"],
            "is found in the video, which is not given",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    code, output = dance("analyze", *arguments)
    assert code == 2
    assert message in " ".join(output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]


# --- the whole command ----------------------------------------------------------------------------


def test_poses_of_another_tool_are_refined_and_drawn(
    tmp_path: Path, corpus: tuple[Path, Path]
) -> None:
    video, poses = corpus
    code, output = dance("analyze", video, "--from", poses, "--out", tmp_path, "--causal")
    assert code == 0, output
    assert f"A person is seen in {FRAMES} of {FRAMES} frames." in output
    assert "The forecast for 160 ms is" in output
    assert "frames/s" in output
    written = sorted(path.name for path in tmp_path.iterdir())
    endings = (
        ".coco.json", ".csv", ".html", ".json", ".mot", ".parquet", ".trc", "_openpose",
        "_overlay.mp4",
    )  # fmt: skip
    assert written == sorted(video.stem + ending for ending in endings)
    document = json.loads((tmp_path / f"{video.stem}.json").read_text())
    assert document["models"]["recognition"].startswith("shipped with the package")
    assert not {"mlflow", "dagster"} & set(document["models"])
    people = read_people(tmp_path / f"{video.stem}.json")
    given = read_people(poses)
    moved = np.abs(people[50][0].keypoints - given[50][0].keypoints)
    assert 0 < moved.max() < 20


def test_somebody_is_seen_in_poses_whose_scores_are_all_0(tmp_path: Path) -> None:
    """As of programs that know no scores, or write none."""
    plain = json.loads(own_json(tmp_path / "p.json", synthetic_runs(1, 30)[0].estimate).read_text())
    for frame in plain["frames"]:
        frame["keypoints"] = [[x, y, 0] for x, y, _ in frame["keypoints"]]
    (tmp_path / "p.json").write_text(json.dumps(plain))
    code, output = dance(
        "analyze", "--from", tmp_path / "p.json", "--fps", 30, "--out", tmp_path / "out",
        "--no-draw", "--format", "none",
    )  # fmt: skip
    assert code == 0, output
    assert "A person is seen in 30 of 30 frames." in output
    frames = json.loads((tmp_path / "out" / "p.json").read_text())["frames"]
    assert all(frame["estimate"] for frame in frames)


def test_poses_without_their_video_can_be_refined_twice(tmp_path: Path) -> None:
    run = synthetic_runs(1, FRAMES)[0]
    poses = own_json(tmp_path / "dance.json", run.estimate)
    out = tmp_path / "out"
    code, output = dance("analyze", "--from", poses, "--fps", "25", "--out", out)
    assert code == 0, output
    document = json.loads((out / "dance.json").read_text())
    assert document["summary"]["frames_per_second"] == 25
    code, output = dance(
        "analyze",
        "--from",
        out / "dance.json",
        "--fps",
        "25",
        "--format",
        "none",
        "--out",
        out / "2",
    )
    assert code == 0, output
    assert sorted(path.name for path in (out / "2").iterdir()) == ["dance.html", "dance.json"]


@pytest.mark.parametrize("given", ["file", "tracks", "folder", "other files"])
def test_no_result_replaces_poses_that_are_read_or_files_of_others(
    tmp_path: Path, corpus: tuple[Path, Path], given: str
) -> None:
    video, poses = corpus
    named = tmp_path / f"{video.stem}.json"
    named.write_bytes(poses.read_bytes())
    folder = tmp_path / f"{video.stem}_openpose"
    if given in {"folder", "other files"}:
        folder.mkdir()
        named = named.rename(folder / "track.json")
    arguments = {
        "file": ("--from", named, "--fps", "30", "--format", "none"),
        "tracks": (video, "--tracks", tmp_path, "--format", "none"),
        "folder": (video, "--from", folder),
        "other files": (video, "--from", poses),
    }[given]
    before = sorted(tmp_path.rglob("*"))
    code, output = dance("analyze", *arguments, "--no-draw", "--out", tmp_path)
    assert code == 2
    assert "Choose another --out" in " ".join(output.split())
    assert sorted(tmp_path.rglob("*")) == before
    assert named.read_bytes() == poses.read_bytes()


def test_one_video_that_fails_does_not_stop_the_rest(
    tmp_path: Path, corpus: tuple[Path, Path]
) -> None:
    video, poses = corpus
    tracks = tmp_path / "tracks"
    tracks.mkdir()
    (tracks / f"{video.stem}.json").write_bytes(poses.read_bytes())
    (tmp_path / "text.mp4").write_text("no video")
    alone = write_clip(tmp_path / "no_poses.mp4", 10)
    arguments = (tmp_path / "text.mp4", alone, video, "--tracks", tracks, "--out", tmp_path / "out")
    code, output = dance("analyze", *arguments, "--no-draw", "--format", "trc")
    assert code == 1
    flat = " ".join(output.split())
    assert "text.mp4: this is not a video" in flat
    assert "the track of clip 'no_poses' must be exactly one file" in flat
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{video.stem}{ending}" for ending in (".html", ".json", ".trc")
    ]


def test_neither_a_store_nor_dagster_nor_mlflow_is_touched(
    tmp_path: Path, corpus: tuple[Path, Path]
) -> None:
    video, poses = corpus
    code = (
        "import sys\n"
        "for name in ('dagster', 'mlflow'): sys.modules[name] = None\n"
        "from pipelines.cli import make_app\n"
        "make_app()(sys.argv[1:])\n"
    )
    command = ["analyze", str(video), "--from", str(poses), "--no-draw", "--debug"]
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ASSETS_STORE": "gone"},
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["analysis"]


def test_what_an_earlier_run_wrote_and_this_one_does_not_is_said(tmp_path: Path) -> None:
    poses = own_json(tmp_path / "dance.json", synthetic_runs(1, FRAMES)[0].estimate)
    out = tmp_path / "out"
    arguments = ("analyze", "--from", poses, "--fps", "25", "--out", out)
    code, output = dance(*arguments)
    assert code == 0, output
    assert "From an earlier run" not in output
    code, output = dance(*arguments, "--format", "csv")
    assert code == 0, output
    left = "dance.parquet, dance.coco.json, dance_openpose, dance.trc, dance.mot"
    assert f"From an earlier run, and not written again: {left}\n" in output
    # What is read is not of an earlier run, whatever it is called.
    code, output = dance(
        "analyze", "--from", out / "dance.trc", "--fps", "25", "--format", "none", "--out", out
    )
    assert code == 0, output
    assert "From an earlier run, and not written again: dance.csv, " in output
    assert "dance.trc" not in output


def test_that_a_person_is_not_in_poses_without_a_video_is_said(tmp_path: Path) -> None:
    run = synthetic_runs(1, 60)[0]
    one = own_json(tmp_path / "one.json", run.estimate)
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    for frame in range(30):
        (nobody / f"a_{frame:012d}_keypoints.json").write_text('{"people": []}')
    out = tmp_path / "out"
    for poses, more, message in (
        (nobody, (), "there is nobody in these poses"),
        (one, ("--person", "3"), "--person 3 is not there: at most 1 people are in one frame"),
    ):
        code, output = dance("analyze", "--from", poses, "--fps", "30", *more, "--out", out)
        assert code == 2
        assert message.replace(" ", "") in "".join(output.split())


def test_where_no_result_can_be_written_is_said_before_the_work(
    tmp_path: Path, corpus: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def works(*_: object) -> None:
        raise AssertionError("the video is worked on")

    monkeypatch.setattr(PoseReader, "people", works)
    video, poses = corpus
    long = tmp_path / f"{'あ' * 75}.mp4"  # 225 bytes; names of OpenPose's files add 37
    long.write_bytes(video.read_bytes())
    taken, page, drawn = (tmp_path / name for name in ("taken", "page", "drawn"))
    taken.touch()
    (page / f"{video.stem}.html").mkdir(parents=True)
    drawn.mkdir()
    (drawn / f"{video.stem}_openpose").touch()
    for name, out, message in (
        (video, taken, "taken: it is no folder for results. Choose another --out"),
        (video, taken / "deep", "taken: it is no folder for results. Choose another --out"),
        (video, page, f"{video.stem}.html: a file is to be written here. Choose another --out"),
        (video, drawn, f"{video.stem}_openpose: a folder is to be written here."),
        (long, tmp_path / "new", "a result would have a name of 262 bytes, more than 255"),
    ):
        code, output = dance("analyze", name, "--from", poses, "--out", out)
        assert code == 2, output
        assert message.replace(" ", "") in "".join(output.split())
    assert not (tmp_path / "new").exists()
    assert not list(page.glob("*/*"))
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not mode & os.W_OK)
    code, output = dance("analyze", video, "--from", poses, "--out", tmp_path / "new")
    assert code == 2
    assert "no file can be written here. Choose another --out" in " ".join(output.split())


def test_what_a_killed_command_left_goes_with_the_next_one(
    tmp_path: Path, corpus: tuple[Path, Path]
) -> None:
    video, poses = corpus
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here, elsewhere = this_machine(), "0123abcd"
    for name in (f"{gone.pid}-{here}", f"{gone.pid}-{elsewhere}", f"1-{here}", f"{gone.pid}"):
        folder = tmp_path / f".dance.{name}.part"
        folder.mkdir()
        (folder / "dance_overlay.mp4").write_bytes(b"half of it")
    (tmp_path / f".old_overlay.mp4.{gone.pid}-{here}.part").touch()
    arguments = ("--from", poses, "--no-draw", "--format", "none", "--out", tmp_path)
    code, output = dance("analyze", video, *arguments)
    assert code == 0, output
    assert sorted(path.name for path in tmp_path.glob(".*")) == sorted(
        f".dance.{name}.part" for name in (f"{gone.pid}-{elsewhere}", f"1-{here}", f"{gone.pid}")
    )


# --- progress -------------------------------------------------------------------------------------


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    now = [0.0]
    monkeypatch.setattr(frame_progress, "monotonic", lambda: now[0])
    console = Console(record=True, width=200, force_terminal=False)
    with frame_progress.frame_progress(console, "clip: estimating") as advance:
        for frame in range(1, 31):
            now[0] += 1.0
            advance(frame, 30)
    lines = console.export_text().splitlines()
    assert lines == [f"clip: estimating: {n} of 30 frames, 1.0 frames/s" for n in (10, 20, 30)]
