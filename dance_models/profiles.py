"""The four profiles: the same graph with different numbers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dance_models.config import (
    AugmentConfig,
    DmgnnConfig,
    EvaluationConfig,
    Experiment,
    HbrnnConfig,
    HrnetConfig,
    HrnetExperiment,
    MkffStGcnConfig,
    PredictionExperiment,
    Profile,
    RecognitionExperiment,
    SamplingConfig,
    SimlpeConfig,
    SmoothNetConfig,
    StgaNetConfig,
    StGcnConfig,
    TGcnConfig,
    TrainingConfig,
    TrajGcnConfig,
    paper_training,
)
from dance_models.rows import ABLATIONS, NETWORKS, PRETRAINED

_TUNED = TrainingConfig()
_MKFF = MkffStGcnConfig(landmarks=33)
_MKFF_FAITHFUL = MkffStGcnConfig(test_mirror=False)
_STGA = StgaNetConfig()
_STGA_FAITHFUL = StgaNetConfig(kinematic_inputs=False, velocity_residual=False)


def _without_augmentation(recipe: TrainingConfig, mirror: float = 0.0) -> TrainingConfig:
    """None of the geometry that is drawn on the fly, and no masked joints."""
    return replace(
        recipe,
        mirror_probability=mirror,
        rotation_rad=0.0,
        axis_scale=(1.0, 1.0),
        reverse_probability=0.0,
        joint_mask_probability=0.0,
    )


# The paper names flipping, and none of the other geometry that the tuned recipe draws.
_PAPER_TRAINING = replace(_without_augmentation(paper_training(), mirror=0.5), velocity_weight=0.0)


# As much of it as the study has time for; profile paper passes over all windows.
_PAPER_SHORT = replace(_PAPER_TRAINING, steps_per_epoch=20)

# The headline networks; every epoch is ``steps_per_epoch`` batches of 32 windows.
# An average of the weights took 2 % off STGA-Net's validation error on one fold.
_MKFF_TUNED = replace(_TUNED, epochs=10, steps_per_epoch=200, learning_rate=3e-3, ema_decay=0.995)
_STGA_TUNED = replace(_TUNED, epochs=16, steps_per_epoch=250, learning_rate=3e-3, ema_decay=0.995)


def _short(recipe: TrainingConfig, epochs: int, rate: float | None = None) -> TrainingConfig:
    return replace(recipe, epochs=epochs, learning_rate=rate or recipe.learning_rate)


def _as_estimated(recipe: TrainingConfig) -> TrainingConfig:
    """Half of the windows show the past as the estimator saw it."""
    return replace(recipe, estimate_probability=0.5)


_SIMLPE_TUNED = _short(_STGA_TUNED, 32)
_TRAJ_GCN_TUNED = _short(_STGA_TUNED, 12, 2e-3)

# Four minutes on one core: 1,600 batches of 16 crops, four passes over the study's frames.
_HRNET = HrnetExperiment(
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

# Every network that can be trained, at the length of the study.
_STUDY: Final[dict[str, Experiment]] = {
    "smoothnet": RecognitionExperiment(SmoothNetConfig(), _short(_MKFF_TUNED, 6, 1e-3)),
    "hbrnn": RecognitionExperiment(HbrnnConfig(), _short(_MKFF_TUNED, 10, 2e-3)),
    "hrnet": _HRNET,
    "st_gcn": RecognitionExperiment(StGcnConfig(landmarks=33), _MKFF_TUNED),
    "mkff_st_gcn.paper": RecognitionExperiment(_MKFF_FAITHFUL, _PAPER_SHORT),
    "mkff_st_gcn.faithful": RecognitionExperiment(_MKFF_FAITHFUL, _short(_MKFF_TUNED, 6)),
    "mkff_st_gcn.frame_split": RecognitionExperiment(_MKFF, _MKFF_TUNED),
    "mkff_st_gcn.causal": RecognitionExperiment(replace(_MKFF, causal=True), _MKFF_TUNED),
    "mkff_st_gcn.no_kinematics": RecognitionExperiment(
        replace(_MKFF, use_kinematics=False), _MKFF_TUNED
    ),
    "mkff_st_gcn.no_attention": RecognitionExperiment(
        replace(_MKFF, attention_blocks=0), _MKFF_TUNED
    ),
    "mkff_st_gcn.no_top_k": RecognitionExperiment(replace(_MKFF, top_k_weight=0.0), _MKFF_TUNED),
    "mkff_st_gcn.no_landmarks": RecognitionExperiment(replace(_MKFF, landmarks=0), _MKFF_TUNED),
    "mkff_st_gcn.no_augmentation": RecognitionExperiment(_MKFF, _without_augmentation(_MKFF_TUNED)),
    "mkff_st_gcn.seed_1": RecognitionExperiment(_MKFF, replace(_MKFF_TUNED, seed=1)),
    "mkff_st_gcn.seed_2": RecognitionExperiment(_MKFF, replace(_MKFF_TUNED, seed=2)),
    "mkff_st_gcn": RecognitionExperiment(_MKFF, _MKFF_TUNED),
    "simlpe": PredictionExperiment(SimlpeConfig(), _SIMLPE_TUNED),
    "simlpe.estimated": PredictionExperiment(SimlpeConfig(), _as_estimated(_SIMLPE_TUNED)),
    "traj_gcn": PredictionExperiment(TrajGcnConfig(), _TRAJ_GCN_TUNED),
    "traj_gcn.estimated": PredictionExperiment(TrajGcnConfig(), _as_estimated(_TRAJ_GCN_TUNED)),
    "t_gcn": PredictionExperiment(TGcnConfig(), _short(_STGA_TUNED, 6)),
    "t_gcn_residual": PredictionExperiment(TGcnConfig(output="residual"), _short(_STGA_TUNED, 6)),
    "t_gcn_velocity": PredictionExperiment(TGcnConfig(output="velocity"), _short(_STGA_TUNED, 6)),
    "dmgnn": PredictionExperiment(DmgnnConfig(), _short(_STGA_TUNED, 2)),
    "stga_net.paper": PredictionExperiment(_STGA_FAITHFUL, _PAPER_SHORT),
    "stga_net.faithful": PredictionExperiment(_STGA_FAITHFUL, _short(_STGA_TUNED, 8)),
    # The hidden widths of the variants give each about the parameters of the whole network.
    "stga_net.gcn": PredictionExperiment(replace(_STGA, graph="gcn", hidden=176), _STGA_TUNED),
    "stga_net.local_sym": PredictionExperiment(
        replace(_STGA, graph="local-sym", hidden=160), _STGA_TUNED
    ),
    "stga_net.local_distal": PredictionExperiment(
        replace(_STGA, graph="local-distal", hidden=160), _STGA_TUNED
    ),
    "stga_net.local": PredictionExperiment(replace(_STGA, graph="local", hidden=144), _STGA_TUNED),
    "stga_net.global": PredictionExperiment(
        replace(_STGA, graph="global", hidden=168), _STGA_TUNED
    ),
    "stga_net.no_b": PredictionExperiment(replace(_STGA, use_b=False, hidden=132), _STGA_TUNED),
    "stga_net.no_c": PredictionExperiment(replace(_STGA, use_c=False), _STGA_TUNED),
    "stga_net.no_augmentation": PredictionExperiment(_STGA, _without_augmentation(_STGA_TUNED)),
    "stga_net.estimated": PredictionExperiment(_STGA, _as_estimated(_STGA_TUNED)),
    "stga_net.seed_1": PredictionExperiment(_STGA, replace(_STGA_TUNED, seed=1)),
    "stga_net.seed_2": PredictionExperiment(_STGA, replace(_STGA_TUNED, seed=2)),
    "stga_net": PredictionExperiment(_STGA, _STGA_TUNED),
}
HEADLINE: Final = ("mkff_st_gcn", "stga_net")


def _at_length(epochs: int, steps: int, rate: float, warmup: int = 50) -> dict[str, Experiment]:
    """Every network with the same short training."""
    return {
        name: replace(
            experiment,
            training=replace(
                experiment.training,
                epochs=epochs,
                steps_per_epoch=steps,
                ema_decay=0.0,  # an average over more steps than there are
                warmup_steps=min(warmup, experiment.training.warmup_steps),
                learning_rate=rate
                if experiment.training.recipe == "tuned"
                else experiment.training.learning_rate,
            ),
        )
        for name, experiment in _STUDY.items()
    }


def _smoke() -> dict[str, Experiment]:
    """Twenty steps in four epochs, and small headline networks."""
    networks = _at_length(4, 5, 2e-3, warmup=5)
    recognition, prediction = networks["mkff_st_gcn"], networks["stga_net"]
    assert isinstance(recognition, RecognitionExperiment)
    assert isinstance(prediction, PredictionExperiment)
    small = MkffStGcnConfig(
        landmarks=33,
        spatial_channels=16,
        kinematic_channels=32,
        spatial_blocks=2,
        attention_blocks=2,
    )
    networks["mkff_st_gcn"] = replace(recognition, net=small)
    networks["stga_net"] = replace(prediction, net=StgaNetConfig(channels=8, hidden=32))
    return networks


def _paper() -> dict[str, Experiment]:
    """The paper's recipe for its two networks at its width."""
    return {
        **_STUDY,
        "mkff_st_gcn.paper": RecognitionExperiment(_MKFF_FAITHFUL, _PAPER_TRAINING),
        "stga_net": PredictionExperiment(replace(_STGA, channels=32, hidden=256), _STGA_TUNED),
        "stga_net.paper": PredictionExperiment(
            replace(_STGA_FAITHFUL, channels=32, hidden=256), _PAPER_TRAINING
        ),
    }


