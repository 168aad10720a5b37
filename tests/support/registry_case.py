"""A store with a data set and trainings of a forecaster, without running the graph."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch

from dance_models.checkpoint import experiment_to_plain, save_checkpoint
from dance_models.config import (
    PREDICTION_GATE,
    GateConfig,
    PredictionExperiment,
    StgaNetConfig,
    TrainingConfig,
)
from dance_models.data.assemble import rows_from_pose_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.nets.stga_net import StgaNet
from dance_models.tables import SPLIT_MANIFEST, file_digest, write_table
from dance_models.training.synthetic import synthetic_runs
from pipelines.storage.annotations import RAW_ANNOTATIONS
from pipelines.storage.clips import RAW_CLIPS
from pipelines.storage.store import Store
from pipelines.tracking.lineage_record import CLIP_TABLES, log_record
from pipelines.tracking.registry import PROFILE_TAG, Registry
from pipelines.tracking.tracker import Tracker

ASSET = "stga_net"
SPLITS = ("train", "train", "train", "val", "val", "val", "test")
# Three clips, and networks that only differ from a damped velocity by noise.
GATE = replace(
    PREDICTION_GATE,
    floors=("zero_velocity",),
    fewest_takes=1,
    bootstrap_samples=100,
    window_stride=8,
)


@dataclass(frozen=True)
class Case:
    """A store, its registry of forecasters and ways to fill it."""

    store: Store
    tracker: Tracker

    @property
    def registry(self) -> Registry:
        return Registry(self.tracker, "prediction")

    def write_data(self, seed: int = 0) -> None:
        """Seven clips, one annotation file and every table that a training depends on."""
        store = self.store
        made = zip(synthetic_runs(7, 70, seed=seed), SPLITS, strict=True)
        runs = [
            replace(run, split=split, style=("ballet", "street")[i % 2])
            for i, (run, split) in enumerate(made)
        ]
        rows = {split: _rows([r for r in runs if r.split == split]) for split in set(SPLITS)}
        for split, table in rows.items():
            write_table(table, store.table(f"{split}_split"))
        write_table(rows["train"].head(0), store.table("augmented_train"))
        write_table(pl.concat(rows.values()).sort("clip", "frame"), store.table("pose_dataset"))
        columns = {name: [getattr(run, name) for run in runs] for name in SPLIT_MANIFEST}
        manifest = pl.DataFrame(columns, schema=dict(SPLIT_MANIFEST))
        write_table(manifest, store.table("split_manifest"))
        self._write_files(runs)

    def _write_files(self, runs: list[PoseRun]) -> None:
        store = self.store
        labels = store.raw_annotations / "labels.json"
        labels.write_text("{}")
        for run in runs:
            (store.raw_clips / f"{run.clip}.mp4").write_text(f"film {run.clip}")
            for table in CLIP_TABLES:
                write_table(pl.DataFrame({"clip": [run.clip]}), store.table(table, run.clip), {})
        clips = [
            {
                "clip": run.clip, "style": run.style, "performer": "", "take": "",
                "path": str(path := store.raw_clips / f"{run.clip}.mp4"),
                "sha256": file_digest(path), "corpus": "made-up figures",
            }
            for run in runs
        ]  # fmt: skip
        write_table(pl.DataFrame(clips, schema=dict(RAW_CLIPS)), store.table("raw_clips"), {})
        known = {
            "path": str(labels), "sha256": file_digest(labels),
            "clips": [run.clip for run in runs], "problem": None,
        }  # fmt: skip
        table = pl.DataFrame([known], schema=dict(RAW_ANNOTATIONS))
        write_table(table, store.table("raw_annotations"), {})

    def train(
        self, name: str, *, noise: float = 0.0, gamma: float = 0.7, profile: str = "study"
    ) -> str:
        """A "training" whose weights are fresh plus ``noise``; its MLflow run."""
        torch.manual_seed(0)
        net = StgaNetConfig(channels=4, hidden=8, gamma=gamma)
        model = StgaNet(net)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(noise * torch.randn_like(parameter))
        experiment = experiment_to_plain(PredictionExperiment(net, TrainingConfig()))
        folder = self.store.model(ASSET) / name
        folder.mkdir(parents=True, exist_ok=True)
        state = {"model": model.state_dict(), "experiment": experiment, "labels": ()}
        best = folder / "best.pt"
        save_checkpoint(state, best)
        splits = {f"{s}_split": self.store.digest(f"{s}_split") for s in ("train", "val")}
        tags = {f"data_version/{k}": v for k, v in splits.items()}
        run_id = self._track(folder, best, {**tags, **({PROFILE_TAG: profile} if profile else {})})
        located = {"path": self.store.relative(best), "sha256": file_digest(best)}
        current = {"best": located, "last": located, "folds": [], "splits": splits}
        self.store.output(ASSET).write_text(json.dumps(current))
        return run_id

    def _track(self, folder: Path, best: Path, tags: dict[str, str]) -> str:
        import mlflow
        from mlflow.models import Model, infer_signature

        client = self.tracker.client
        own = {"dagster/asset_key": ASSET, "dagster/run_id": "d1", "git_commit": "c0ffee"}
        run_id = self.tracker.open_run(folder, ASSET, {**own, **tags})
        client.log_param(run_id, "training.epochs", 3)
        client.log_artifact(run_id, str(best), "checkpoints")
        log_record(self.tracker, run_id)
        mlflow.set_tracking_uri(self.store.tracking_uri)
        logged = client.create_logged_model(self.tracker.initialise(), ASSET, run_id)
        files = folder / "model"
        files.mkdir(exist_ok=True)
        shapes = (np.zeros((2, 27, 14, 2), np.float32), np.zeros((2, 10, 14, 2), np.float32))
        Model(signature=infer_signature(*shapes), model_id=logged.model_id).save(
            str(files / "MLmodel")
        )
        client.log_model_artifacts(logged.model_id, str(files))
        client.finalize_logged_model(logged.model_id, "READY")
        client.set_terminated(run_id)
        note = {"run_id": run_id, "model_id": logged.model_id}
        (self.store.model(ASSET) / "mlflow.json").write_text(json.dumps(note))
        return run_id


def _rows(runs: list[PoseRun]) -> pl.DataFrame:
    frames = [
        pl.DataFrame({"frame": run.frame}).with_columns(
            clip=pl.lit(run.clip),
            take=pl.lit(""),
            image=pl.lit("none.jpg"),
            estimator=pl.lit("made up"),
        )
        for run in runs
    ]
    return rows_from_pose_runs(runs, pl.concat(frames))


def make_case(folder: Path) -> Case:
    """An empty store in ``folder`` with the data set."""
    store = Store(root=str(folder)).initialise()
    case = Case(store, Tracker(store))
    case.write_data()
    return case


def gate(**changes: object) -> GateConfig:
    return replace(GATE, **changes)  # type: ignore[arg-type]
