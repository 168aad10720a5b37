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
    "smoke": "fa5817f3c350b438b39c95e7a31f9e06da70a3543d5559281bf7dc7b40919864",
    "demo": "b5ead1afbe6133a4bf716e8f04cc6005a50467716da7a9a2cd6169580cd17c96",
    "study": "63d2b242503bc5e208e8a36a206974378b08123bf29a74dfcf2bf50bb14508d6",
    "paper": "b10001810a7b1d0c3c1d5cbe3472b8a1e21b822c1d8f11b01d0e8e3ce4e81292",
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
        "smoothnet", "hbrnn", "hrnet", "st_gcn", "mkff_st_gcn.paper", "mkff_st_gcn.faithful",
        "mkff_st_gcn.frame_split", "mkff_st_gcn", "t_gcn", "t_gcn_residual", "t_gcn_velocity",
        "dmgnn", "traj_gcn", "simlpe", "stga_net.paper", "stga_net.faithful", "stga_net",
    )  # fmt: skip
    assert PROFILES["study"].rows == PROFILES["paper"].rows == expected
