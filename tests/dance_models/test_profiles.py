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
    "smoke": "5a7d3a38d2d9a886b79de978e9372516b7263740cec6decb65f531b166bcd2f3",
    "demo": "e2c0c05326c1df351aef7dcf22bff30c23c5d970179ec3edd852d3ac1dbe5ed1",
    "study": "8a4e49f183a54102e73af27af6b1287023ab7b5bcbb197b51b0a77920831a6e9",
    "paper": "38df5b422dd1b3e366dc427a227617b084d824c1faa61cf1d7b54b3dff4dcfc8",
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
