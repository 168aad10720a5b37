"""What a stage reads is part of its inputs: what changes the result makes it stale."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from tiny_corpus import MakeCorpus

from dance_models.config import Profile
from dance_models.profiles import PROFILES
from dance_models.tables import write_table
from pipelines.assets import evaluation
from pipelines.assets.clips import pose_tracks
from pipelines.assets.pretraining import pretraining_motion
from pipelines.graph import build_definitions
from pipelines.stage import Stage
from pipelines.storage.clips import RAW_CLIPS, register_clips
from pipelines.storage.motion import register_motion
from pipelines.storage.store import Store

SMOKE = PROFILES["smoke"]


def _digest(stage: Stage, store: Store, profile: Profile, clip: str | None = None) -> str:
    return stage.digest(stage.context(store, profile, clip))


def test_poses_are_stale_when_the_images_have_another_quality(
    tmp_path: Path, instance: dg.DagsterInstance, make_corpus: MakeCorpus
) -> None:
    """The table of the frames was the same, byte for byte, and the estimator sees the pixels."""
    store, corpus = Store(root=str(tmp_path / "store")), make_corpus(1, 24)
    (clip,) = register_clips(store, instance, [corpus.clips]).new
    found = []
    for quality in (92, 20, 92):
        profile = replace(SMOKE, sampling=replace(SMOKE.sampling, jpeg_quality=quality))
        job = build_definitions(profile, store).resolve_job_def("ingest_clips")
        names = [dg.AssetKey(name) for name in ("clip_probe", "sampled_frames")]
        assert job.execute_in_process(
            instance=instance, partition_key=clip, asset_selection=names
        ).success
        image = (store.path / store.read("sampled_frames", clip)["image"][0]).read_bytes()
        found.append((image, _digest(pose_tracks, store, profile, clip)))
    (fine, first), (coarse, second), (fine_again, third) = found
    assert len(coarse) < len(fine) == len(fine_again)
    assert second != first == third


def test_motion_is_stale_when_arrays_are_read_at_another_rate(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    store = Store(root=str(tmp_path / "store"))
    (tmp_path / "motion").mkdir()
    np.save(tmp_path / "motion" / "take.npy", np.zeros((9, 22, 3), np.float32))
    register_motion(store, instance, [tmp_path / "motion"])
    slow = replace(SMOKE, rendered=replace(SMOKE.rendered, positions_fps=30.0))
    context = pretraining_motion.context(store, SMOKE)
    assert set(pretraining_motion.inputs(context)) == {"files", "config", "pose_dataset"}
    assert _digest(pretraining_motion, store, slow) != _digest(pretraining_motion, store, SMOKE)


def test_the_page_is_stale_when_its_footnotes_name_other_corpora(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scores stay when clips without annotations of another corpus come."""
    store = Store(root=str(tmp_path / "store"))
    monkeypatch.setattr(evaluation, "scored_rows", lambda store, rows: [])
    found = []
    for corpora in (["demo"], ["demo", "street"], ["demo"]):
        rows = [{"clip": name, "path": name, "corpus": name} for name in corpora]
        table = pl.DataFrame(rows, schema=dict(RAW_CLIPS))
        write_table(table, store.table("raw_clips"), {})
        digest = _digest(evaluation.html_report, store, SMOKE)
        found.append((evaluation._provenance(store), digest))
    (one, first), (other, second), (again, third) = found
    assert one == again != other
    assert first == third != second


def test_comparisons_are_stale_when_only_those_of_a_report_changed(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    write_table(pl.DataFrame({"value": [1.0]}), store.output("recognition_report"), {})
    found = []
    for difference in (1.0, 2.0, 1.0):
        table = pl.DataFrame({"difference": [difference]})
        write_table(table, store.paired("recognition_report"), {})
        found.append(_digest(evaluation.paired_comparisons, store, SMOKE))
    assert found[0] == found[2] != found[1]
