"""Parts of the graph on a tiny corpus, through the command line, in a real instance."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
import psutil
import pytest
from command_line import CLIP_ASSETS, DATA_ASSETS, dance, made_by_asset, run, runs_of
from postgres import slow_both
from tiny_corpus import Corpus, MakeCorpus
from typer.testing import CliRunner
from watched_process import ended, wait_until

from dance_models.checkpoint import load_checkpoint
from dance_models.profiles import PROFILES
from dance_models.rows import ROWS
from pipelines.automation.retraining import stale_networks
from pipelines.checks.dataset_clips import CHECKED_PARTS, PARTS
from pipelines.cli import make_app
from pipelines.execution.request import Request
from pipelines.execution.runner import stale_stages
from pipelines.graph import build_definitions, stages_of
from pipelines.profile_options import ProfileOptions, noted_options
from pipelines.storage.store import REPORT_FILES, TRAININGS, Store, open_instance
from pipelines.tracking.tracker import Tracker


def _add_broken_clips(corpus: Corpus) -> None:
    """One clip of each broken kind among the good ones."""
    folder = corpus.clips / "ballet"
    (folder / "text.mp4").write_text("a shopping list")
    (folder / "empty.mp4").touch()
    whole = (folder / "ballet_01.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (corpus.annotations / "broken.json").write_text("{not json")


@slow_both
def test_bad_clips_are_quarantined_and_do_not_stop_the_run(
    tmp_path: Path, make_corpus: MakeCorpus, databases: str
) -> None:
    corpus, store = make_corpus(2, 50), tmp_path / "store"
    _add_broken_clips(corpus)
    code, output = run(store, corpus, "--only", CLIP_ASSETS)
    assert code == 0
    for clip in ("text", "empty", "truncated"):
        assert f"quarantined {clip}:" in output
    assert "broken.json: not read: is not JSON" in output
    opened = Store(root=str(store))
    assert opened.read("pose_tracks", "ballet_01").height == 50
    assert opened.read("pose_tracks", "text").height == 0
    assert opened.read("clip_probe", "text")["status"][0] == "quarantined"
    code, _ = run(store, corpus, "--only", "clip_probe", "--strict")
    assert code == 3
    code, output = dance(store, "status", "--profile", "smoke")
    assert code == 0
    assert "quarantined truncated" in output
    assert f"profile smoke --tracks {corpus.tracks}" in output
    options = replace(noted_options(opened), name="smoke")
    with open_instance(opened) as instance:
        request = Request(store, options, frozenset(CLIP_ASSETS.split(",")))
        stale = stale_stages(request, instance, opened, {})
    assert stale == [], "the poses that the run was given are still those of the store"


def test_a_changed_clip_recomputes_only_that_clip(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    corpus, store = make_corpus(3, 50), tmp_path / "store"
    only = ("--only", "clip_probe,sampled_frames")
    assert run(store, corpus, *only)[0] == 0
    before = made_by_asset(store)
    other = make_corpus(1, 55)
    shutil.copyfile(
        other.clips / "ballet" / "ballet_01.mp4", corpus.clips / "street" / "street_01.mp4"
    )
    assert run(store, corpus, *only)[0] == 0
    made = made_by_asset(store) - before
    assert made == {"clip_probe": 1, "sampled_frames": 1}
    assert runs_of(store) == {"ingest_clips": 4}, "one run for each clip that changed"
    assert Store(root=str(store)).read("clip_probe", "street_01")["decoded_frames"][0] == 55


def test_exported_frames_are_annotated_and_imported_back(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    """Export sampled frames, annotate them with a script, import: frames are not decoded again."""
    corpus, store, out = make_corpus(2, 60), tmp_path / "store", tmp_path / "out"
    arguments = ["run", "--clips", str(corpus.clips), "--tracks", str(corpus.tracks)]
    assert dance(store, *arguments, "--profile", "smoke", "--only", CLIP_ASSETS)[0] == 0
    before = made_by_asset(store)
    code, output = dance(store, "export-frames", str(out))
    assert code == 0
    assert "120 frames" in output
    document = json.loads((out / "annotations.json").read_text())
    images = {image["id"]: image for image in document["images"]}
    for annotation in document["annotations"]:
        frame = images[annotation["image_id"]]["frame_index"]
        assert (out / images[annotation["image_id"]]["file_name"]).is_file()
        annotation["keypoints"] = [v for i in range(14) for v in (30 + i, 40 + frame, 2)]
    (out / "annotations.json").write_text(json.dumps(document))
    code, output = dance(
        store, *arguments, "--annotations", str(out), "--profile", "smoke", "--only",
        CLIP_ASSETS + ",pose_dataset",
    )  # fmt: skip
    assert code == 0, output
    made = made_by_asset(store) - before
    assert made == {"pose_annotations": 2, "pose_dataset": 1}
    assert runs_of(store) == {"ingest_clips": 4, "retrain_all": 1}
    dataset = Store(root=str(store)).read("pose_dataset")
    assert dataset["annotation"].null_count() == 0
    assert dataset["annotation"].to_numpy()[7, 0].tolist() == [30, 40 + dataset["frame"][7]]


@pytest.mark.exhaustive  # test_fault_suite.py kills the command alone and compares every file
def test_a_killed_run_resumes(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    corpus, store = make_corpus(4, 60), tmp_path / "store"
    command = [
        sys.executable, "-m", "pipelines.cli", "run", "--store", str(store), "--clips",
        str(corpus.clips), "--tracks", str(corpus.tracks), "--profile", "smoke", "--only",
        CLIP_ASSETS,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    tables = store / "tables" / "clip_probe"
    deadline = time.monotonic() + 600
    while not list(tables.glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for path in (store / "tables").rglob("*.parquet"):
        pl.read_parquet(path)  # a file with its final name is complete
    code, output = dance(
        store, "run", "--clips", str(corpus.clips), "--tracks", str(corpus.tracks), "--profile",
        "smoke", "--only", CLIP_ASSETS,
    )  # fmt: skip
    assert code == 0, output
    opened = Store(root=str(store))
    for clip in ("ballet_01", "ballet_02", "contemporary_01", "street_01"):
        assert opened.read("pose_tracks", clip).height == 60
    with open_instance(opened) as instance:
        assert all(run.is_finished for run in instance.get_runs())


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.exhaustive)])
def test_a_signal_to_the_command_alone_in_a_training_ends_everything(
    tmp_path: Path, make_corpus: MakeCorpus, devices: int
) -> None:
    """The training has ended with it, and the next run repeats no finished epoch."""
    devices = min(devices, os.cpu_count() or 1)
    corpus, store = make_corpus(4, 64), tmp_path / "store"
    code, output = run(store, corpus, "--only", f"{CLIP_ASSETS},{DATA_ASSETS}")
    assert code == 0, output
    asked = ["run", "--profile", "smoke", "--only", "mkff_st_gcn", "--devices", str(devices)]
    models, speeds = store / "models" / "mkff_st_gcn", []
    for number, code in ((signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)):
        assert _ended_by(number, store, asked) == code
        (progress,) = models.glob("*/progress.json")
        speeds.append(json.loads(progress.read_text())["steps_per_second"])
        assert not (models / "current.json").exists()

    code, output = dance(store, *asked)
    assert code == 0, output
    last = load_checkpoint(progress.with_name("last.pt"))
    assert last["experiment"]["training"].get("devices", 1) == devices
    assert [record["epoch"] for record in last["history"]] == [1, 2, 3, 4]
    speeds.append(json.loads(progress.read_text())["steps_per_second"])
    for before, after in pairwise(speeds):
        assert after[: len(before)] == before  # these epochs were not repeated
    tracker = Tracker(Store(root=str(store)))
    states = [r.info.status for r in tracker.client.search_runs([tracker.initialise()])]
    assert states == ["FINISHED"]  # one MLflow run, opened once and resumed
    opened = Store(root=str(store))
    with open_instance(opened) as instance:
        profile = ProfileOptions("smoke", devices=devices).resolve(opened)
        assert stale_networks(instance, opened, profile) == ["stga_net"]


def _ended_by(number: signal.Signals, store: Path, asked: Sequence[str]) -> int:
    """The exit code of a command that got a signal once its training had finished an epoch.

    All its processes have ended with it.
    """
    notes = store / "models" / "mkff_st_gcn"
    before = max(map(_epoch, notes.glob("*/progress.json")), default=0)
    command = [sys.executable, "-m", "pipelines.cli", *asked, "--store", str(store)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: any(_epoch(p) > before for p in notes.glob("*/progress.json")), 600)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    code = process.wait(timeout=60)
    wait_until(lambda: all(ended(child.pid) for child in children))
    return code


def _epoch(progress: Path) -> int:
    return int(json.loads(progress.read_text())["epoch"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--clips", "nowhere"], "nowhere: --clips: there is no such folder or file"),
        (["run", "--clips", __file__], "test_pipeline_run.py: --clips: this is no video"),
        (["run", "--annotations", "nowhere"], "nowhere: --annotations: there is no such folder"),
        (["run", "--motion", "nowhere"], "nowhere: --motion: there is no such folder"),
        (["run", "--profile", "big"], "--profile: there is no profile 'big'"),
        (["run", "--only", "clip_prob"], "--only: there is no asset 'clip_prob'"),
        (["run"], "there is no clip to work on"),
        (["tables"], "there is no store here"),
        (["analyze", "nowhere.mp4"], "nowhere.mp4: there is no such video"),
        (["status"], "there is no store here"),
        (["lineage", "mkff_st_gcn"], "there is no store here"),
        (["evaluate", "--model", "m", "--clips", "x", "--annotations", "y"], "no store here"),
        (["clean"], "there is no store here"),
        (["promote", "recognition"], "there is no store here"),
        (["rollback", "recognition"], "there is no store here"),
        (["run", "--folds", "1"], "--folds: 1 cannot be used"),
        (["run", "--devices", "1000"], "--devices is 1000, but there are"),
        (["run", "--tracks", "nowhere"], "nowhere: --tracks: there is no such folder"),
        (["run", "--onnx", "nowhere.json"], "nowhere.json: --onnx: there is no such file"),
    ],
)
def test_user_errors_are_one_line_and_exit_code_two(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, output = dance(tmp_path / "store", *arguments)
    assert code == 2
    assert message in output
    assert "Traceback" not in output
    assert not (tmp_path / "store").exists(), "a refused command changes nothing"


@pytest.mark.slow
def test_one_clip_is_refused_before_anything_is_trained(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    store = tmp_path / "store"
    code, output = run(store, make_corpus(1, 50))
    assert code == 1
    assert "failed split_manifest: enough_takes: 1 annotated takes: 1 to train on" in output
    assert "annotate 2 more" in output
    assert not (store / "models").exists()
    assert not (store / "tables" / "train_split.parquet").exists()
    with open_instance(Store(root=str(store))) as instance:
        runs = instance.get_runs()
    assert {found.tags["dance/profile"] for found in runs} == {"smoke"}


def test_clean_lists_first_and_then_deletes_only_unused_files(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(1, 50), tmp_path / "store"
    assert run(store, corpus, "--only", CLIP_ASSETS)[0] == 0
    stray = store / "frames" / "ballet_01" / "999999.jpg"
    stray.write_bytes(b"old")
    result = CliRunner().invoke(make_app(), ["clean", "--store", str(store)], input="n\n")
    assert "1 sampled images" in result.output
    assert stray.exists()
    result = CliRunner().invoke(make_app(), ["clean", "--store", str(store)])  # as in a cron job
    assert result.exit_code == 2
    assert "nobody answers whether to delete these. Repeat with --yes" in result.output
    code, output = dance(store, "clean", "--yes")
    assert code == 0, output
    assert not stray.exists()
    assert len(list((store / "frames" / "ballet_01").iterdir())) == 50
    assert dance(store, "clean")[1] == "Nothing to clean."


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_definitions_load_and_name_every_asset(name: str, tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    profile = ProfileOptions(name, motion=True).resolve(store)
    defs = build_definitions(profile, store)
    graph = defs.resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    raw = {"raw_clips", "raw_annotations", "raw_motion"}
    assert names == {*(stage.name for stage in stages_of(profile)), *raw}
    assert {row.asset for row in ROWS if row.id in profile.rows} <= names
    for key in graph.get_all_asset_keys():
        assert graph.get(key).description, key
    jobs = {job.name for job in defs.resolve_all_job_defs()}
    assert {"ingest_clips", "build_dataset", "retrain_all"} <= jobs
    assert list(tmp_path.iterdir()) == [], "building the graph wrote to the store"


def test_stages_are_listed_after_their_dependencies(tmp_path: Path) -> None:
    options = ProfileOptions("study", ablations=True, motion=True)
    seen: set[str] = {"raw_clips", "raw_annotations", "raw_motion"}
    for stage in stages_of(options.resolve(Store(root=str(tmp_path)))):
        assert set(stage.dependencies) <= seen, stage.name
        seen.add(stage.name)


def test_lists_of_lower_layers_are_those_of_the_graph() -> None:
    """Layers below the stages cannot ask them, so they name assets themselves."""
    stages = {stage.name: stage for stage in stages_of(PROFILES["study"])}
    clips = {name for name, stage in stages.items() if stage.partitioned}
    assert set(CHECKED_PARTS) == clips
    assert set(PARTS) == clips & set(stages["pose_dataset"].dependencies)
    assert set(REPORT_FILES) <= set(stages)
    assert {name for name in stages if name in TRAININGS} == {
        name for name, stage in stages.items() if stage.op_tags.get("dance/kind") == "training"
    }


def test_both_reports_wait_for_every_row_that_was_pre_trained(tmp_path: Path) -> None:
    """Their footnotes name all of them."""
    profile = ProfileOptions("smoke", motion=True).resolve(Store(root=str(tmp_path)))
    fine_tuned = {row.asset for row in ROWS if row.pretraining_asset}
    for stage in stages_of(profile):
        if stage.name in ("recognition_report", "prediction_report"):
            assert fine_tuned <= set(stage.dependencies)
