"""The four profiles: the same graph with different numbers."""

from dataclasses import replace
from typing import Final

from dance_models.config import (
    AugmentConfig,
    EvaluationConfig,
    MkffStGcnConfig,
    PredictionExperiment,
    Profile,
    RecognitionExperiment,
    SamplingConfig,
    StgaNetConfig,
    TrainingConfig,
    paper_training,
)

_TUNED = TrainingConfig()
_LANDMARKS = MkffStGcnConfig(landmarks=33)

SMOKE: Final = Profile(
    name="smoke",
    sampling=SamplingConfig(frame_budget=600, max_frames_per_clip=60),
    augment=AugmentConfig(variants=1),
    recognition=RecognitionExperiment(
        replace(
            _LANDMARKS,
            spatial_channels=16,
            kinematic_channels=32,
            spatial_blocks=2,
            attention_blocks=2,
        ),
        replace(_TUNED, epochs=2, steps_per_epoch=10, warmup_steps=5),
    ),
    prediction=PredictionExperiment(
        StgaNetConfig(channels=8, hidden=32),
        replace(_TUNED, epochs=2, steps_per_epoch=10, warmup_steps=5),
    ),
    evaluation=EvaluationConfig(bootstrap_samples=200, window_stride=5),
)

DEMO: Final = Profile(
    name="demo",
    sampling=SamplingConfig(max_frames_per_clip=120),
    recognition=RecognitionExperiment(
        _LANDMARKS, replace(_TUNED, epochs=8, steps_per_epoch=60, learning_rate=4e-3)
    ),
    prediction=PredictionExperiment(
        StgaNetConfig(), replace(_TUNED, epochs=8, steps_per_epoch=65, learning_rate=4e-3)
    ),
)

STUDY: Final = Profile(
    name="study",
    sampling=SamplingConfig(frame_budget=20_000),
    recognition=RecognitionExperiment(_LANDMARKS, replace(_TUNED, epochs=40, steps_per_epoch=100)),
    prediction=PredictionExperiment(
        StgaNetConfig(), replace(_TUNED, epochs=40, steps_per_epoch=125)
    ),
)

PAPER: Final = Profile(
    name="paper",
    recognition=RecognitionExperiment(_LANDMARKS, paper_training()),
    prediction=PredictionExperiment(StgaNetConfig(channels=32, hidden=256), paper_training()),
)

PROFILES: Final[dict[str, Profile]] = {p.name: p for p in (SMOKE, DEMO, STUDY, PAPER)}
