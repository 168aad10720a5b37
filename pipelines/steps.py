"""The graph as the command line runs it: every asset, its inputs and its configuration."""

from functools import partial
from typing import Final

from dance_models.config import Experiment, Profile
from dance_models.profiles import HEADLINE
from dance_models.rows import (
    CROP_NETWORKS,
    INITIAL,
    METHOD_OF_ASSET,
    NETWORKS,
    PRETRAININGS,
    asset_name,
)
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
        for asset in PRETRAININGS
    ),
    tuple(
        Step(
            asset_name(method),
            partial(training.training_inputs, asset_name(method)),
            config=partial(_experiment, method=method),
            checks=model_checks.network_checks(asset_name(method)),
        )
        # The longest first: what is left over at the end keeps all processes busy.
        for method in sorted(NETWORKS, key=lambda method: method not in HEADLINE)
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
    rows = {asset_name(method) for method in profile.rows}
    left_out = {*METHOD_OF_ASSET, *PRETRAININGS} - rows
    left_out -= {INITIAL[row] for row in rows & INITIAL.keys()}
    if not rows & set(CROP_NETWORKS):
        left_out |= {"person_crops"}
    return tuple(a for a in ASSETS if a not in left_out)
