"""Rendered motion in the graph: made once, resumed, without shared motion, and trained on."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from motion_cases import person_bvh
from motion_store import motion, write_data_set, write_track
from rendered_cases import TINY, Brightness

import dance_models.estimators.weights as weights_module
import dance_models.rendered.clip as clip_module
from dance_models.config import EstimatorConfig, Profile
from dance_models.profiles import PROFILES
from pipelines.assets.pretraining import pretraining_motion
from pipelines.assets.rendered import rendered_motion
from pipelines.assets.training import motion_table_of
from pipelines.checks.motion_leak import leak_verdict, motion_pose_runs, refuse_shared_motion
from pipelines.graph import stages_of
from pipelines.profile_options import ProfileOptions
from pipelines.settings import op_config
from pipelines.storage.motion import motion_facts, register_motion
from pipelines.storage.store import Store

CONFIG = replace(TINY, seconds=1.2, pieces=2)
PROFILE = replace(PROFILES["smoke"], rendered=CONFIG)


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "make_estimator", lambda *_: Brightness())
    monkeypatch.setattr(weights_module, "fetch_weights", lambda folder, *_: folder)


@pytest.fixture
def store(tmp_path: Path, instance: dg.DagsterInstance) -> Store:
    made = Store(root=str(tmp_path / "store"))
    write_data_set(made, {"solo": motion(120, 1), "duo": motion(120, 2)})
    folder = tmp_path / "m"
    write_track(folder / "flat.json", motion(90, 5))
    for seed in (1, 2):
        (folder / f"person_{seed}.bvh").write_text(person_bvh(70, seed=seed), "utf-8")
    register_motion(made, instance, [folder])
    return made


def _materialize(
    store: Store, instance: dg.DagsterInstance, profile: Profile = PROFILE
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [pretraining_motion.asset(profile), rendered_motion.asset(profile)],
        instance=instance,
        resources={"store": store, "launcher": None},
        run_config={"ops": {"rendered_motion": op_config(profile.rendered)}},
        raise_on_error=False,
    )


def _metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    found = result.asset_materializations_for_node("rendered_motion")[0].metadata
    return {name: value.value for name, value in found.items()}


def test_motion_is_rendered_into_runs_and_previewed(
    store: Store, instance: dg.DagsterInstance
) -> None:
    result = _materialize(store, instance)
    assert result.success
    shown = _metadata(result)
    assert (shown["clips"], shown["bodies"]) == (4, 2)
    sheet = store.preview("rendered_motion", "views", None, "jpg")
    assert sheet.is_file()
    assert sheet.name in str(shown["views"])
    assert 0 <= float(str(shown["pck@0.05_annotation"])) <= 100
    assert store.rendered_pieces() == 2
    assert len(list(store.rendered.glob("*.npz"))) == 4
    runs = motion_pose_runs(store, "rendered_motion")
    assert {run.performer for run in runs} == {"woman_a", "woman_b"}
    assert {run.style for run in runs} == {"rendered"}
    assert all(np.isfinite(run.annotation).any() for run in runs)
    refuse_shared_motion(store, "rendered_motion")
    assert leak_verdict(store, "rendered_motion")[0] == []
    facts = motion_facts(store, "rendered_motion")
    assert facts["files"] == len({run.group for run in runs})
    assert facts["hours"] == pytest.approx(4 * 1.2 / 3600, rel=0.1)


def test_more_pieces_render_only_the_new_ones(
    store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _materialize(store, instance)
    rendered: list[str] = []

    def counting(config: EstimatorConfig, weights: Path, name: str) -> Brightness:
        rendered.append(name)
        return Brightness()

    monkeypatch.setattr(clip_module, "make_estimator", counting)
    more = replace(PROFILE, rendered=replace(CONFIG, pieces=3))
    assert not rendered_motion.is_fresh(instance, store, more)
    assert _materialize(store, instance, more).success
    assert rendered == ["piece_0002"] * 2
    assert rendered_motion.is_fresh(instance, store, more)
    workers = replace(more, rendered=replace(more.rendered, workers=2))
    assert rendered_motion.is_fresh(instance, store, workers)


def test_a_take_of_an_evaluated_clip_is_left_out(
    store: Store, instance: dg.DagsterInstance
) -> None:
    """A data set that holds a rendered view's exact pose, larger and moved."""
    _materialize(store, instance)
    first = motion_pose_runs(store, "rendered_motion")[0]
    leaked = np.nan_to_num(first.annotation) * 3 + 20
    write_data_set(store, {"solo": motion(120, 1), "new": leaked})
    assert first.clip in leak_verdict(store, "rendered_motion")[0][0]
    result = _materialize(store, instance)
    assert result.success
    kept = motion_pose_runs(store, "rendered_motion")
    assert first.group not in {run.group for run in kept}
    escaped = first.group.replace("_", "\\_")  # Markdown
    assert f"{escaped}: left out" in str(_metadata(result)["not_used"])


def test_without_motion_in_3d_it_says_so(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    for file in (tmp_path / "m").glob("*.bvh"):
        file.unlink()
    register_motion(store, instance, [])
    result = _materialize(store, instance)
    assert not result.success


def test_recognition_learns_from_it_and_prediction_from_the_motion(store: Store) -> None:
    plain = ProfileOptions("smoke", motion=True).resolve(store)
    profile = ProfileOptions("smoke", motion=True, rendered=2).resolve(store)
    assert motion_table_of("pretrained_mkff_st_gcn", plain) == "pretraining_motion"
    assert motion_table_of("pretrained_mkff_st_gcn", profile) == "rendered_motion"
    assert motion_table_of("pretrained_stga_net", profile) == "pretraining_motion"
    stages = {stage.name: stage for stage in stages_of(profile)}
    assert "rendered_motion" not in {stage.name for stage in stages_of(plain)}
    assert "rendered_motion" in stages["pretrained_mkff_st_gcn"].dependencies
    assert "rendered_motion" not in stages["pretrained_stga_net"].dependencies
    network = stages["pretrained_mkff_st_gcn"]
    inputs = network.inputs(network.context(store, profile))
    assert set(inputs) == {"rendered_motion", "config", "network"}


def test_tracks_from_elsewhere_cannot_be_rendered(
    store: Store, instance: dg.DagsterInstance
) -> None:
    elsewhere = EstimatorConfig("precomputed", precomputed_dir="tracks")
    assert not _materialize(store, instance, replace(PROFILE, estimator=elsewhere)).success
