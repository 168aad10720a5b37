"""What each profile trains, pinned: the checkpoints of a store depend on it."""

import hashlib
import json
from typing import Final

import pytest

from dance_models.config import identity
from dance_models.profiles import PROFILES
from dance_models.rows import HEADLINE, ROWS

# Digests of the network configurations. A change makes every store train again; if intended,
# note it in the changelog.
DIGESTS: Final = {
    "smoke": "84c3c4a3c32685681f7ec8e33f0022de7d59f32442de492a74e0a4bef4ed8395",
    "demo": "5cfccab5f39ed9033067381add27f6a8d8821a415a44dbbfc0a944b6327a52dc",
    "study": "6fd00a0baf5ea4fcba326ca6a7c99649f578bd7d080c553ac805badbc29addde",
    "paper": "31b0ef3071718e9ad9fe223ec3afeebf3faa2843da75c952defc41da538bd184",
}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_no_network_of_a_profile_changed(name: str) -> None:
    networks = {
        method: [type(experiment).__name__, type(experiment.net).__name__, identity(experiment)]
        for method, experiment in PROFILES[name].networks.items()
    }
    text = json.dumps(networks, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[name]


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_can_train_every_row(name: str) -> None:
    networks = PROFILES[name].networks
    assert list(networks) == [row.id for row in ROWS]
    for row in ROWS:
        assert type(networks[row.id]) is type(row.experiment)
        if row.pretraining_asset:
            assert networks[row.id] == networks[row.network]


def test_short_profiles_compare_the_headline_networks() -> None:
    assert PROFILES["smoke"].rows == PROFILES["demo"].rows == HEADLINE


def test_long_profiles_compare_all_rows_except_ablations_and_fine_tuned_ones() -> None:
    expected = (
        "smoothnet", "hbrnn", "hrnet", "st_gcn", "mlp", "mkff_st_gcn.paper", "mkff_st_gcn.faithful",
        "mkff_st_gcn.frame_split", "mkff_st_gcn", "t_gcn", "t_gcn_residual", "t_gcn_velocity",
        "dmgnn", "traj_gcn", "simlpe", "eqmotion", "stga_net.paper", "stga_net.faithful",
        "stga_net",
    )  # fmt: skip
    assert PROFILES["study"].rows == PROFILES["paper"].rows == expected
