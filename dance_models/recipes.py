"""The networks and the training recipes that rows share, at the length of profile study."""

from dataclasses import replace
from typing import Final

from dance_models.config import (
    HrnetConfig,
    HrnetExperiment,
    MkffStGcnConfig,
    StgaNetConfig,
    TrainingConfig,
    paper_training,
)
from dance_models.skeleton import DANCE_14

MKFF: Final = MkffStGcnConfig(landmarks=DANCE_14.num_landmarks, evidence=True)
MKFF_AS_PRINTED: Final = MkffStGcnConfig(test_mirror=False)
STGA: Final = StgaNetConfig()
STGA_AS_PRINTED: Final = StgaNetConfig(kinematic_inputs=False, velocity_residual=False)


def without_augmentation(recipe: TrainingConfig, mirror: float = 0.0) -> TrainingConfig:
    """``recipe`` with no on-the-fly geometry and no masked joints.

    ``mirror`` is the probability of mirroring a window that is left.
    """
    return replace(
        recipe,
        mirror_probability=mirror,
        rotation_rad=0.0,
        axis_scale=(1.0, 1.0),
        reverse_probability=0.0,
        joint_mask_probability=0.0,
    )


def shortened(recipe: TrainingConfig, epochs: int, rate: float | None = None) -> TrainingConfig:
    """``recipe`` with so many epochs and, when ``rate`` is given, that learning rate."""
    return replace(recipe, epochs=epochs, learning_rate=rate or recipe.learning_rate)


def with_estimated_windows(recipe: TrainingConfig) -> TrainingConfig:
    """``recipe`` that observes half of the windows as the estimator saw them."""
    return replace(recipe, estimate_probability=0.5)


# Every epoch is ``steps_per_epoch`` batches of 32 windows. The moving average of the weights took
# 2 % off STGA-Net's validation error on one fold.
MKFF_TUNED: Final = TrainingConfig(
    epochs=10, steps_per_epoch=200, learning_rate=3e-3, ema_decay=0.995
)
STGA_TUNED: Final = TrainingConfig(
    epochs=16, steps_per_epoch=250, learning_rate=3e-3, ema_decay=0.995
)
SIMLPE_TUNED: Final = shortened(STGA_TUNED, 32)
TRAJ_GCN_TUNED: Final = shortened(STGA_TUNED, 12, 2e-3)

# The paper names flipping, and none of the other geometry of the tuned recipes.
PAPER_RECIPE: Final = replace(
    without_augmentation(paper_training(), mirror=0.5), velocity_weight=0.0
)
# As long as profile study has time for; in profile paper an epoch is a pass over all windows.
PAPER_RECIPE_SHORT: Final = replace(PAPER_RECIPE, steps_per_epoch=20)

# Four minutes on one core: 1,600 batches of 16 crops, four passes over the study's frames.
HRNET: Final = HrnetExperiment(
    HrnetConfig(stem=16),
    TrainingConfig(
        epochs=8,
        steps_per_epoch=200,
        batch_size=16,
        learning_rate=2e-3,
        warmup_steps=100,
        ema_decay=0.99,
        rotation_rad=0.4,
        axis_scale=(0.85, 1.2),
    ),
)
