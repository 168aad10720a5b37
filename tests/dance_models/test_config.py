"""Settings that were added later do not invalidate earlier trainings."""

from dataclasses import asdict, dataclass, fields, replace

from dance_models.checkpoint import experiment_from_plain, experiment_to_plain
from dance_models.config import (
    AugmentConfig,
    CropJitterConfig,
    HrnetConfig,
    HrnetExperiment,
    MkffStGcnConfig,
    PredictionExperiment,
    RecognitionExperiment,
    SamplingConfig,
    StgaNetConfig,
    TrainingConfig,
    _added,
    from_identity,
    identity,
)


def test_identity_omits_only_later_fields_at_their_default() -> None:
    assert identity(SamplingConfig()) == asdict(SamplingConfig())
    earlier = TrainingConfig(ema_warmup=False, decay_graphs=True)
    whole = PredictionExperiment(StgaNetConfig(attention="additive"), earlier)
    plain = identity(whole)
    assert set(asdict(whole)["net"]) - set(plain["net"]) == {
        "dct_inputs", "attention", "free_decoder",
    }  # fmt: skip
    assert set(asdict(whole)["training"]) - set(plain["training"]) == {
        "rate_factors", "pilot_share", "ema_warmup", "decay_graphs", "estimate_probability",
        "bf16", "cuda_graph", "stacked", "devices",
    }  # fmt: skip
    changed = replace(
        whole,
        net=StgaNetConfig(attention="dot", free_decoder=False, dct_inputs=5),
        training=TrainingConfig(
            rate_factors=(1.0, 2.0),
            pilot_share=0.3,
            estimate_probability=0.5,
            bf16=True,
            cuda_graph=False,
            stacked=False,
            devices=2,
        ),
        seeds=3,
    )
    assert identity(changed) == asdict(changed)


@dataclass(frozen=True)
class _Earlier:
    """A configuration whose setting was added with the default 0."""

    size: int = 3
    extra: int = _added(0, was=0)


@dataclass(frozen=True)
class _Later:
    """The same after the default was changed to 5."""

    size: int = 3
    extra: int = _added(5, was=0)


def test_a_new_default_of_an_added_setting_changes_the_identity() -> None:
    """An earlier training is not mistaken for one with the new default."""
    assert identity(_Earlier()) == {"size": 3}
    assert identity(_Later()) == {"size": 3, "extra": 5}
    assert identity(_Later(extra=0)) == {"size": 3}


def test_older_files_are_read_with_the_default_of_their_time() -> None:
    assert from_identity(_Later, identity(_Earlier())) == _Later(extra=0)
    assert from_identity(_Later, identity(_Later())) == _Later()


def test_lists_are_read_back_as_tuples() -> None:
    assert from_identity(AugmentConfig, {"scale": [0.5, 2.0]}) == AugmentConfig(scale=(0.5, 2.0))


def test_disabled_noise_and_blur_do_not_change_hrnets_identity() -> None:
    experiment = HrnetExperiment(HrnetConfig(), TrainingConfig())
    assert set(identity(experiment)["jitter"]) == {"shift", "brightness", "colour"}
    noisy = replace(experiment, jitter=CropJitterConfig(blur=1.0, noise=6.0))
    assert identity(noisy)["jitter"] == asdict(noisy.jitter)
    assert experiment_from_plain(experiment_to_plain(noisy)) == noisy


def test_every_setting_changes_the_identity() -> None:
    for config in (MkffStGcnConfig(), StgaNetConfig(), TrainingConfig(), CropJitterConfig()):
        for entry in fields(config):
            other = replace(config, **{entry.name: "something else"})
            assert identity(other) != identity(config), entry.name


def test_an_experiment_round_trips_through_plain_values() -> None:
    for net in (MkffStGcnConfig(), MkffStGcnConfig(uncertainty=True)):
        experiment = RecognitionExperiment(net, TrainingConfig(estimate_probability=0.25))
        assert experiment_from_plain(experiment_to_plain(experiment)) == experiment
