"""Pre-training in the graph: motion is read, and none of it is in an evaluated clip."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from command_line import run, runs_by_asset
from motion_store import motion, write_data_set, write_track
from numpy.typing import NDArray
from tiny_corpus import Corpus, MakeCorpus

from dance_models.config import MotionConfig
from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.rows import row_of
from pipelines.assets.pretraining import no_shared_motion_check, pretraining_motion
from pipelines.automation.jobs import jobs_of
from pipelines.checks.motion_leak import refuse_shared_motion
from pipelines.graph import stages_of
from pipelines.profile_options import ProfileOptions
from pipelines.settings import op_config
from pipelines.stage import Inputs
from pipelines.storage.motion import register_motion, registered_motion
from pipelines.storage.store import Store, open_instance
from pipelines.tracking.tracker import Tracker


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(root=str(tmp_path / "store"))
    write_data_set(made, {"solo": motion(120, 1), "duo": motion(120, 2)})
    return made


def materialize(store: Store, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [pretraining_motion.asset(PROFILES["smoke"]), no_shared_motion_check()],
        instance=instance,
        resources={"store": store, "launcher": None},
        run_config={"ops": {"pretraining_motion": op_config(MotionConfig())}},
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    found = result.asset_materializations_for_node("pretraining_motion")[0].metadata
    return {name: value.value for name, value in found.items()}


# --- pretraining_motion -----------------------------------------------------------------------


def test_without_motion_the_asset_succeeds_and_reports_it(
    store: Store, instance: dg.DagsterInstance
) -> None:
    result = materialize(store, instance)
    assert result.success
    assert "Not pre-trained" in str(metadata(result)["skipped"])
    assert store.read("pretraining_motion").height == 0
    assert not store.has_motion()
    assert registered_motion(store).height == 0


def test_nothing_is_made_without_motion_whose_folder_is_away(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    write_track(tmp_path / "m" / "good.json", motion(90, 5))
    register_motion(store, instance, [tmp_path / "m"])
    (tmp_path / "m").rename(tmp_path / "away")
    assert not materialize(store, instance).success
    assert not store.table("pretraining_motion").is_file()
    assert registered_motion(store).height == 1


def test_one_bad_file_does_not_stop_the_others(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    write_track(tmp_path / "m" / "good.json", motion(90, 5))
    np.save(tmp_path / "m" / "flat.npy", np.zeros((5, 3)))
    (tmp_path / "m" / "broken.bvh").write_text("HIERARCHY\nROOT Hips {\n")
    register_motion(store, instance, [tmp_path / "m"])
    result = materialize(store, instance)
    assert result.success
    shown = metadata(result)
    assert shown["dagster/row_count"] == 90
    assert shown["files"] == 1
    assert "broken.bvh: no MOTION section" in str(shown["not_used"])
    assert "flat.npy: one array of shape" in str(shown["not_used"])
    sheet = store.preview("pretraining_motion", "skeletons", None, "jpg")
    assert sheet.is_file()
    assert sheet.name in str(shown["skeletons"])
    sources = store.read("pretraining_sources")
    assert dict(sources.select("source", "frames").rows())["good.json"] == 90
    assert sources["problem"].null_count() == 1
    table = store.read("pretraining_motion")
    assert set(table["clip"]) == {"good.json"}
    error = table["keypoints"].to_numpy() - table["annotation"].to_numpy()
    assert np.nanmedian(np.abs(error)) > 0.1, "the estimate is the truth made worse"


def test_motion_of_a_clip_in_any_split_is_left_out(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    """Scaled, moved, cut and present twice; the file that shares nothing stays."""
    shared = motion(120, 2)[20:100] * 2.5 + 30
    write_track(tmp_path / "m" / "other.json", motion(90, 5))
    write_track(tmp_path / "m" / "stolen.json", shared)
    write_track(tmp_path / "m" / "again.json", shared[2:])
    register_motion(store, instance, [tmp_path / "m"])
    result = materialize(store, instance)
    assert result.success
    sources = store.read("pretraining_sources")
    problems = dict(sources.select("source", "problem").rows())
    assert problems["other.json"] is None
    for name in ("stolen.json", "again.json"):
        assert f"left out: motion {name}" in problems[name]
        assert "is clip duo at" in problems[name]
    assert set(store.read("pretraining_motion")["clip"]) == {"other.json"}
    refuse_shared_motion(store)


def test_a_leak_introduced_later_blocks_and_is_reported(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    """The check fails, and the trainings refuse, even in a run without the check."""
    write_track(tmp_path / "m" / "other.json", motion(90, 5))
    register_motion(store, instance, [tmp_path / "m"])
    assert materialize(store, instance).success
    write_data_set(store, {"solo": motion(120, 1), "new": motion(90, 5) * 0.5})
    checked = no_shared_motion_check()(store)
    assert isinstance(checked, dg.AssetCheckResult)
    assert not checked.passed
    assert "motion other.json" in str(checked.metadata["shared"].value)
    assert "is clip new" in str(checked.metadata["shared"].value)
    with pytest.raises(InputError, match=r"other\.json.*is clip new.*materialize pretraining_mot"):
        refuse_shared_motion(store)
    result = materialize(store, instance)  # leaves the only file out
    assert result.success
    assert store.read("pretraining_motion").height == 0
    assert not store.has_motion()


def test_the_check_is_blocking() -> None:
    assert next(iter(no_shared_motion_check().check_specs)).blocking


def test_the_table_does_not_depend_on_unrelated_clips(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    """A new clip that shares no motion does not cause the pre-training to run again."""
    write_track(tmp_path / "m" / "other.json", motion(90, 5))
    register_motion(store, instance, [tmp_path / "m"])
    materialize(store, instance)
    before = store.digest("pretraining_motion")
    write_data_set(store, {"solo": motion(120, 1), "third": motion(80, 7)})
    materialize(store, instance)
    assert store.digest("pretraining_motion") == before


# --- rows and digests -------------------------------------------------------------------------


def test_trainings_without_pre_training_keep_their_digests(store: Store) -> None:
    """Changed digests would invalidate trainings: only fine-tuned rows have initial weights."""
    profile = ProfileOptions("study", motion=True).resolve(store)
    stages = {stage.name: stage for stage in stages_of(profile)}

    def inputs(asset: str) -> Inputs:
        return stages[asset].inputs(stages[asset].context(store, profile))

    plain = inputs("stga_net")
    assert set(plain) == {"train_split", "val_split", "config", "network"}
    assert set(inputs("stga_net_pretrained")) == {*plain, "initial"}
    current = store.output("pretrained_stga_net")
    current.parent.mkdir(parents=True)
    best, last = {"path": "best.pt", "sha256": "abc"}, {"path": "last.pt", "sha256": "def"}
    current.write_text(json.dumps({"best": best, "last": last}))
    assert inputs("stga_net_pretrained")["initial"] == "abc"


@pytest.mark.parametrize("motion", [False, True])
def test_the_fine_tuned_forecaster_is_the_candidate(store: Store, motion: bool) -> None:
    profile = ProfileOptions("smoke", motion=motion).resolve(store)
    stages = {stage.name: stage for stage in stages_of(profile)}
    forecaster = "stga_net_pretrained" if motion else "stga_net"
    candidates = {"recognition_champion": "mkff_st_gcn", "prediction_champion": forecaster}
    for champion, candidate in candidates.items():
        assert {str(d) for d in stages[champion].dependencies} & {
            "mkff_st_gcn", "mkff_st_gcn_pretrained", "stga_net", "stga_net_pretrained",
        } == {candidate}  # fmt: skip
    jobs = {job.name: job for job in jobs_of(tuple(stages.values()))}
    assert forecaster in str(jobs["retrain_prediction"].selection)


# --- end to end -------------------------------------------------------------------------------


def _with_motion(corpus: Corpus, folder: Path) -> tuple[str, ...]:
    write_track(folder / "one.json", motion(150, 11))
    write_track(folder / "two.json", motion(150, 12))
    write_track(folder / "leak.json", _annotated(corpus, "street_01"))
    (folder / "bad.bvh").write_text("no motion")
    return ("--motion", str(folder))


def _annotated(corpus: Corpus, clip: str) -> NDArray[np.float64]:
    document = json.loads((corpus.annotations / f"{clip}.json").read_text())
    points = [np.array(a["keypoints"], float).reshape(14, 3) for a in document["annotations"]]
    return np.stack(points)[..., :2]


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_pre_training_in_the_graph(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    """Killed in the middle, resumed, reported beside the other rows, and not repeated."""
    corpus, root = make_corpus(9, 64), tmp_path / "store"
    given = _with_motion(corpus, tmp_path / "motion")
    opened = Store(root=str(root))
    command = [
        sys.executable, "-m", "pipelines.cli", "run", "--store", str(root), "--clips",
        str(corpus.clips), "--annotations", str(corpus.annotations), "--tracks",
        str(corpus.tracks), "--profile", "smoke", *given,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 500
    while not list(root.glob("models/pretrained_*/*/progress.json")):
        assert time.monotonic() < deadline, "no epoch of pre-training before the deadline"
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    code, output = run(root, corpus, *given)
    assert code == 0, output
    assert "motion leak.json: left out" in output
    assert "is clip street_01" in output
    assert "bad.bvh" in output
    scores = pl.read_parquet(opened.output("recognition_report"))
    assert {"mkff_st_gcn", "mkff_st_gcn.pretrained"} <= set(scores["method"])
    forecasts = pl.read_parquet(opened.output("prediction_report"))
    assert {"stga_net", "stga_net.pretrained"} <= set(forecasts["method"])
    page = opened.output("html_report").read_text("utf-8")
    assert "pre-trained on 2 motion files" in page
    assert "Not pre-trained." not in page
    for method in ("mkff_st_gcn.pretrained", "stga_net.pretrained"):
        asset, first = row_of(method).asset, row_of(method).pretraining_asset
        assert first is not None
        assert opened.training(asset)["initial"]["sha256"] == opened.weights_digest(first)
        tags = Tracker(opened).client.get_run(opened.run_id(asset)).data.tags
        assert tags["data_version/pretraining_motion"] == opened.digest("pretraining_motion")
    before = runs_by_asset(root)
    with open_instance(opened) as instance:
        assert all(found.is_finished for found in instance.get_runs())
    code, output = run(root, corpus, *given)
    assert code == 0, output
    assert runs_by_asset(root) == before, "unchanged motion was trained on again"