def _with_pretrained(networks: Mapping[str, Experiment]) -> dict[str, Experiment]:
    """The fine-tuned rows: what their networks are, from other initial weights."""
    return {**networks, **{method: networks[network] for method, network in PRETRAINED.items()}}


ROWS: Final = tuple(name for name in NETWORKS if name not in {*ABLATIONS, *PRETRAINED})

SMOKE: Final = Profile(
    name="smoke",
    networks=_with_pretrained(_smoke()),
    rows=HEADLINE,
    sampling=SamplingConfig(frame_budget=600, max_frames_per_clip=60),
    augment=AugmentConfig(variants=1),
    evaluation=EvaluationConfig(bootstrap_samples=200, window_stride=5),
)

DEMO: Final = Profile(
    name="demo",
    networks=_with_pretrained(_at_length(8, 65, 4e-3)),
    rows=HEADLINE,
    sampling=SamplingConfig(max_frames_per_clip=120),
)

STUDY: Final = Profile(
    name="study",
    networks=_with_pretrained(_STUDY),
    rows=ROWS,
    sampling=SamplingConfig(frame_budget=20_000),
)

PAPER: Final = Profile(
    name="paper",
    networks=_with_pretrained(_paper()),
    rows=ROWS,
)

PROFILES: Final[dict[str, Profile]] = {p.name: p for p in (SMOKE, DEMO, STUDY, PAPER)}
