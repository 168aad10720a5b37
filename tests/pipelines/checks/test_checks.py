"""Damage to a corpus is located and blocks only what depends on it."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image
from preview_files import preview_file
from tiny_corpus import Corpus, MakeCorpus
from typer.testing import CliRunner

from dance_models.config import QualityConfig
from dance_models.profiles import PROFILES
from dance_models.quality.findings import Finding
from dance_models.skeleton import DANCE_14
from dance_models.tables import POSE_DATASET, SPLIT_MANIFEST, conform, write_table
from pipelines.checks.asset_checks import AssetChecks, Check
from pipelines.checks.clips import FRAMES_CHECKS, PROBE_CHECKS
from pipelines.checks.dataset import MANIFEST_CHECKS, SPLIT_CHECKS
from pipelines.cli import make_app
from pipelines.graph import build_definitions
from pipelines.storage.store import Store, open_instance

ASSETS = (
    "clip_probe,pose_annotations,sampled_frames,pose_tracks,pose_dataset,split_manifest,"
    "augmented_train,train_split,val_split,test_split"
)
Change = Callable[[int, NDArray[np.float64]], NDArray[np.float64]]


def _run(store: Path, corpus: Corpus, only: str = ASSETS) -> tuple[int, str]:
    result = CliRunner().invoke(
        make_app(),
        ["run", "--store", str(store), "--clips", str(corpus.clips), "--annotations",
         str(corpus.annotations), "--tracks", str(corpus.tracks), "--profile", "smoke",
         "--workers", "2", "--only", only],
    )  # fmt: skip
    return result.exit_code, " ".join(result.output.split())


def _annotate(corpus: Corpus, clip: str, change: Change) -> None:
    """Rewrite every annotation of a clip: ``change(frame, (14, 3))``."""
    path = corpus.annotations / f"{clip}.json"
    document = json.loads(path.read_text())
    for frame, annotation in enumerate(document["annotations"]):
        points = np.array(annotation["keypoints"], float).reshape(14, 3)
        annotation["keypoints"] = change(frame, points).ravel().tolist()
    path.write_text(json.dumps(document))


def _long_arm(frame: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
    if 20 <= frame < 40:
        points[DANCE_14.index["left_wrist"], 1] = (
            115 if points[DANCE_14.index["left_wrist"], 1] < 60 else 2
        )
    return points


def _viewers_sides(frame: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points[list(DANCE_14.mirror)]


def _slip(frame: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
    if frame == 30:
        points[DANCE_14.index["neck"], 0] += 45 if points[DANCE_14.index["neck"], 0] < 80 else -45
    return points


def _evaluation(instance: dg.DagsterInstance, asset: str, check: str, clip: str | None):  # type: ignore[no-untyped-def]
    """The last result of a check (on one clip) in Dagster."""
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(asset), check), limit=50
    )
    found = [r.event.dagster_event.event_specific_data for r in history if r.event]
    return next(e for e in found if clip is None or e.partition == clip)


def _picture(store: Store, evaluation: dg.AssetCheckEvaluation) -> Image.Image:
    return Image.open(preview_file(store, evaluation.metadata["picture"]))


@pytest.mark.slow
def test_damage_is_located_and_blocks_only_its_dependents(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(6, 60), tmp_path / "store"
    whole = {p.name: p.read_text() for p in corpus.annotations.glob("*.json")}
    _annotate(corpus, "ballet_01", _long_arm)
    _annotate(corpus, "street_01", _viewers_sides)
    _annotate(corpus, "contemporary_01", _slip)
    shutil.copyfile(corpus.clips / "street" / "street_02.mp4", corpus.clips / "street" / "zz.mp4")
    shutil.copyfile(corpus.tracks / "street_02.json", corpus.tracks / "zz.json")

    code, output = _run(store, corpus)
    assert code == 1, output
    assert "failed pose_annotations[ballet_01]: limb_length: ballet_01: frame" in output
    assert "frames 20-39" in output
    assert "failed pose_dataset[street_01]: swapped_sides: street_01: frame" in output
    assert "warning: pose_annotations: temporal_jumps: contemporary_01: frame 3" in output
    assert "warning: pose_dataset: duplicate_clips: zz: frame 0: is the same file as" in output
    opened = Store(root=str(store))
    assert not opened.table("sampled_frames", "ballet_01").exists(), (
        "the bad clip was processed further"
    )
    left = set(opened.read("pose_dataset")["clip"])
    assert not left & {"ballet_01", "street_01"}
    assert len(left) == 5, "other clips were blocked"
    assert opened.table("test_split").is_file()

    with open_instance(opened) as instance:
        limb = _evaluation(instance, "pose_annotations", "limb_length", "ballet_01")
        assert not limb.passed
        assert limb.blocking
        assert limb.severity == dg.AssetCheckSeverity.ERROR
        assert _picture(opened, limb).width > 300  # decoded for this: the clip was not sampled
        assert _evaluation(instance, "pose_annotations", "limb_length", "ballet_02").passed
        swapped = _evaluation(instance, "pose_dataset", "swapped_sides", None)
        assert _picture(opened, swapped).width > 300
        assert _picture(opened, _evaluation(instance, "pose_dataset", "duplicate_clips", None))

        _check_the_web_uis_way(opened, instance)

    code, again = _run(store, corpus)  # nothing was repaired
    assert code == 1
    assert "failed pose_annotations[ballet_01]: limb_length" in again
    assert "failed pose_dataset[street_01]" in again

    for name, text in whole.items():
        (corpus.annotations / name).write_text(text)
    code, output = _run(store, corpus)
    assert code == 0, output
    assert opened.read("pose_dataset")["clip"].n_unique() == 7
    _check_tampered_tables(opened)


def _check_the_web_uis_way(store: Store, instance: dg.DagsterInstance) -> None:
    """One run of a job over the clip's assets: what depends on the blocking check is skipped."""
    defs = build_definitions(PROFILES["smoke"], store)
    result = defs.resolve_job_def("ingest_clips").execute_in_process(
        instance=instance,
        partition_key="ballet_01",
        raise_on_error=False,
    )
    assert not result.success
    started = [e.step_key for e in result.all_events if e.is_step_start]
    assert started == ["clip_probe", "pose_annotations"]
    assert [e.step_key for e in result.all_events if e.is_step_failure] == ["pose_annotations"]


