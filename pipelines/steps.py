"""The graph as the command line runs it: every asset, its inputs and its configuration."""

from functools import partial
from typing import Final

from dance_models.config import Experiment, Profile
from dance_models.rows import ROW_OF_ASSET, ROW_OF_PRETRAINING, ROWS, row_of
from pipelines.assets import (
    annotations,
    champions,
    clips,
    crops,
    dataset,
    evaluation,
    pretraining,
    training,
)
from pipelines.checks import annotations as pose_checks
from pipelines.checks import clips as clip_checks
from pipelines.checks import models as model_checks
from pipelines.checks.dataset import DATASET_CHECKS, MANIFEST_CHECKS, SPLIT_CHECKS
from pipelines.settings import pretraining_experiment
from pipelines.skip_rule import Step


def _experiment(profile: Profile, method: str) -> Experiment:
    return profile.networks[method]


# Per clip, in the order in which one clip goes through them.
CLIP_STEPS: Final = (
    Step(
        "clip_probe",
        clips.clip_probe_inputs,
        partitioned=True,
        checks=clip_checks.PROBE_CHECKS,
    ),
    Step(
        "pose_annotations",
        annotations.pose_annotations_inputs,
        partitioned=True,
        checks=pose_checks.ANNOTATION_CHECKS,
    ),
    Step(
        "sampled_frames",
        clips.sampled_frames_inputs,
        config=lambda profile: profile.sampling,
        partitioned=True,
        checks=clip_checks.FRAMES_CHECKS,
    ),
    Step(
        "pose_tracks",
        clips.pose_tracks_inputs,
        config=lambda profile: profile.estimator,
        partitioned=True,
        checks=pose_checks.TRACK_CHECKS,
    ),
)

# Over all clips; the steps of one tuple run side by side, each in a process of its own.
DATASET_STEPS: Final = (
    (Step("pose_dataset", dataset.pose_dataset_inputs, checks=DATASET_CHECKS),),
    (
        Step(
            "split_manifest",
            dataset.split_manifest_inputs,
            config=lambda profile: profile.split,
            checks=MANIFEST_CHECKS,
        ),
    ),
    (
        Step(
            "augmented_train",
            dataset.augmented_train_inputs,
            config=lambda profile: profile.augment,
        ),
        Step("person_crops", crops.person_crops_inputs),
    ),
    (Step("train_split", dataset.train_split_inputs, checks=SPLIT_CHECKS["train"]),),
    (Step("val_split", dataset.val_split_inputs, checks=SPLIT_CHECKS["val"]),),
    (Step("test_split", dataset.test_split_inputs, checks=SPLIT_CHECKS["test"]),),
    (
        Step(
            "pretraining_motion",
            pretraining.pretraining_motion_inputs,
            config=lambda profile: profile.motion,
        ),
    ),
    tuple(
        Step(
            asset,
            partial(training.training_inputs, asset),
            config=partial(pretraining_experiment, asset=asset),
        )
        for asset in ROW_OF_PRETRAINING
    ),
    tuple(
        Step(
            row.asset,
            partial(training.training_inputs, row.asset),
            config=partial(_experiment, method=row.id),
            checks=model_checks.network_checks(row.asset),
        )
        # The longest first: what is left over at the end keeps all processes busy.
        for row in sorted(ROWS, key=lambda row: row.kind != "headline")
    ),
    (
        Step(
            "recognition_report",
            evaluation.recognition_report_inputs,
            config=lambda profile: profile.evaluation,
            checks=model_checks.RECOGNITION_CHECKS,
        ),
        Step(
            "prediction_report",
            evaluation.prediction_report_inputs,
            config=lambda profile: profile.evaluation,
            checks=model_checks.PREDICTION_CHECKS,
        ),
    ),
    (Step("paired_comparisons", evaluation.paired_comparisons_inputs),),
    (Step("html_report", evaluation.html_report_inputs),),
    (
        Step(
            "recognition_champion",
            champions.champion_inputs("recognition"),
            config=lambda profile: profile.recognition_gate,
        ),
        Step(
            "prediction_champion",
            champions.champion_inputs("prediction"),
            config=lambda profile: profile.prediction_gate,
        ),
    ),
)

ASSETS: Final = tuple(
    step.asset for step in (*CLIP_STEPS, *(s for group in DATASET_STEPS for s in group))
)


def assets_of(profile: Profile) -> tuple[str, ...]:
    """The assets of the graph under a profile: the trainings of its rows, and what they need."""
    rows = [row_of(method) for method in profile.rows]
    left_out = {*ROW_OF_ASSET, *ROW_OF_PRETRAINING}
    left_out -= {asset for row in rows for asset in (row.asset, row.pretraining_asset)}
    if not any(row.needs_crops for row in rows):
        left_out |= {"person_crops"}
    return tuple(a for a in ASSETS if a not in left_out)
