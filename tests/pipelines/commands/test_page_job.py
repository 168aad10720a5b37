"""The work of a job of the page, on poses that are given; no weights are fetched."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import write_clip
from pose_files import own_json

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.errors import InputError
from pipelines.commands import page_job
from pipelines.commands.video_poses import PoseOptions

FRAMES = 60


def test_a_job_does_what_the_command_does_and_reports(tmp_path: Path) -> None:
    write_demo_corpus(tmp_path, DemoCorpusConfig(1, FRAMES, size=(160, 120)))
    video = next((tmp_path / "clips").rglob("*.mp4"))
    entries = json.loads((tmp_path / "annotations" / f"{video.stem}.json").read_text())
    points = np.array([entry["keypoints"] for entry in entries["annotations"]], np.float32)
    poses = own_json(tmp_path / "poses.json", points.reshape(FRAMES, -1, 3)[..., :2])
    told: list[dict[str, Any]] = []
    out = tmp_path / "out"
    page_job.do_job([video], PoseOptions(poses=poses), out, told.append, ["--a dance.mp4"])
    assert "<title>--a dance.mp4</title>" in (out / f"{video.stem}.html").read_text()
    command = page_job.job_command("analyze", [video], out, names=["--a dance.mp4"])
    assert "--name=--a dance.mp4" in command  # one argument, that argparse does not take for two
    assert (tmp_path / "out" / f"{video.stem}_overlay.mp4").exists()
    stages = list(dict.fromkeys(line["stage"] for line in told))
    work = [f"{video.stem}: {doing}" for doing in ("estimating", "refining", "drawing")]
    assert stages == ["loading the networks", *work]
    for stage in work:
        last = [line for line in told if line["stage"] == stage][-1]
        assert last == {"stage": stage, "done": FRAMES, "total": FRAMES}


def test_what_is_no_video_or_too_long_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "video.mp4"
    wrong.write_text("no video")
    with pytest.raises(InputError, match="this is not a video"):
        page_job.check_video(wrong)
    clip = write_clip(tmp_path / "clip.mp4", 12)
    page_job.check_video(clip)
    monkeypatch.setattr(page_job, "PageConfig", lambda: type("Small", (), {"most_frames": 10}))
    with pytest.raises(InputError, match="more than 10 frames"):
        page_job.check_video(clip)


def test_a_job_that_cannot_be_done_says_why_in_its_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_job.os, "nice", lambda by: None)
    with pytest.raises(SystemExit) as ended:
        page_job.main(["analyze", str(tmp_path / "gone.mp4"), "--out", str(tmp_path / "out")])
    assert ended.value.code == 1
    problem = json.loads(capsys.readouterr().out.splitlines()[-1])["problem"]
    assert problem == "there is no such video"
    assert not (tmp_path / "out").exists()
