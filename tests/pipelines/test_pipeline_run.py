"""The graph over a tiny corpus, through the command line's own session, in a real instance."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from pipelines.skip_rule import last_materialization
from tiny_corpus import Corpus, MakeCorpus
from typer.testing import CliRunner

from dance_models.checkpoint import load_checkpoint
from dance_models.tables import FRAMES, TRACKS
from pipelines.automation.retraining import stale_networks
from pipelines.cli import app
from pipelines.storage.store import Store, open_instance
from pipelines.tracking.tracker import Tracker

CLIP_ASSETS = "clip_probe,pose_annotations,sampled_frames,pose_tracks"
DATA_ASSETS = "pose_dataset,split_manifest,augmented_train,train_split,val_split,test_split"


def dance(store: Path, *arguments: str) -> tuple[int, str]:
    """Run the command line in this process; exit code and output."""
    result = CliRunner().invoke(app, [arguments[0], "--store", str(store), *arguments[1:]])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def run(store: Path, corpus: Corpus, *more: str) -> tuple[int, str]:
    """``dance run`` on a corpus with its precomputed tracks."""
    return dance(
        store, "run", "--clips", str(corpus.clips), "--annotations", str(corpus.annotations),
        "--tracks", str(corpus.tracks), "--profile", "smoke", "--debug", *more,
    )  # fmt: skip


def runs_by_asset(store: Path) -> Counter[str]:
    """How many Dagster runs each asset had."""
    with open_instance(Store(root=str(store))) as instance:
        return Counter(
            key.to_user_string()
            for record in instance.get_runs()
            for key in record.asset_selection or ()
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_graph(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    """Everything is made once, again makes nothing, one more clip makes what hangs on it."""
    corpus, store = make_corpus(9, 64), tmp_path / "store"
    code, output = run(store, corpus, "--folds", "3")
    assert code == 0, output
    opened = Store(root=str(store))
    _check_tables(opened)
    _check_tracking(opened)
    code, output = dance(store, "tables")
    assert code == 0
    assert "synthetic demo corpus" in output
    assert "mkff_st_gcn" in output
    assert "stga_net" in output

    code, output = dance(store, "lineage", "mkff_st_gcn", "--check")
    assert code == 0, output
    assert "train: 3 clips" in output
    assert "0 differ" in output

    _check_evaluation(store, corpus, make_corpus)

    before = runs_by_asset(store)
    code, output = run(store, corpus, "--folds", "3")
    assert code == 0, output
    assert runs_by_asset(store) == before, "an unchanged corpus was recomputed"

    # Another clip that nobody annotated: only its own partition, and the joined table.
    shutil.copyfile(corpus.clips / "ballet" / "ballet_01.mp4", corpus.clips / "ballet" / "new.mp4")
    shutil.copyfile(corpus.tracks / "ballet_01.json", corpus.tracks / "new.json")
    code, output = run(store, corpus, "--folds", "3")
    assert code == 0, output
    made = runs_by_asset(store) - before
    assert made["clip_probe"] == made["sampled_frames"] == made["pose_tracks"] == 1
    assert made["split_manifest"] == made["mkff_st_gcn"] == made["stga_net"] == 0
    assert made["recognition_champion"] == made["prediction_champion"] == 0


def _check_evaluation(store: Path, corpus: Corpus, make_corpus: MakeCorpus) -> None:
    """A tracked model is scored on clips it never saw, and not on its own under another name."""

    def evaluate(of: Corpus) -> tuple[int, str]:
        return dance(
            store, "evaluate", "--model", "mkff_st_gcn", "--clips", str(of.clips),
            "--annotations", str(of.annotations), "--tracks", str(of.tracks),
            "--profile", "smoke",
        )  # fmt: skip

    code, output = evaluate(corpus)
    assert code == 2
    assert "are in the store that the model was trained from" in output
    other = make_corpus(3, 60, seed=7)
    code, output = evaluate(other)
    assert code == 0, output
    assert "mkff_st_gcn" in output
    assert "calibrated" in output
    assert "3 clips" in output


def _check_tables(store: Store) -> None:
    frames = store.read("sampled_frames", "ballet_01")
    assert dict(frames.schema) == dict(FRAMES)
    assert (store.path / frames["image"][0]).is_file()
    assert frames["backend"].unique().to_list() == ["decord"]
    tracks = store.read("pose_tracks", "ballet_01")
    assert dict(tracks.schema) == dict(TRACKS)
    splits = store.read("split_manifest")
    assert splits.group_by("split").len().sort("split").rows() == [
        ("test", 3), ("train", 3), ("val", 3)
    ]  # fmt: skip
    train, test = store.read("train_split"), store.read("test_split")
    assert set(train["variant"]) == {0, 1}
    assert set(test["variant"]) == {0}
    assert not set(train["clip"]) & set(test["clip"])
    scores = store.path / "reports" / "recognition_scores.parquet"
    methods = set(pl.read_parquet(scores)["method"])
    assert {"raw", "calibrated", "gaussian", "mkff_st_gcn"} <= methods
    forecasts = pl.read_parquet(store.path / "reports" / "prediction_scores.parquet")
    assert set(forecasts["input"]) == {"annotated", "refined", "raw"}
    assert {"zero_velocity", "ar", "stga_net"} <= set(forecasts["method"])
    paired = pl.read_parquet(store.path / "reports" / "paired.parquet")
    assert set(paired["task"]) == {"recognition", "prediction"}
    for table, clips in ((pl.read_parquet(scores), "n_clips"), (forecasts, "n_clips")):
        network = table.filter(pl.col("method").is_in(["mkff_st_gcn", "stga_net"]), style="all")
        pooled = network.filter(split="folds")[clips].max()
        assert pooled == 9, "every clip is judged once by the folds"
        assert network.filter(split="test")[clips].max() == 3
    page = (store.path / "reports" / "report.html").read_text("utf-8")
    assert "synthetic demo corpus" in page
    assert page.count("data:image/png;base64,") == 4
    assert 'src="http' not in page
    assert "<script" not in page


def _check_tracking(store: Store) -> None:
    """Both tools lead to each other; the version loads without pickle, takes any batch.

    In a process that has nothing of ours on its path.
    """
    code = (
        "import json, os, sys\n"
        "import numpy as np\n"
        "os.environ['MLFLOW_ALLOW_PICKLE_DESERIALIZATION'] = 'false'\n"
        "import mlflow\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "note = json.load(open(sys.argv[2]))\n"
        "run = mlflow.get_run(note['run_id'])\n"
        "model = mlflow.pyfunc.load_model('models:/dance-prediction/1')\n"
        "ours = [m for m in sys.modules if m.startswith(('dance_models', 'pipelines'))]\n"
        "out = model.predict(np.zeros((5, 27, 14, 2), np.float32))\n"
        "print(json.dumps({'ours': ours, 'shape': list(np.asarray(out).shape),\n"
        "    'tags': run.data.tags,\n"
        "    'metrics': sorted(run.data.metrics), 'status': run.info.status,\n"
        "    'inputs': [d.dataset.name for d in run.inputs.dataset_inputs]}))\n"
    )
    note = store.model("stga_net") / "mlflow.json"
    done = subprocess.run(
        [sys.executable, "-c", code, store.tracking_uri, str(note)],
        capture_output=True, text=True, check=False, cwd=store.path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["shape"] == [5, 10, 14, 2]
    assert found["ours"] == []
    assert found["status"] == "FINISHED"
    assert {"train_split", "val_split"} <= set(found["inputs"])
    assert "test_stga_net_mpjpe_torso_80" in found["metrics"]
    assert found["tags"]["data_version/train_split"] == store.digest("train_split")
    with open_instance(store) as instance:
        gated = last_materialization(instance, "prediction_champion", None)
        assert gated is not None
        assert gated.metadata["version"].value == 1
        assert "| better than zero_velocity, 400 ms |" in str(gated.metadata["decision"].value)
        last = last_materialization(instance, "stga_net", None)
        assert last is not None
        assert last.metadata["mlflow_run_id"].value == json.loads(note.read_text())["run_id"]
        assert instance.get_run_by_id(found["tags"]["dagster/run_id"]) is not None


def _spoil(corpus: Corpus) -> None:
    """One clip of each broken kind among the good ones."""
    folder = corpus.clips / "ballet"
    (folder / "text.mp4").write_text("a shopping list")
    (folder / "empty.mp4").touch()
    whole = (folder / "ballet_01.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    shutil.copyfile(folder / "ballet_01.mp4", corpus.clips / "Ballet_01.mp4")  # slug is taken
    (corpus.annotations / "broken.json").write_text("{not json")


def test_bad_clips_are_quarantined_and_stop_nothing(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(2, 50), tmp_path / "store"
    _spoil(corpus)
    code, output = run(store, corpus, "--only", CLIP_ASSETS)
    assert code == 0
    for clip in ("text", "empty", "truncated"):
        assert f"quarantined {clip}:" in output
    assert "is taken by" in output
    assert "broken.json: is not JSON" in output
    opened = Store(root=str(store))
    assert opened.read("pose_tracks", "ballet_01").height == 50
    assert opened.read("pose_tracks", "text").height == 0
    assert opened.read("clip_probe", "text")["status"][0] == "quarantined"
    code, _ = run(store, corpus, "--only", "clip_probe", "--strict")
    assert code == 3
    code, output = dance(store, "status")
    assert code == 0
    assert "quarantined truncated" in output


def test_a_changed_clip_recomputes_that_clip_alone(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    corpus, store = make_corpus(3, 50), tmp_path / "store"
    only = ("--only", "clip_probe,sampled_frames")
    assert run(store, corpus, *only)[0] == 0
    before = runs_by_asset(store)
    other = make_corpus(1, 55)
    shutil.copyfile(
        other.clips / "ballet" / "ballet_01.mp4", corpus.clips / "street" / "street_01.mp4"
    )
    assert run(store, corpus, *only)[0] == 0
    made = runs_by_asset(store) - before
    assert made == {"clip_probe": 1, "sampled_frames": 1}
    assert Store(root=str(store)).read("clip_probe", "street_01")["decoded_frames"][0] == 55


def test_labels_come_back_from_a_tool(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    """Export sampled frames, annotate them with a script, import: frames are not decoded again."""
    corpus, store, out = make_corpus(2, 60), tmp_path / "store", tmp_path / "out"
    arguments = ["run", "--clips", str(corpus.clips), "--tracks", str(corpus.tracks)]
    assert dance(store, *arguments, "--profile", "smoke", "--only", CLIP_ASSETS)[0] == 0
    before = runs_by_asset(store)
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
    made = runs_by_asset(store) - before
    assert made == {"pose_annotations": 2, "pose_dataset": 1}
    dataset = Store(root=str(store)).read("pose_dataset")
    assert dataset["annotation"].null_count() == 0
    assert dataset["annotation"].to_numpy()[7, 0].tolist() == [30, 40 + dataset["frame"][7]]


def test_a_run_killed_half_way_goes_on(tmp_path: Path, make_corpus: MakeCorpus) -> None:
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
    deadline = time.monotonic() + 60
    while not list(tables.glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for path in (store / "tables").rglob("*.parquet"):
        pl.read_parquet(path)  # whatever has its final name is whole
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
@pytest.mark.timeout(400)
def test_a_training_killed_half_way_goes_on_where_it_was(
    tmp_path: Path, make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of the whole process group between two epochs of a training in the graph."""
    corpus, store = make_corpus(9, 64), tmp_path / "store"
    code, output = run(store, corpus, "--only", f"{CLIP_ASSETS},{DATA_ASSETS}")
    assert code == 0, output
    command = [
        sys.executable, "-m", "pipelines.cli", "run", "--store", str(store), "--profile", "smoke",
        "--only", "stga_net",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    models = store / "models" / "stga_net"
    deadline = time.monotonic() + 120
    while not (done := [p for p in models.glob("*/progress.json") if _epoch(p) >= 1]):
        assert time.monotonic() < deadline, "no epoch within two minutes"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = load_checkpoint(done[0].with_name("last.pt"))["history"]
    assert not (models / "current.json").exists()

    code, output = dance(store, "run", "--profile", "smoke", "--only", "stga_net")
    assert code == 0, output
    after = load_checkpoint(done[0].with_name("last.pt"))["history"]
    assert [record["epoch"] for record in after] == [1, 2, 3, 4]
    assert after[: len(before)] == before  # seconds included: these epochs were not run again
    tracker = Tracker(Store(root=str(store)))
    states = [r.info.status for r in tracker.client.search_runs([tracker.initialise()])]
    assert states == ["FINISHED"]  # one MLflow run, opened once and taken up again
    monkeypatch.setenv("DANCE_PROFILE", "smoke")
    with open_instance(Store(root=str(store))) as instance:
        assert stale_networks(instance, Store(root=str(store))) == ["mkff_st_gcn"]


def _epoch(progress: Path) -> int:
    return int(json.loads(progress.read_text())["epoch"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--clips", "nowhere"], "nowhere: there is no such folder"),
        (["run", "--profile", "big"], "there is no profile 'big'"),
        (["run", "--only", "clip_prob"], "there is no asset 'clip_prob'"),
        (["run"], "there is no clip to work on"),
        (["tables"], "there is no report yet"),
        (["apply", "nowhere.mp4", "--out", "out"], "nowhere.mp4: there is no such video"),
        (["status"], "there is no store here"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_two(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, output = dance(tmp_path / "store", *arguments)
    assert code == 2
    assert message in output
    assert "Traceback" not in output


def test_clean_lists_first_and_then_deletes_what_nothing_uses(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(1, 50), tmp_path / "store"
    assert run(store, corpus, "--only", CLIP_ASSETS)[0] == 0
    stray = store / "frames" / "ballet_01" / "999999.jpg"
    stray.write_bytes(b"old")
    result = CliRunner().invoke(app, ["clean", "--store", str(store)], input="n\n")
    assert "1 sampled images" in result.output
    assert stray.exists()
    code, output = dance(store, "clean", "--yes")
    assert code == 0, output
    assert not stray.exists()
    assert len(list((store / "frames" / "ballet_01").iterdir())) == 50
    assert dance(store, "clean")[1] == "Nothing to clean."


def test_the_definitions_load_and_name_every_asset() -> None:
    from pipelines.steps import assets_of

    from pipelines.definitions import defs
    from pipelines.settings import active_profile

    graph = defs.resolve_asset_graph()
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    raw = {"raw_clips", "raw_annotations", "raw_motion"}
    assert names == {*assets_of(active_profile()), *raw, "champion_exports"}
    for key in graph.get_all_asset_keys():
        assert graph.get(key).description, key
    jobs = {job.name for job in defs.resolve_all_job_defs()}
    assert {"ingest_clips", "build_dataset", "retrain_all"} <= jobs