def _check_a_validation_clip_in_the_test(store: Store) -> None:
    """A warning: models were chosen on it, and not trained."""
    rows = store.read("pose_dataset")
    manifest = store.read("split_manifest")
    chosen, tested = (manifest.filter(split=split)["clip"][0] for split in ("val", "test"))
    copy = rows.filter(clip=chosen).with_columns(clip=pl.lit(tested))
    others = rows.filter(pl.col("clip") != tested)
    write_table(pl.concat([others, copy]), store.table("pose_dataset"))
    found = SPLIT_CHECKS["test"].evaluate(store, QualityConfig(), None)
    write_table(rows, store.table("pose_dataset"))
    shared = [f for f in found if f.check == "shared_motion"]
    assert [(f.clip, f.other, f.severity) for f in shared] == [(tested, chosen, "warn")]
    assert "which is in validation" in shared[0].message


def _check_tampered_tables(store: Store) -> None:
    """What the graph itself never produces: leaks, foreign rows, blank and frozen images."""
    config = QualityConfig()
    assert not SPLIT_CHECKS["val"].evaluate(store, config, None)
    _check_a_validation_clip_in_the_test(store)
    noted = MANIFEST_CHECKS.evaluate(store, config, None)
    assert {f.check for f in noted} <= {"class_balance", "shared_folds"}
    manifest, val = store.read("split_manifest"), store.read("val_split")
    clip = val["clip"][0]

    write_table(val.with_columns(variant=pl.lit(1, pl.Int32)), store.table("val_split"))
    found = SPLIT_CHECKS["val"].evaluate(store, config, None)
    assert {f.check for f in found} == {"foreign_rows"}
    assert {f.severity for f in found} == {"error"}
    assert clip in {f.clip for f in found}
    assert SPLIT_CHECKS["val"].draw(store, found)

    moved = manifest.filter(pl.col("clip") == clip).with_columns(split=pl.lit("train"))
    write_table(pl.concat([manifest, moved]), store.table("split_manifest"))
    leaks = [f for f in MANIFEST_CHECKS.evaluate(store, config, None) if f.check == "split_leaks"]
    assert {f.clip for f in leaks} == {clip}

    probe = store.read("clip_probe", clip).to_dicts()[0]
    probe["signature"][10:14] = [bytes(432)] * 4
    probe["motion"][30:60] = [0.0] * 30
    probe["time_s"] = [*probe["time_s"][:50], *(t + 0.2 for t in probe["time_s"][50:])]
    probe["nominal_frames"] = 70
    schema = store.read("clip_probe", clip).schema
    write_table(pl.DataFrame([probe], schema=schema), store.table("clip_probe", clip))
    pictures = FRAMES_CHECKS.evaluate(store, config, clip)
    assert {f.frame for f in pictures if f.check == "blank_frames"} == {10, 11, 12, 13}
    assert {f.frame for f in pictures if f.check == "frozen_frames"} == set(range(30, 60))
    assert FRAMES_CHECKS.draw(store, pictures)
    clip_wide = PROBE_CHECKS.evaluate(store, config, clip)
    assert [(f.check, f.frame) for f in clip_wide] == [("lost_frames", 60), ("time_stamps", 50)]


