"""Settings that were added later do not make what was trained before look untrained."""

from dataclasses import asdict, fields, replace

from dance_models.checkpoint import experiment_from_plain, experiment_to_plain
from dance_models.config import (
    MkffStGcnConfig,
    PredictionExperiment,
    RecognitionExperiment,
    SamplingConfig,
    StgaNetConfig,
    TrainingConfig,
    identity,
)


def test_identity_holds_every_field_but_those_added_later_at_their_default() -> None:
    assert identity(SamplingConfig()) == asdict(SamplingConfig())
    whole = PredictionExperiment(StgaNetConfig(), TrainingConfig())
    plain = identity(whole)
    assert set(asdict(whole)["net"]) - set(plain["net"]) == {"dct_inputs"}
    assert set(asdict(whole)["training"]) - set(plain["training"]) == {"estimate_probability"}
    changed = replace(
        whole,
        net=replace(whole.net, dct_inputs=5),
        training=replace(whole.training, estimate_probability=0.5),
    )
    assert identity(changed) == asdict(changed)


def test_every_setting_tells_configurations_apart() -> None:
    for config in (MkffStGcnConfig(), StgaNetConfig(), TrainingConfig()):
        for entry in fields(config):
            other = replace(config, **{entry.name: "something else"})
            assert identity(other) != identity(config), entry.name


def test_an_experiment_comes_back_from_plain_values() -> None:
    for net in (MkffStGcnConfig(), MkffStGcnConfig(uncertainty=True)):
        experiment = RecognitionExperiment(net, TrainingConfig(estimate_probability=0.25))
        assert experiment_from_plain(experiment_to_plain(experiment)) == experiment
