"""Every dataclass of every profile round-trips through Dagster's config."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dance_models.profiles import PROFILES
from dance_models.rows import ROWS
from dance_models.tables import write_text
from pipelines.graph import stages_of
from pipelines.settings import mirror, op_config
from pipelines.stage import Metadata, Stage, StageContext
from pipelines.storage.store import Store

SECTIONS = ("sampling", "estimator", "split", "augment", "recognition", "prediction", "evaluation")


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize("section", SECTIONS)
def test_config_round_trip(name: str, section: str, tmp_path: Path) -> None:
    """A run config replaces the configuration of the profile, which is the default."""
    expected, default = getattr(PROFILES[name], section), getattr(PROFILES["demo"], section)
    seen = []

    @Stage(
        inputs=lambda context: {"config": context.config},
        config=lambda profile: getattr(profile, section),
        group="test",
        version="1",
    )
    def probe(context: StageContext[Any]) -> Metadata:
        """Remembers its configuration."""
        seen.append(context.config)
        write_text(context.store.table("probe"), str(context.config))
        return {}

    resources = {"store": Store(root=str(tmp_path)), "launcher": None}
    asset = probe.asset(PROFILES["demo"])
    for run_config in ({"ops": {"probe": op_config(expected)}}, {}):
        instance = dg.DagsterInstance.ephemeral()
        assert dg.materialize(
            [asset], run_config=run_config, resources=resources, instance=instance
        ).success
    assert seen == [expected, default]


@pytest.mark.parametrize("method", [row.id for row in ROWS])
def test_every_networks_config_round_trips(method: str) -> None:
    for profile in PROFILES.values():
        experiment = profile.networks[method]
        assert mirror(experiment)().value() == experiment


def test_the_defaults_are_those_of_the_profile() -> None:
    changed = replace(PROFILES["demo"].sampling, min_run_s=7.7)
    assert mirror(changed)().value() == changed


def _described(config: type[dg.Config]) -> None:
    for name, field in config.model_fields.items():
        assert field.description, f"{config.__name__}.{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, dg.Config):
            _described(field.annotation)


def test_every_field_of_the_launchpad_says_what_it_means(tmp_path: Path) -> None:
    profile = PROFILES["study"]
    for stage in stages_of(profile):
        default = stage.config(profile)
        if default is not None:
            _described(mirror(default))


def test_the_description_is_the_comment_in_the_source() -> None:
    fields = mirror(PROFILES["demo"].augment).to_fields_dict()
    assert fields["keypoint_jitter"].description == (
        "standard deviation, fraction of the median torso"
    )
