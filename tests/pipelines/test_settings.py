"""Every dataclass of every profile survives the way through Dagster's config."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.rows import ROWS, row_of
from pipelines.execution.runner import Request
from pipelines.settings import mirror, op_config, profile_named

SECTIONS = ("sampling", "estimator", "split", "augment", "recognition", "prediction", "evaluation")


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize("section", SECTIONS)
def test_config_round_trip(name: str, section: str) -> None:
    expected = getattr(PROFILES[name], section)
    settings = mirror(getattr(PROFILES["demo"], section))
    seen = []

    def body(config: dg.Config) -> None:
        seen.append(config.value())

    body.__annotations__["config"] = settings
    asset = dg.asset(name="probe")(body)
    run_config = {"ops": {"probe": op_config(expected)}}
    assert dg.materialize([asset], run_config=run_config).success
    assert seen == [expected]


@pytest.mark.parametrize("method", [row.id for row in ROWS])
def test_every_networks_config_round_trips(method: str) -> None:
    for profile in PROFILES.values():
        experiment = profile.networks[method]
        assert mirror(experiment)().value() == experiment


def test_the_defaults_are_the_profiles() -> None:
    changed = replace(PROFILES["demo"].sampling, min_run=77)
    assert mirror(changed)().value() == changed


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(InputError, match=r"no profile 'big'. Choose one of smoke, demo"):
        profile_named("big")


def test_variants_are_trained_on_the_fixed_split_but_those_for_raw_poses(tmp_path: Path) -> None:
    request = Request(store=tmp_path, profile="study", folds=5, ablations=True)
    networks = request.resolved().networks
    folded = {method for method in networks if networks[method].folds and row_of(method).base}
    assert folded == {f"{network}.estimated" for network in ("stga_net", "traj_gcn", "simlpe")}
    assert networks["stga_net"].folds
    assert networks["simlpe"].folds
