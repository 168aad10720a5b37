"""The whole graph over a tiny corpus: made once, checked by several tests in the order of the file.

They share one store, since making it takes most of the time; the last test adds a clip to it.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from command_line import dance, made_by_asset, run, runs_of
from tiny_corpus import Corpus, MakeCorpus

from dance_models.tables import FRAMES, TRACKS
from pipelines.materializations import last_materialization
from pipelines.storage.store import Store, open_instance

# One process of pytest-xdist for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole_graph")]


@dataclass(frozen=True)
class Finished:
    """A store with everything built once, and its corpus."""

    corpus: Corpus
    store: Store
    output: str

    @property
    def root(self) -> Path:
        return self.store.path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, make_corpus: MakeCorpus) -> Finished:
    corpus, root = make_corpus(9, 64), tmp_path_factory.mktemp("whole") / "store"
    code, output = run(root, corpus, "--folds", "3")
    assert code == 0, output
    return Finished(corpus, Store(root=str(root)), output)


def test_each_clip_is_one_run_and_the_rest_is_another(finished: Finished) -> None:
    assert runs_of(finished.root) == {"ingest_clips": 9, "retrain_all": 1}


def test_the_tables(finished: Finished) -> None:
    store = finished.store
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
        assert pooled == 9, "every clip is scored once by the folds"
        assert network.filter(split="test")[clips].max() == 3


def test_the_page_loads_nothing_from_the_network(finished: Finished) -> None:
    store = finished.store
    page = (store.path / "reports" / "report.html").read_text("utf-8")
    assert "synthetic demo corpus" in page
    assert page.count("data:image/png;base64,") == 4
    assert 'src="http' not in page
    assert "<script" not in page


def test_dagster_and_mlflow_link_to_each_other(finished: Finished) -> None:
    """The version also loads without pickle or this repository, and takes any batch size."""
    store = finished.store
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
    assert found["tags"]["dance/profile"] == "smoke"
    assert found["tags"]["mlflow.source.name"] == "retrain_all"
    assert len(found["tags"]["mlflow.source.git.commit"]) == 40
    with open_instance(store) as instance:
        gated = last_materialization(instance, "prediction_champion", None)
        assert gated is not None
        assert gated.metadata["version"].value == 1
        decision = str(gated.metadata["decision"].value)
        assert "| better than zero\\_velocity, 400 ms |" in decision  # escaped for Markdown
        last = last_materialization(instance, "stga_net", None)
        assert last is not None
        assert last.metadata["mlflow_run_id"].value == json.loads(note.read_text())["run_id"]
        assert instance.get_run_by_id(found["tags"]["dagster/run_id"]) is not None


def test_the_tables_are_printed(finished: Finished) -> None:
    code, output = dance(finished.root, "tables")
    assert code == 0
    assert "synthetic demo corpus" in output
    assert "mkff_st_gcn" in output
    assert "stga_net" in output


def test_the_lineage_leads_back_to_the_clips(finished: Finished) -> None:
    code, output = dance(finished.root, "lineage", "mkff_st_gcn", "--check")
    assert code == 0, output
    assert "train: 3 clips" in output
    assert "0 differ" in output


def _report(finished: Finished) -> str:
    return (finished.root / "reports" / "report.html").read_text("utf-8")


def test_a_model_is_scored_on_unseen_clips(finished: Finished, make_corpus: MakeCorpus) -> None:
    """Its training clips under another name are refused."""

    def evaluate(of: Corpus) -> tuple[int, str]:
        return dance(
            finished.root, "evaluate", "--model", "mkff_st_gcn", "--clips", str(of.clips),
            "--annotations", str(of.annotations), "--tracks", str(of.tracks),
            "--profile", "smoke",
        )  # fmt: skip

    code, output = evaluate(finished.corpus)
    assert code == 2
    assert "are in the store that the model was trained from" in output
    code, output = evaluate(make_corpus(3, 60, seed=7))
    assert code == 0, output
    assert "mkff_st_gcn" in output
    assert "calibrated" in output
    assert "3 clips" in output
    assert "On corpora that the networks never saw" not in _report(finished)
    code, output = run(finished.root, finished.corpus, "--folds", "3")
    assert code == 0, output
    assert "On corpora that the networks never saw" in _report(finished)


def test_a_second_run_recomputes_nothing_and_a_new_clip_only_its_own_tables(
    finished: Finished,
) -> None:
    corpus, root = finished.corpus, finished.root
    before, runs = made_by_asset(root), runs_of(root)
    code, output = run(root, corpus, "--folds", "3")
    assert code == 0, output
    assert runs_of(root) == runs, "an unchanged corpus started a run"

    # Another clip without annotations: only its own partition, and the joined table.
    shutil.copyfile(corpus.clips / "ballet" / "ballet_01.mp4", corpus.clips / "ballet" / "new.mp4")
    shutil.copyfile(corpus.tracks / "ballet_01.json", corpus.tracks / "new.json")
    code, output = run(root, corpus, "--folds", "3")
    assert code == 0, output
    made = made_by_asset(root) - before
    assert made["clip_probe"] == made["sampled_frames"] == made["pose_tracks"] == 1
    assert made["pose_dataset"] == 1
    assert made["split_manifest"] == made["mkff_st_gcn"] == made["stga_net"] == 0
    assert made["recognition_champion"] == made["prediction_champion"] == 0
    assert runs_of(root) == {
        "ingest_clips": runs["ingest_clips"] + 1,
        "retrain_all": runs["retrain_all"] + 1,
    }