def test_every_check_is_in_the_graph_and_blocks_as_declared(tmp_path: Path) -> None:
    defs = build_definitions(PROFILES["smoke"], Store(root=str(tmp_path)))
    graph = defs.resolve_asset_graph()
    checks = {key.to_user_string(): graph.get_check_spec(key) for key in graph.asset_check_keys}
    blocking = {name.split(":")[1] for name, spec in checks.items() if spec.blocking}
    assert {"limb_length", "temporal_jumps", "split_leaks", "shared_motion", "foreign_rows"} <= (
        blocking
    )
    assert {"finite_loss", "export_parity", "time_stamps", "blank_frames"} <= blocking
    assert not {"beats_trivial", "class_balance", "duplicate_clips"} & blocking


def test_a_frame_that_cannot_be_read_leaves_a_shard_its_results(tmp_path: Path) -> None:
    """It is of one clip: a step that fails makes none of the others."""
    store, finding = Store(root=str(tmp_path)), Finding("spots", "a", "a spot", 2.0, 1.0)

    def unreadable(store: Store, findings: Sequence[Finding]) -> bytes:
        raise OSError("Truncated File Read")

    checks = AssetChecks("numbers", (Check("spots", "None."),), lambda *_: [], unreadable)
    (result,) = checks.results_of_shard(store, [finding], "shard-0000")
    assert not result.passed
    assert result.metadata["picture"].value == "could not be drawn: Truncated File Read"
    with pytest.raises(OSError, match="Truncated"):
        checks.results(store, [finding])


def test_a_check_that_passes_has_numbers_too(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    manifest = pl.DataFrame(
        {
            "clip": ["a", "b", "c", "d"],
            "style": ["ballet"] * 4,
            "performer": [""] * 4,
            "group": ["a", "b", "c", "d"],
            "split": ["train", "train", "val", "test"],
            "fold": [0, 1, 2, 3],
        }
    )
    write_table(conform(manifest, SPLIT_MANIFEST), store.table("split_manifest"))
    write_table(pl.DataFrame(schema=POSE_DATASET), store.table("pose_dataset"))
    found = MANIFEST_CHECKS.evaluate(store, QualityConfig(), None)
    results = {r.check_name: r for r in MANIFEST_CHECKS.results(store, found)}
    assert all(result.passed for result in results.values())
    assert {key: value.value for key, value in results["enough_takes"].metadata.items()} == {
        "count": 0,
        "train_takes": 2.0,
        "val_takes": 1.0,
        "test_takes": 1.0,
    }
    assert results["split_leaks"].metadata["count"].value == 0
